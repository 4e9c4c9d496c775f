// The button of the page's help, and its key "?".
import { QuestionCircleOutlined } from '@ant-design/icons';
import { Button } from 'antd';
import { lazy, Suspense, useEffect, useState } from 'react';
import { usePlace } from '../app/router';
import { t } from '../i18n';

const HelpDrawer = lazy(() => import('./HelpDrawer'));

/** A key pressed in a field is text, not a wish for help. */
function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

export function Help() {
  const { path } = usePlace();
  const [open, setOpen] = useState(false);
  const [wanted, setWanted] = useState(false);
  useEffect(() => setOpen(false), [path]);
  useEffect(() => {
    if (open) setWanted(true);
  }, [open]);
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
      {wanted ? (
        <Suspense fallback={null}>
          <HelpDrawer open={open} onClose={() => setOpen(false)} />
        </Suspense>
      ) : null}
    </>
  );
}
