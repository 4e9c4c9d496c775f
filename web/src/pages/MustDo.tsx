// Shown in place of everything else while the server allows nothing until this is done.
import { Button } from 'antd';
import { lazy, Suspense, useEffect } from 'react';
import { LookButtons } from '../app/Shell';
import { useSession } from '../app/session';
import { Loading } from '../components/Loading';
import { t } from '../i18n';

const panels = {
  password: lazy(() => import('./account/PasswordPanel').then((m) => ({ default: m.PasswordPanel }))),
  second_factor: lazy(() => import('./account/FactorPanel').then((m) => ({ default: m.FactorPanel }))),
};

export function MustDo() {
  const { session, signOut } = useSession();
  const first = session?.must?.[0] ?? 'password';
  const Panel = panels[first];
  useEffect(() => {
    document.title = `${t('must.title')} · ${t('app.name')}`;
  });
  return (
    <div className="must-do">
      <header className="sign-in-top">
        <LookButtons />
        <Button type="text" size="small" onClick={() => void signOut()}>
          {t('session.signOut')}
        </Button>
      </header>
      <main>
        <h1>{t('must.title')}</h1>
        <p>{t(`must.${first}`)}</p>
        <Suspense fallback={<Loading />}>
          <Panel />
        </Suspense>
      </main>
    </div>
  );
}
