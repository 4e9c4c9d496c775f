// Saved views: filters, order and columns under a name, one's own or shared in the tenant; and the chooser of columns.
import { App, Button, Checkbox, Dropdown, Input, Modal } from 'antd';
import { useEffect, useState } from 'react';
import { post, put, remove, seg } from '../../api/client';
import type { Page } from '../../api/types';
import { useResource } from '../../api/useResource';
import { navigate, setQuery } from '../../app/router';
import { useSession } from '../../app/session';
import { EmptyState } from '../../components/EmptyState';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { t } from '../../i18n';
import { allColumns, chosenColumns, columnsText } from './columns';

export interface View {
  id: string;
  name: string;
  shared: boolean;
  mine: boolean;
  query: Record<string, string>;
}

const KEPT = ['q', 'state', 'thing', 'asset', 'label', 'archived', 'sort', 'cols'];

/** What of the address a view keeps. */
export function viewQuery(query: URLSearchParams): Record<string, string> {
  return Object.fromEntries(KEPT.map((name) => [name, query.get(name) ?? '']).filter(([, value]) => value));
}

export function viewPath(view: View): string {
  const known = Object.entries(view.query).filter(([name]) => KEPT.includes(name));
  return `/devices?${new URLSearchParams([['view', view.id], ...known])}`;
}

function SaveView({ query, old, onClose, onDone }: { query: URLSearchParams; old: View | null; onClose: () => void; onDone: (id: string) => void }) {
  const { may } = useSession();
  const [name, setName] = useState(old?.name ?? '');
  const [shared, setShared] = useState(old?.shared ?? false);
  const { busy, problem, run } = useAct();
  const save = () =>
    run(async () => {
      const body = { page: 'devices', name: name.trim(), shared, query: viewQuery(query) };
      const made = old ? (await put<View>(`views/${seg(old.id)}`, body)).data : await post<View>('views', body);
      onDone(made.id);
      onClose();
    }, t('state.saved'));
  return (
    <Modal
      open
      title={t('views.save')}
      okText={t('action.save')}
      cancelText={t('action.cancel')}
      confirmLoading={busy}
      okButtonProps={{ disabled: !name.trim() }}
      onOk={() => void save()}
      onCancel={onClose}
    >
      <p>{t('views.what')}</p>
      <Input
        autoFocus
        value={name}
        maxLength={100}
        aria-label={t('views.name')}
        placeholder={t('views.name')}
        style={{ marginBottom: 12 }}
        onChange={(e) => setName(e.target.value)}
      />
      {may('records.write') ? (
        <Checkbox checked={shared} onChange={(e) => setShared(e.target.checked)}>
          {t('views.shared')}
        </Checkbox>
      ) : null}
      <ProblemView problem={problem} />
    </Modal>
  );
}

function Columns({ query }: { query: URLSearchParams }) {
  const shown = chosenColumns(query.get('cols'));
  const set = (keys: string[]) => setQuery({ cols: columnsText(keys) });
  return (
    <Dropdown
      trigger={['click']}
      popupRender={() => (
        <div className="popup-list">
          {allColumns().map(({ key, title }) => (
            <Checkbox
              key={key}
              checked={shown.includes(key)}
              disabled={key === 'id'}
              onChange={(e) => set(e.target.checked ? [...shown, key] : shown.filter((k) => k !== key))}
            >
              {title}
            </Checkbox>
          ))}
          <Button size="small" type="link" onClick={() => setQuery({ cols: null })}>
            {t('views.columnsReset')}
          </Button>
        </div>
      )}
    >
      <Button>{t('views.columns')}</Button>
    </Dropdown>
  );
}

/** The menu of views, and the chooser of columns. */
export function Views({ query }: { query: URLSearchParams }) {
  const { modal } = App.useApp();
  const list = useResource<Page<View>>('views', { page: 'devices' });
  const [saving, setSaving] = useState<{ old: View | null } | null>(null);
  const { run } = useAct();
  const id = query.get('view');
  const views = list.data?.items ?? [];
  const open = views.find((view) => view.id === id) ?? null;
  useEffect(() => {
    // A link that names the view alone: the view says the rest.
    if (open && Object.keys(viewQuery(query)).length === 0 && Object.keys(open.query).length > 0) navigate(viewPath(open), true);
    // only when the view is known or another one is asked for
  }, [open?.id]);

  const drop = (view: View) =>
    modal.confirm({
      title: t('views.delete', { name: view.name }),
      okText: t('action.delete'),
      cancelText: t('action.cancel'),
      okButtonProps: { danger: true },
      onOk: () =>
        run(async () => {
          await remove(`views/${seg(view.id)}`);
          setQuery({ view: null });
          list.reload();
        }, t('state.deleted')),
    });
  const items = [
    ...views.map((view) => ({
      key: view.id,
      label: (
        <a href={viewPath(view)}>
          {view.name} {view.shared ? <span className="dim">{t('views.sharedMark')}</span> : null}
        </a>
      ),
    })),
    ...(views.length === 0 ? [{ key: '-none', disabled: true, label: t('views.none') }] : []),
    { type: 'divider' as const },
    { key: '-save', label: t('views.save'), onClick: () => setSaving({ old: null }) },
    ...(open?.mine
      ? [
          { key: '-update', label: t('views.update'), onClick: () => setSaving({ old: open }) },
          { key: '-delete', danger: true, label: t('views.delete', { name: open.name }), onClick: () => drop(open) },
        ]
      : []),
  ];
  return (
    <>
      <Dropdown trigger={['click']} menu={{ items, selectedKeys: open ? [open.id] : [], className: 'views-menu' }}>
        <Button className={open ? 'pressed' : undefined}>
          {open?.name ?? t('views.open')}
        </Button>
      </Dropdown>
      <Columns query={query} />
      {saving ? (
        <SaveView
          query={query}
          old={saving.old}
          onClose={() => setSaving(null)}
          onDone={(made) => {
            list.reload();
            setQuery({ view: made });
          }}
        />
      ) : null}
      {id && list.data && !open && !saving && !list.loading ? (
        <Modal open footer={null} onCancel={() => setQuery({ view: null })}>
          <EmptyState title={t('views.gone')} hint={t('views.goneHint')} />
        </Modal>
      ) : null}
    </>
  );
}
