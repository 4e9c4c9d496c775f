import { Button, Checkbox, Dropdown, Segmented } from 'antd';
import { lazy, Suspense, useEffect, useMemo, useRef, useState } from 'react';
import { apiUrl } from '../../api/client';
import type { Device } from '../../api/types';
import { useList } from '../../api/useList';
import { setQuery, usePlace } from '../../app/router';
import { useSession } from '../../app/session';
import { DataTable, type Column } from '../../components/DataTable';
import { EmptyState } from '../../components/EmptyState';
import { Loading } from '../../components/Loading';
import { PageHeader } from '../../components/PageHeader';
import { t, useLanguage } from '../../i18n';
import { count } from '../../i18n/format';
import { AssetTree, DEVICES_TYPE } from './AssetTree';
import type { Filter } from './bulk';
import { BulkBar, BulkOutcome, useBulk } from './BulkBar';
import { allColumns, chosenColumns } from './columns';
import { CreateDevice } from './CreateDevice';
import { Filters, FILTERS, NO_FILTER } from './Filters';
import { isChosen, useSelection, type Selection } from './selection';
import { useStates } from './useStates';
import { Views } from './Views';

const PlanView = lazy(() => import('../plant/PlanView'));
const PlanList = lazy(() => import('../plant/PlanList'));
const MapView = lazy(() => import('../plant/MapView'));
const ImportDevices = lazy(() => import('./ImportDevices'));

function ExportMenu({ filter }: { filter: Filter }) {
  const file = (format: string, encoding: string | null) =>
    apiUrl('devices/export', { ...filter, archived: filter.archived ?? 'false', format, encoding });
  return (
    <Dropdown
      trigger={['click']}
      menu={{
        items: [
          { key: 'utf8', label: <a href={file('csv', 'utf-8')} download>{t('export.csvUtf8')}</a> },
          { key: 'gbk', label: <a href={file('csv', 'gbk')} download>{t('export.csvGbk')}</a> },
          { key: 'xlsx', label: <a href={file('xlsx', null)} download>Excel (XLSX)</a> },
          { key: 'json', label: <a href={file('json', null)} download>JSON</a> },
        ],
      }}
    >
      <Button>{t('action.export')}</Button>
    </Dropdown>
  );
}

function chooser(selection: Selection, shift: { current: boolean }): Column<Device> {
  const { chosen, count: n, loaded } = selection;
  return {
    key: 'choose',
    title: '',
    width: 40,
    head: (
      <Checkbox
        aria-label={t('select.loaded')}
        checked={loaded}
        indeterminate={n > 0 && !loaded}
        onChange={(e) => selection.toggleLoaded(e.target.checked)}
      />
    ),
    render: (d) => (
      <span onMouseDownCapture={(e) => (shift.current = e.shiftKey)} onKeyDownCapture={(e) => (shift.current = e.shiftKey)}>
        <Checkbox
          aria-label={t('select.row', { id: d.id })}
          checked={isChosen(chosen, d.id)}
          onChange={(e) => {
            selection.toggle(d.id, e.target.checked, shift.current || e.nativeEvent.shiftKey);
            shift.current = false;
          }}
        />
      </span>
    ),
  };
}

/** Keys and key:value pairs of the labels of some rows, as suggestions. */
function labelsOf(rows: Device[]): { keys: string[]; pairs: string[] } {
  const keys = new Set<string>();
  const pairs = new Set<string>();
  for (const { labels } of rows.slice(0, 500)) {
    for (const [key, value] of Object.entries(labels ?? {})) {
      keys.add(key);
      if (pairs.size < 300) pairs.add(`${key}:${value}`);
    }
  }
  return { keys: [...keys].sort(), pairs: [...pairs].sort() };
}

/** A small card with the number of devices, at the pointer. */
function dragImage(n: number): HTMLElement {
  const card = document.createElement('div');
  card.className = 'drag-card';
  card.textContent = t('select.count', { n: count(n) });
  document.body.append(card);
  setTimeout(() => card.remove(), 0);
  return card;
}

function Nothing({ filtered, onCreate }: { filtered: boolean; onCreate: (() => void) | null }) {
  if (filtered) {
    return (
      <EmptyState
        title={t('devices.noneFound')}
        hint={t('devices.noneFoundHint')}
        action={<Button onClick={() => setQuery(NO_FILTER)}>{t('devices.clearFilters')}</Button>}
      />
    );
  }
  return (
    <EmptyState
      title={t('devices.none')}
      hint={t('devices.noneHint')}
      action={
        onCreate ? (
          <Button type="primary" onClick={onCreate}>
            {t('devices.create')}
          </Button>
        ) : null
      }
    />
  );
}

