// The pages of the console, as the menu and the search know them.
import {
  ApartmentOutlined, ApiOutlined, AreaChartOutlined, AuditOutlined, BlockOutlined,
  DashboardOutlined, HddOutlined, IdcardOutlined, KeyOutlined, SafetyCertificateOutlined, SafetyOutlined, SaveOutlined,
  TeamOutlined,
} from '@ant-design/icons';
import type { ReactNode } from 'react';
import type { WordKey } from '../i18n';

export interface Item {
  path: string;
  word: WordKey;
  icon: ReactNode;
  needs?: string;
}

export const menu: { word: WordKey; items: Item[] }[] = [
  {
    word: 'nav.plant',
    items: [
      { path: '/', word: 'nav.overview', icon: <DashboardOutlined /> },
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
      { path: '/roles', word: 'nav.roles', icon: <SafetyOutlined />, needs: 'roles.read' },
      { path: '/tenants', word: 'nav.tenants', icon: <ApartmentOutlined />, needs: 'tenants.read' },
      { path: '/tokens', word: 'nav.tokens', icon: <KeyOutlined />, needs: 'tokens.read' },
      { path: '/backups', word: 'nav.backups', icon: <SaveOutlined />, needs: 'backup.run' },
      { path: '/audit', word: 'nav.audit', icon: <AuditOutlined />, needs: 'audit.read' },
      { path: '/security', word: 'nav.security', icon: <SafetyCertificateOutlined />, needs: 'config.read' },
      { path: '/api-explorer', word: 'nav.api', icon: <ApiOutlined /> },
    ],
  },
];
