import { Button, Dropdown, Input, Select } from 'antd';
import { useEffect, useMemo, useState } from 'react';
import { apiUrl } from '../../api/client';
import type { Device } from '../../api/types';
import { useList } from '../../api/useList';
import { useLive } from '../../api/useLive';
import { setQuery, usePlace } from '../../app/router';
import { useSession } from '../../app/session';
import { DataTable, type Column } from '../../components/DataTable';
import { EmptyState } from '../../components/EmptyState';
import { Age, DemoMark, StateMark } from '../../components/Marks';
import { PageHeader } from '../../components/PageHeader';
import { AssetPicker, ThingPicker } from '../../components/Pickers';
import { useDelayed } from '../../components/useDelayed';
import { t, useLanguage } from '../../i18n';
import { count } from '../../i18n/format';
import { CreateDevice } from './CreateDevice';
import { ImportDevices } from './ImportDevices';

const states = ['online', 'offline', 'never'] as const;

function columnsOf(): Column<Device>[] {
  return [
    {
      key: 'id',
      title: t('device.id'),
      sortable: true,
      width: '20%',
      render: (d) => (
        <a href={`/devices/${encodeURIComponent(d.id)}`} title={d.id}>
          {d.id}
        </a>
      ),
    },
    {
      key: 'name',
      title: t('device.name'),
      sortable: true,
      width: '18%',
      render: (d) => (
        <>
          {d.name} {d.demo ? <DemoMark /> : null}
        </>
      ),
    },
    {
      key: 'state',
      title: t('device.state'),
      sortable: true,
      width: 104,
      render: (d) => <StateMark state={d.state} />,
    },
    { key: 'thing', title: t('device.thing'), sortable: true, render: (d) => d.thing || <span className="dim">–</span> },
    { key: 'asset', title: t('device.asset'), sortable: true, render: (d) => d.asset || <span className="dim">–</span> },
    {
      key: 'labels',
      title: t('device.labels'),
      render: (d) =>
        Object.entries(d.labels ?? {}).map(([key, value]) => (
          <button
            key={key}
            type="button"
            className="tag"
            onClick={() => setQuery({ label: `${key}:${value}` })}
          >
            {key}:{value}
          </button>
        )),
    },
    { key: 'points', title: t('device.points'), width: 80, align: 'right', render: (d) => count(d.points) },
    {
      key: 'last',
      title: t('device.lastData'),
      sortable: true,
      width: 120,
      align: 'right',
      render: (d) => <Age time={d.last_time} />,
    },
  ];
}

function Filters({ query }: { query: URLSearchParams }) {
  const [search, setSearch] = useState(query.get('q') ?? '');
  const rested = useDelayed(search.trim(), 250);
  useEffect(() => setQuery({ q: rested || null }), [rested]);
  return (
    <div className="toolbar" role="search">
      <Input
        allowClear
        value={search}
        style={{ width: 240 }}
        aria-label={t('devices.search')}
        placeholder={t('devices.search')}
        onChange={(e) => setSearch(e.target.value)}
      />
      <Select
        style={{ minWidth: 120 }}
        value={query.get('state') ?? undefined}
        placeholder={t('devices.anyState')}
        aria-label={t('device.state')}
        allowClear
        options={states.map((s) => ({ value: s, label: t(`device.${s}`) }))}
        onChange={(state?: string) => setQuery({ state: state ?? null })}
      />
      <ThingPicker
        value={query.get('thing') ?? undefined}
        label={t('devices.anyThing')}
        onChange={(thing) => setQuery({ thing: thing ?? null })}
      />
      <AssetPicker
        value={query.get('asset') ?? undefined}
        label={t('devices.anyAsset')}
        onChange={(asset) => setQuery({ asset: asset ?? null })}
      />
      {query.get('label') ? (
        <button type="button" className="tag chosen" onClick={() => setQuery({ label: null })}>
          {query.get('label')} <span aria-hidden="true">×</span>
          <span className="hidden">{t('action.remove')}</span>
        </button>
      ) : null}
    </div>
  );
}

function ExportMenu({ filter }: { filter: Record<string, string | null> }) {
  const file = (format: string, encoding: string | null) => apiUrl('devices/export', { ...filter, format, encoding });
  return (
    <Dropdown
      trigger={['click']}
      menu={{
        items: [
          { key: 'utf8', label: <a href={file('csv', 'utf-8')} download>{t('export.csvUtf8')}</a> },
          { key: 'gbk', label: <a href={file('csv', 'gbk')} download>{t('export.csvGbk')}</a> },
          { key: 'json', label: <a href={file('json', null)} download>JSON</a> },
        ],
      }}
    >
      <Button>{t('action.export')}</Button>
    </Dropdown>
  );
}

export default function Devices() {
  const lang = useLanguage();
  const { query } = usePlace();
  const { may, mayAll } = useSession();
  const filter = Object.fromEntries(
    ['q', 'state', 'thing', 'asset', 'label'].map((name) => [name, query.get(name)]),
  );
  const sort = query.get('sort') ?? 'id';
  const list = useList<Device>('devices', { ...filter, sort, limit: 500 });
  const columns = useMemo(columnsOf, [lang]);
  const [creating, setCreating] = useState(query.get('new') === '1');
  const [importing, setImporting] = useState(false);

  useLive({
    onDevice: (event) =>
      list.set((items) =>
        items.some((d) => d.id === event.device)
          ? items.map((d) => (d.id === event.device ? { ...d, state: event.state, since: event.since } : d))
          : items,
      ),
  });

  const filtered = Object.values(filter).some(Boolean);
  const empty = filtered ? (
    <EmptyState
      title={t('devices.noneFound')}
      hint={t('devices.noneFoundHint')}
      action={
        <Button onClick={() => setQuery({ q: null, state: null, thing: null, asset: null, label: null })}>
          {t('devices.clearFilters')}
        </Button>
      }
    />
  ) : (
    <EmptyState
      title={t('devices.none')}
      hint={t('devices.noneHint')}
      action={
        <Button type="primary" onClick={() => setCreating(true)}>
          {t('devices.create')}
        </Button>
      }
    />
  );

  return (
    <div className="page-fill">
      <PageHeader
        title={t('nav.devices')}
        marks={list.total !== null ? <span className="dim">{count(list.total)}</span> : null}
        actions={
          <>
            {mayAll('devices.write') ? (
              <Button onClick={() => setImporting(true)}>{t('action.import')}</Button>
            ) : null}
            {mayAll('devices.read') ? <ExportMenu filter={filter} /> : null}
            {may('devices.write') ? (
              <Button type="primary" onClick={() => setCreating(true)}>
                {t('devices.create')}
              </Button>
            ) : null}
          </>
        }
      />
      <Filters query={query} />
      <DataTable
        fill
        label={t('nav.devices')}
        columns={columns}
        rows={list.items}
        rowKey={(d) => d.id}
        sort={sort}
        onSort={(next) => setQuery({ sort: next })}
        total={list.total}
        more={list.more}
        loading={list.loading}
        problem={list.problem}
        retry={list.reload}
        onEnd={list.loadMore}
        empty={empty}
      />
      {creating ? <CreateDevice onClose={() => setCreating(false)} /> : null}
      {importing ? <ImportDevices onClose={() => setImporting(false)} onDone={list.reload} /> : null}
    </div>
  );
}