export default function Devices() {
  const lang = useLanguage();
  const { query } = usePlace();
  const { may, mayAll } = useSession();
  const filter: Filter = Object.fromEntries(FILTERS.map((name) => [name, query.get(name)]));
  const sort = query.get('sort') ?? 'id';
  const cols = query.get('cols');
  const list = useList<Device>('devices', { ...filter, sort, limit: 500 });
  const [creating, setCreating] = useState(query.get('new') === '1');
  const [importing, setImporting] = useState(false);
  const shift = useRef(false);
  const mayWrite = may('devices.write');

  const ids = useMemo(() => list.items.map((d) => d.id), [list.items]);
  const labels = useMemo(() => labelsOf(list.items), [list.items]);
  const selection = useSelection(ids, JSON.stringify(filter), list.total ?? 0);
  const bulk = useBulk(filter, list.reload);
  const columns = useMemo(() => {
    const all = allColumns();
    return [
      chooser(selection, shift),
      ...chosenColumns(cols).flatMap((key) => all.filter((column) => column.key === key)),
    ];
  }, [lang, cols, selection.chosen, selection.loaded, selection.count]);
  const view = may('assets.read') || query.get('as') === 'map' ? (query.get('as') ?? 'list') : 'list';
  const tree = query.get('tree') === '1' || view === 'plan';
  const dragged = useRef<Pick<Selection, 'chosen' | 'count'> | null>(null);
  const drag = (d: Device, event: React.DragEvent) => {
    const among = isChosen(selection.chosen, d.id);
    dragged.current = among ? selection : { chosen: { all: false, ids: new Set([d.id]) }, count: 1 };
    event.dataTransfer.clearData();
    event.dataTransfer.setData(DEVICES_TYPE, d.id);
    event.dataTransfer.effectAllowed = 'move';
    event.dataTransfer.setDragImage(dragImage(dragged.current.count), 0, 0);
  };
  useStates(list.set);
  useEffect(() => {
    if (query.get('new')) setQuery({ new: null });
  }, [query]);

  return (
    <div className="page-fill">
      <PageHeader
        title={t('nav.devices')}
        marks={list.total !== null ? <span className="dim">{count(list.total)}</span> : null}
        actions={
          <>
            <Segmented
              aria-label={t('view.label')}
              value={view}
              options={(['list', 'plan', 'map'] as const)
                .filter((v) => v !== 'plan' || may('assets.read'))
                .map((value) => ({ value, label: t(`view.${value}`) }))}
              onChange={(next) => setQuery({ as: next === 'list' ? null : next })}
            />
            {may('assets.read') && view !== 'plan' ? (
              <Button aria-pressed={tree} className={tree ? 'pressed' : undefined} onClick={() => setQuery({ tree: tree ? null : '1' })}>
                {t('tree.title')}
              </Button>
            ) : null}
            <Views query={query} />
            {mayAll('devices.write') ? <Button onClick={() => setImporting(true)}>{t('action.import')}</Button> : null}
            <ExportMenu filter={filter} />
            {mayWrite ? (
              <Button type="primary" onClick={() => setCreating(true)}>
                {t('devices.create')}
              </Button>
            ) : null}
          </>
        }
      />
      <Filters query={query} labels={labels.pairs} />
      {view === 'list' ? (
        <BulkBar
          selection={selection}
          total={list.total ?? 0}
          filter={filter}
          mayWrite={mayWrite}
          labelKeys={labels.keys}
          bulk={bulk}
        />
      ) : null}
      <BulkOutcome bulk={bulk} />
      <div className="with-tree">
        {tree ? (
          <AssetTree
            chosen={query.get('asset')}
            mayMove={mayWrite}
            onDevices={(asset) => {
              if (dragged.current) void bulk.start(dragged.current, { asset });
              selection.clear();
            }}
          />
        ) : null}
        {view !== 'list' ? (
          <div className="page-fill grow">
            <Suspense fallback={<Loading />}>
              {view === 'map' ? <MapView filter={filter} /> : filter.asset ? <PlanView asset={filter.asset} filter={filter} /> : <PlanList />}
            </Suspense>
          </div>
        ) : (
        <div className="page-fill grow">
          <DataTable
            fill
            onDragRow={tree && mayWrite ? drag : undefined}
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
            empty={<Nothing filtered={Object.values(filter).some(Boolean)} onCreate={mayWrite ? () => setCreating(true) : null} />}
          />
        </div>
        )}
      </div>
      {creating ? <CreateDevice onClose={() => setCreating(false)} onMade={list.reload} /> : null}
      {importing ? (
        <Suspense fallback={null}>
          <ImportDevices onClose={() => setImporting(false)} onDone={list.reload} />
        </Suspense>
      ) : null}
    </div>
  );
}
