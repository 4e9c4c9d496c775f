import { lazy, Suspense, type ComponentType } from 'react';
import { Loading } from '../components/Loading';
import { Overview } from '../pages/Overview';
import { NotFound } from '../pages/NotFound';
import { ErrorBoundary } from './ErrorBoundary';
import { match, usePlace } from './router';

type Params = Record<string, string>;
type PageOf = ComponentType<{ params: Params }>;

const pages: [string, PageOf][] = [
  ['/', Overview],
  ['/devices', lazy(() => import('../pages/devices/Devices'))],
  ['/devices/:id', lazy(() => import('../pages/device/Device'))],
  ['/compare', lazy(() => import('../pages/devices/Compare'))],
  ['/things', lazy(() => import('../pages/things/Things'))],
  ['/things/:id', lazy(() => import('../pages/things/ThingEditor'))],
  ['/history', lazy(() => import('../pages/history/History'))],
  ['/dashboards', lazy(() => import('../pages/dashboards/Dashboards'))],
  ['/dashboards/:id', lazy(() => import('../pages/dashboards/Dashboard'))],
  ['/api-explorer', lazy(() => import('../pages/ApiExplorer'))],
  ['/device-templates', lazy(() => import('../pages/DeviceTemplates'))],
  ['/provisioning', lazy(() => import('../pages/Provisioning'))],
  ['/tokens', lazy(() => import('../pages/Tokens'))],
  ['/people', lazy(() => import('../pages/People'))],
  ['/sign-in-providers', lazy(() => import('../pages/Providers'))],
  ['/roles', lazy(() => import('../pages/Roles'))],
  ['/tenants', lazy(() => import('../pages/Tenants'))],
  ['/account', lazy(() => import('../pages/account/Account'))],
  ['/backups', lazy(() => import('../pages/Backups'))],
  ['/security/components', lazy(() => import('../pages/Components'))],
  ['/security/data', lazy(() => import('../pages/DataCatalogue'))],
  ['/security/keys', lazy(() => import('../pages/Keys'))],
  ['/security', lazy(() => import('../pages/Security'))],
  ['/settings', lazy(() => import('../pages/node/Settings'))],
  ['/settings/changes', lazy(() => import('../pages/node/Changes'))],
  ['/health', lazy(() => import('../pages/node/Health'))],
  ['/slow', lazy(() => import('../pages/node/Slow'))],
  ['/logs', lazy(() => import('../pages/node/Logs'))],
  ['/audit', lazy(() => import('../pages/Audit'))],
];

export function Routes() {
  const { path } = usePlace();
  for (const [pattern, Page] of pages) {
    const params = match(pattern, path);
    if (params) {
      return (
        <ErrorBoundary key={path}>
          <Suspense fallback={<Loading />}>
            <Page params={params} />
          </Suspense>
        </ErrorBoundary>
      );
    }
  }
  return <NotFound />;
}
