import { Button, Dropdown, Input } from 'antd';
import { lazy, Suspense, useEffect, useMemo, useState } from 'react';
import { apiUrl, seg } from '../../api/client';
import type { Thing } from '../../api/types';
import { useList } from '../../api/useList';
import { navigate, setQuery, usePlace } from '../../app/router';
import { useSession } from '../../app/session';
import { DataTable, type Column } from '../../components/DataTable';
import { EmptyState } from '../../components/EmptyState';
import { DemoMark } from '../../components/Marks';
import { PageHeader } from '../../components/PageHeader';
import { useDelayed } from '../../components/useDelayed';
import { pick, t, useLanguage } from '../../i18n';
import { count } from '../../i18n/format';
import { ChildCount, DeviceCount } from './Uses';

const ImportThings = lazy(() => import('./ImportThings'));

function columnsOf(): Column<Thing>[] {
  return [
    {
      key: 'id',
      title: t('thing.id'),
      sortable: true,
      width: '16%',
      render: (thing) => <a href={`/things/${seg(thing.id)}`}>{thing.id}</a>,
    },
    {
      key: 'name',
      title: t('thing.name'),
      width: '18%',
      render: (thing) => (
        <>
          {pick(thing.name)} {thing.demo ? <DemoMark /> : null}
        </>
      ),
    },
    { key: 'properties', title: t('thing.properties'), width: 84, align: 'right', render: (x) => count(x.properties?.length ?? 0) },
    { key: 'events', title: t('thing.events'), width: 66, align: 'right', render: (x) => count(x.events?.length ?? 0) },
    { key: 'services', title: t('thing.services'), width: 74, align: 'right', render: (x) => count(x.services?.length ?? 0) },
    { key: 'extends', title: t('thing.extends'), width: 130, render: (x) => (x.extends ? <a href={`/things/${seg(x.extends)}`}>{x.extends}</a> : null) },
    { key: 'use', title: t('thing.usedBy'), width: 90, align: 'right', render: (x) => <DeviceCount thing={x.id} known={x.devices} /> },
    { key: 'children', title: t('thing.children'), width: 104, align: 'right', render: (x) => <ChildCount thing={x.id}>{x.children}</ChildCount> },
    { key: 'description', title: t('thing.description'), render: (x) => x.description },
  ];
}

export default function Things() {
  const lang = useLanguage();
  const { query } = usePlace();
  const { may } = useSession();
  const [search, setSearch] = useState(query.get('q') ?? '');
  const q = useDelayed(search.trim(), 250);
  useEffect(() => setQuery({ q: q || null }), [q]);
  const sort = query.get('sort') ?? 'id';
  const list = useList<Thing>('things', { q, sort });
  const columns = useMemo(columnsOf, [lang]);
  const [importing, setImporting] = useState(false);
  const above = query.get('extends');
  const rows = above ? list.items.filter((thing) => thing.extends === above) : list.items;
  return (
    <div className="page-fill">
      <PageHeader
        title={t('nav.things')}
        marks={list.total !== null ? <span className="dim">{count(list.total)}</span> : null}
        actions={
          <>
            {may('things.write') ? <Button onClick={() => setImporting(true)}>{t('action.import')}</Button> : null}
            <Dropdown
              trigger={['click']}
              menu={{
                items: [
                  { key: 'json', label: <a href={apiUrl('things/export')} download="things.json">{t('thingExport.json')}</a> },
                  { key: 'csv', label: <a href={apiUrl('things/export', { format: 'csv' })} download="things.csv">{t('thingExport.csv')}</a> },
                ],
              }}
            >
              <Button>{t('action.export')}</Button>
            </Dropdown>
            {may('things.write') ? (
              <Button type="primary" onClick={() => navigate('/things/+')}>
                {t('thing.create')}
              </Button>
            ) : null}
          </>
        }
      />
      <div className="toolbar" role="search">
        <Input
          allowClear
          style={{ width: 240 }}
          value={search}
          aria-label={t('thing.search')}
          placeholder={t('thing.search')}
          onChange={(e) => setSearch(e.target.value)}
        />
        {above ? (
          <button type="button" className="chip" onClick={() => setQuery({ extends: null })}>
            {t('thing.extendedBy', { id: above })} <span aria-hidden="true">×</span>
          </button>
        ) : null}
      </div>
      <DataTable
        fill
        label={t('nav.things')}
        columns={columns}
        rows={rows}
        rowKey={(thing) => thing.id}
        sort={sort}
        onSort={(next) => setQuery({ sort: next })}
        total={above ? rows.length : list.total}
        more={list.more}
        loading={list.loading}
        problem={list.problem}
        retry={list.reload}
        onEnd={list.loadMore}
        empty={
          <EmptyState
            title={t(q ? 'devices.noneFound' : 'thing.none')}
            hint={t('thing.noneHint')}
            action={q ? null : <a href="/things/+">{t('thing.create')}</a>}
          />
        }
      />
      {importing ? (
        <Suspense fallback={null}>
          <ImportThings onClose={() => setImporting(false)} onDone={list.reload} />
        </Suspense>
      ) : null}
    </div>
  );
}
