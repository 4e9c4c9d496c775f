import { App as AntApp, ConfigProvider } from 'antd';
import enUS from 'antd/locale/en_US';
import zhCN from 'antd/locale/zh_CN';
import { lazy, Suspense } from 'react';
import { useLanguage } from '../i18n';
import { SignIn } from '../pages/SignIn';
import { ConfirmIdentity } from '../components/ConfirmIdentity';
import { MustDo } from '../pages/MustDo';
import { OutsideReturn } from '../pages/OutsideReturn';
import { outsideReturn } from '../api/outside';
import { Loading } from '../components/Loading';
import { ErrorBoundary } from './ErrorBoundary';
import { antdTheme } from './antd';
import { nonce } from './nonce';
import { usePhone } from './phone';
import { Routes } from './Routes';
import { SessionProvider, useSession } from './session';
import { Shell } from './Shell';
import { match } from './router';
import { useTheme } from './theme';

const Panel = lazy(() => import('../pages/dashboards/Panel'));
/** A panel on a wall has a token of its own: no session is asked for. */
const panel = match('/panel/:id', location.pathname);

function Inside() {
  const { state, session } = useSession();
  if (outsideReturn?.confirm) return <OutsideReturn />;
  if (state === 'loading') return <Loading />;
  if (state === 'out') return <SignIn />;
  return (
    <>
      {session?.must?.length ? (
        <MustDo />
      ) : (
        <Shell>
          <Routes />
        </Shell>
      )}
      <ConfirmIdentity />
    </>
  );
}

export function App() {
  const lang = useLanguage();
  const theme = useTheme();
  const phone = usePhone();
  return (
    <ConfigProvider
      csp={{ nonce }}
      locale={lang === 'zh' ? zhCN : enUS}
      theme={antdTheme(theme, phone)}
      button={{ autoInsertSpace: false }}
    >
      <AntApp className="app" message={{ maxCount: 3 }}>
        <ErrorBoundary>
          {panel ? (
            <Suspense fallback={<Loading />}>
              <Panel id={panel.id ?? ''} />
            </Suspense>
          ) : (
            <SessionProvider>
              <Inside />
            </SessionProvider>
          )}
        </ErrorBoundary>
      </AntApp>
    </ConfigProvider>
  );
}
