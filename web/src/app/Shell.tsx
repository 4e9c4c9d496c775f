import { MenuOutlined, MoonOutlined, SearchOutlined, SunOutlined, UserOutlined } from '@ant-design/icons';
import { App, Button, Dropdown } from 'antd';
import { lazy, Suspense, useEffect, useRef, useState, type ReactNode } from 'react';
import { useLive, useLiveState } from '../api/useLive';
import { setLanguage, t, useLanguage } from '../i18n';
import type { Trouble } from '../api/types';
import { Help } from '../help/Help';
import { isFor, menu, type Item } from './menu';
import { Notices } from './Notices';
import { keepTrends } from '../pages/overviewTrends';
import { usePlace } from './router';
import { useSession } from './session';
import { addressIn, isWithin, viewedTenant } from './tenant';
import { setTheme, useTheme } from './theme';
import { Watermark } from './Watermark';

function Brand() {
  return (
    <a className="brand" href="/">
      <img src="/icon.svg" alt="" width={24} height={24} />
      <span>{t('app.name')}</span>
    </a>
  );
}

function Menu() {
  const { path } = usePlace();
  const { may, session } = useSession();
  const here = (item: Item) =>
    item.path === '/' ? path === '/' : path === item.path || path.startsWith(`${item.path}/`);
  return (
    <nav className="menu" aria-label={t('nav.label')}>
      {menu.map((group) => (
        <div key={group.word}>
          <div className="menu-group">{t(group.word)}</div>
          {group.items
            .filter((item) => isFor(item, may, viewedTenant() || session?.user.tenant))
            .map((item) => (
              <a
                key={item.path}
                href={item.path}
                title={t(item.word)}
                aria-current={here(item) ? 'page' : undefined}
              >
                {item.icon}
                <span>{t(item.word)}</span>
              </a>
            ))}
        </div>
      ))}
    </nav>
  );
}

/** Open on every page: it shows that the server is there, the overview's lines have no holes, and problems are told. */
function useWatch(): Trouble[] | null {
  const [problems, setProblems] = useState<Trouble[] | null>(null);
  useLive({
    overview: true,
    onOverview: (overview) => {
      keepTrends(overview);
      if (overview.problems) setProblems(overview.problems);
    },
  });
  return problems;
}

function LiveMark() {
  const state = useLiveState();
  if (state === 'idle') return null;
  return (
    <span className="live-mark" data-state={state} role="status">
      {t(`live.${state}`)}
    </span>
  );
}

export function LookButtons() {
  const lang = useLanguage();
  const theme = useTheme();
  const { message } = App.useApp();
  return (
    <>
      <Button
        type="text"
        size="small"
        lang={lang === 'zh' ? 'en' : 'zh-CN'}
        onClick={() => void setLanguage(lang === 'zh' ? 'en' : 'zh').catch(() => message.error(t('problem.offlineDetail')))}
      >
        {lang === 'zh' ? 'English' : '中文'}
      </Button>
      <Button
        type="text"
        size="small"
        aria-label={t(theme === 'dark' ? 'theme.toLight' : 'theme.toDark')}
        title={t(theme === 'dark' ? 'theme.toLight' : 'theme.toDark')}
        icon={theme === 'dark' ? <SunOutlined /> : <MoonOutlined />}
        onClick={() => setTheme(theme === 'dark' ? 'light' : 'dark')}
      />
    </>
  );
}

function UserMenu() {
  const { session, signOut, may } = useSession();
  const name = session?.user.name ?? '';
  const tenant = session?.user.tenant ?? '';
  return (
    <Dropdown
      trigger={['click']}
      menu={{
        items: [
          { key: 'who', disabled: true, label: tenant ? `${name} · ${tenant}` : name },
          ...(may('tenants.read') ? [{ key: 'tenants', label: <a href="/tenants">{t('tenants.others')}</a> }] : []),
          { key: 'account', label: <a href="/account">{t('account.title')}</a> },
          { key: 'out', label: t('session.signOut'), onClick: () => void signOut() },
        ],
      }}
    >
      <Button type="text" size="small" icon={<UserOutlined />} aria-haspopup="menu">
        <span className="wide-only">{name}</span>
      </Button>
    </Dropdown>
  );
}

/** Whose plant this is, when it is not one's own; and the way back. */
function TenantBar() {
  const { session } = useSession();
  const tenant = viewedTenant();
  if (!tenant) return null;
  const own = session?.user.tenant ?? '';
  return (
    <div className="tenant-bar" role="status">
      <span title={tenant}>{isWithin(tenant, own) ? t('tenants.looking', { tenant }) : t('tenants.notBelow', { tenant })}</span>
      <a href={addressIn('')} data-plain="">
        {t('tenants.back', { tenant: own || t('account.root') })}
      </a>
    </div>
  );
}

const Palette = lazy(() => import('../components/Palette'));

/** Opened by the button or Ctrl+K (Command+K), from anywhere. */
function Search() {
  const [open, setOpen] = useState(false);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        setOpen((was) => !was);
      }
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, []);
  return (
    <>
      <Button
        type="text"
        size="small"
        className="search-button"
        icon={<SearchOutlined />}
        aria-keyshortcuts="Control+K"
        onClick={() => setOpen(true)}
      >
        <span className="wide-only">{t('palette.open')}</span> <kbd>Ctrl K</kbd>
      </Button>
      {open ? (
        <Suspense fallback={null}>
          <Palette onClose={() => setOpen(false)} />
        </Suspense>
      ) : null}
    </>
  );
}

/** On a phone the menu is a drawer. */
function useDrawer() {
  const { path } = usePlace();
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const side = useRef<HTMLElement>(null);
  useEffect(() => setOpen(false), [path]);
  useEffect(() => {
    if (!open) return undefined;
    side.current?.querySelector<HTMLElement>('.menu a')?.focus();
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== 'Escape') return;
      setOpen(false);
      button.current?.focus();
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [open]);
  return { open, setOpen, button, side };
}

export function Shell({ children }: { children: ReactNode }) {
  useLanguage();
  const { open, setOpen, button, side } = useDrawer();
  const problems = useWatch();
  return (
    <div className="shell" data-menu={open ? 'open' : 'closed'}>
      <a className="skip" href="#main">
        {t('nav.skip')}
      </a>
      <div className="side-shade" aria-hidden="true" onClick={() => setOpen(false)} />
      <aside className="side" id="side" ref={side}>
        <Brand />
        <Menu />
      </aside>
      <header className="top">
        <Button
          ref={button}
          type="text"
          size="small"
          className="menu-button"
          icon={<MenuOutlined aria-hidden />}
          aria-label={t('nav.label')}
          aria-expanded={open}
          aria-controls="side"
          onClick={() => setOpen(!open)}
        />
        <LiveMark />
        <TenantBar />
        <span className="grow" />
        <Search />
        <Notices told={problems} />
        <Help />
        <LookButtons />
        <UserMenu />
      </header>
      <main id="main" className="main" tabIndex={-1}>
        {children}
      </main>
      <Watermark />
    </div>
  );
}
