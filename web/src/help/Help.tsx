// The page's help, beside it: opened by its button or the key "?".
import { CloseOutlined, QuestionCircleOutlined } from '@ant-design/icons';
import { Button, Drawer } from 'antd';
import { useEffect, useState } from 'react';
import { match, usePlace } from '../app/router';
import { menu } from '../app/menu';
import { t, useLanguage, type WordKey } from '../i18n';
import { everywhere, pages, type PageHelp, type Text } from '../i18n/help';

export function helpOf(path: string): PageHelp | undefined {
  return pages.find((page) => match(page.path, path));
}

const names: Record<string, WordKey> = {
  ...Object.fromEntries(menu.flatMap((group) => group.items).map((item) => [item.path, item.word])),
  '/security/keys': 'nodeKeys.title',
  '/security/components': 'components.title',
  '/settings/changes': 'help.changes',
};

function Keys({ keys, say }: { keys: NonNullable<PageHelp['keys']>; say: (text: Text) => string }) {
  return (
    <dl className="help-keys">
      {keys.map(([key, does]) => (
        <div key={key}>
          <dt>
            <kbd>{key}</kbd>
          </dt>
          <dd>{say(does)}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A key pressed in a field is text, not a wish for help. */
function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

export function Help() {
  const lang = useLanguage();
  const { path } = usePlace();
  const [open, setOpen] = useState(false);
  const page = helpOf(path);
  const say = (text: Text) => text[lang === 'zh' ? 0 : 1];
  useEffect(() => setOpen(false), [path]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== '?' || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      event.preventDefault();
      setOpen((was) => !was);
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, []);
  return (
    <>
      <Button
        type="text"
        size="small"
        aria-label={t('help.title')}
        aria-keyshortcuts="?"
        title={`${t('help.title')} (?)`}
        icon={<QuestionCircleOutlined aria-hidden />}
        onClick={() => setOpen(true)}
      />
      <Drawer
        open={open}
        onClose={() => setOpen(false)}
        title={t('help.title')}
        size={400}
        mask={false}
        closeIcon={<CloseOutlined aria-label={t('action.close')} />}
      >
        <div className="help">
          {page ? (
            <>
              <p>{say(page.what)}</p>
              <ul>
                {page.steps.map((step) => (
                  <li key={step[1]}>{say(step)}</li>
                ))}
              </ul>
              {page.more ? (
                <p>
                  {t('help.more')}{' '}
                  {page.more.map((to, i) => (
                    <span key={to}>
                      {i > 0 ? ' · ' : ''}
                      <a href={to}>{t(names[to] ?? 'nav.overview')}</a>
                    </span>
                  ))}
                </p>
              ) : null}
            </>
          ) : null}
          <h2>{t('help.keys')}</h2>
          <Keys keys={[...(page?.keys ?? []), ...everywhere]} say={say} />
        </div>
      </Drawer>
    </>
  );
}
