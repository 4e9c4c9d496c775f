// The page's help, beside it. Loaded when it is opened for the first time.
import { CloseOutlined } from '@ant-design/icons';
import { Drawer } from 'antd';
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

interface Props {
  open: boolean;
  onClose: () => void;
}

export default function HelpDrawer({ open, onClose }: Props) {
  const lang = useLanguage();
  const { path } = usePlace();
  const page = helpOf(path);
  const say = (text: Text) => text[lang === 'zh' ? 0 : 1];
  return (
    <Drawer
      open={open}
      onClose={onClose}
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
  );
}
