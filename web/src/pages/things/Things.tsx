import { Button, Input } from 'antd';
import { useEffect, useMemo, useRef, useState } from 'react';
import { apiUrl, get, post, seg } from '../../api/client';
import type { Device, ImportReport, Page, Thing } from '../../api/types';
import { useList } from '../../api/useList';
import { navigate, setQuery, usePlace } from '../../app/router';
import { useSession } from '../../app/session';
import { DataTable, type Column } from '../../components/DataTable';
import { EmptyState } from '../../components/EmptyState';
import { DemoMark } from '../../components/Marks';
import { PageHeader } from '../../components/PageHeader';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { useDelayed } from '../../components/useDelayed';
import { pick, t, useLanguage } from '../../i18n';
import { count } from '../../i18n/format';

/** How many devices use the model, asked when the row comes into view. */
export function UseCount({ thing }: { thing: string }) {
  const [total, setTotal] = useState<number | null>(null);
  useEffect(() => {
    get<Page<Device>>('devices', { thing, limit: 1 }).then(
      (page) => setTotal(page.total ?? page.items.length),
      () => {},
    );
  }, [thing]);
  return <a href={`/devices?thing=${encodeURIComponent(thing)}`}>{count(total)}</a>;
}

function columnsOf(): Column<Thing>[] {
  return [
    {
      key: 'id',
      title: t('thing.id'),
      sortable: true,
      width: '22%',
      render: (thing) => <a href={`/things/${seg(thing.id)}`}>{thing.id}</a>,
    },
    {
      key: 'name',
      title: t('thing.name'),
      width: '24%',
      render: (thing) => (
        <>
          {pick(thing.name)} {thing.demo ? <DemoMark /> : null}
        </>
      ),
    },
    { key: 'properties', title: t('thing.properties'), width: 90, align: 'right', render: (x) => count(x.properties?.length ?? 0) },
    { key: 'events', title: t('thing.events'), width: 90, align: 'right', render: (x) => count(x.events?.length ?? 0) },
    { key: 'services', title: t('thing.services'), width: 90, align: 'right', render: (x) => count(x.services?.length ?? 0) },
    { key: 'use', title: t('thing.usedBy'), width: 100, align: 'right', render: (x) => <UseCount thing={x.id} /> },
    { key: 'description', title: t('thing.description'), render: (x) => x.description },
  ];
}

function ImportButton({ onDone }: { onDone: () => void }) {
  const input = useRef<HTMLInputElement>(null);
  const { busy, problem, run } = useAct();
  const read = async (file: File | undefined) => {
    if (!file) return;
    await run(async () => {
      const data: unknown = JSON.parse(await file.text());
      await post<ImportReport>('things/import', Array.isArray(data) ? data : [data]);
      onDone();
    }, t('state.done'));
    if (input.current) input.current.value = '';
  };
  return (
    <>
      <input
        ref={input}
        type="file"
        accept=".json,application/json"
        className="hidden"
        aria-label={t('thing.importFile')}
        tabIndex={-1}
        onChange={(e) => void read(e.target.files?.[0])}
      />
      <Button loading={busy} onClick={() => input.current?.click()}>
        {t('action.import')}
      </Button>
      <ProblemView problem={problem} />
    </>
  );
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
  return (
    <div className="page-fill">
      <PageHeader
        title={t('nav.things')}
        marks={list.total !== null ? <span className="dim">{count(list.total)}</span> : null}
        actions={
          <>
            {may('things.write') ? <ImportButton onDone={list.reload} /> : null}
            <Button href={apiUrl('things/export')} download="things.json">
              {t('action.export')}
            </Button>
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
      </div>
      <DataTable
        fill
        label={t('nav.things')}
        columns={columns}
        rows={list.items}
        rowKey={(thing) => thing.id}
        sort={sort}
        onSort={(next) => setQuery({ sort: next })}
        total={list.total}
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
    </div>
  );
}
