// The pages of the console, as the menu and the search know them.
import {
  ApartmentOutlined, ApiOutlined, AppstoreOutlined, AreaChartOutlined, AuditOutlined, BlockOutlined,
  DashboardOutlined, FieldTimeOutlined, FileTextOutlined, HddOutlined, HeartOutlined, IdcardOutlined, KeyOutlined, SafetyCertificateOutlined, SafetyOutlined, SaveOutlined,
  SettingOutlined, SolutionOutlined, TeamOutlined,
} from '@ant-design/icons';
import type { ReactNode } from 'react';
import type { WordKey } from '../i18n';

export interface Item {
  path: string;
  word: WordKey;
  icon: ReactNode;
  needs?: string;
  /** About the whole node: for the root tenant. */
  node?: boolean;
}

/** Is the page for one with these rights in this tenant? */
export function isFor(item: Item, may: (permission: string) => boolean, tenant: string | undefined): boolean {
  return (!item.needs || may(item.needs)) && (!item.node || !tenant);
}

export const menu: { word: WordKey; items: Item[] }[] = [
  {
    word: 'nav.plant',
    items: [
      { path: '/', word: 'nav.overview', icon: <DashboardOutlined /> },
      { path: '/dashboards', word: 'nav.dashboards', icon: <AppstoreOutlined />, needs: 'dashboards.read' },
      { path: '/devices', word: 'nav.devices', icon: <HddOutlined />, needs: 'devices.read' },
      { path: '/provisioning', word: 'nav.provisioning', icon: <IdcardOutlined />, needs: 'devices.read' },
      { path: '/things', word: 'nav.things', icon: <BlockOutlined />, needs: 'things.read' },
      { path: '/history', word: 'nav.history', icon: <AreaChartOutlined />, needs: 'history.read' },
    ],
  },
  {
    word: 'nav.platform',
    items: [
      { path: '/people', word: 'nav.people', icon: <TeamOutlined />, needs: 'people.read' },
      { path: '/sign-in-providers', word: 'nav.providers', icon: <SolutionOutlined />, needs: 'people.read' },
      { path: '/roles', word: 'nav.roles', icon: <SafetyOutlined />, needs: 'roles.read' },
      { path: '/tenants', word: 'nav.tenants', icon: <ApartmentOutlined />, needs: 'tenants.read' },
      { path: '/tokens', word: 'nav.tokens', icon: <KeyOutlined />, needs: 'tokens.read' },
      { path: '/backups', word: 'nav.backups', icon: <SaveOutlined />, needs: 'backup.run', node: true },
      { path: '/audit', word: 'nav.audit', icon: <AuditOutlined />, needs: 'audit.read' },
      { path: '/settings', word: 'nav.settings', icon: <SettingOutlined />, needs: 'config.read', node: true },
      { path: '/health', word: 'nav.health', icon: <HeartOutlined />, needs: 'metrics.read', node: true },
      { path: '/slow', word: 'nav.slow', icon: <FieldTimeOutlined />, needs: 'metrics.read' },
      { path: '/logs', word: 'nav.log', icon: <FileTextOutlined />, needs: 'metrics.read', node: true },
      { path: '/security', word: 'nav.security', icon: <SafetyCertificateOutlined />, needs: 'config.read', node: true },
      { path: '/api-explorer', word: 'nav.api', icon: <ApiOutlined /> },
    ],
  },
];
