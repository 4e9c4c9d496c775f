// Two to six devices side by side: what they are and say now, what differs, and a property that they share as lines.
import { Checkbox, Select } from 'antd';
import { useEffect, useMemo, useState } from 'react';
import { asProblem, get, seg, type Problem } from '../../api/client';
import { joinPoint, pointsText } from '../../api/points';
import type { Device, DeviceLatest, Thing } from '../../api/types';
import { navigate, setQuery, usePlace } from '../../app/router';
import { Shown } from '../../components/DataClass';
import { DataTable, type Column } from '../../components/DataTable';
import { EmptyState } from '../../components/EmptyState';
import { Loading } from '../../components/Loading';
import { PageHeader } from '../../components/PageHeader';
import { ProblemView } from '../../components/ProblemView';
import { useEvery } from '../../components/useEvery';
import { t, useLanguage } from '../../i18n';
import { HistoryChart } from '../history/HistoryChart';
import { RangeBar } from '../history/RangeBar';
import { useRange } from '../history/useRange';
import { comparedIds, comparePath, compareRows, type Compared, type CompareRow } from './compare';

const NEW_MS = 5000;

async function read(ids: string[]): Promise<Compared[]> {
  const things = new Map<string, Promise<Thing | null>>();
  return Promise.all(
    ids.map(async (id) => {
      const device = await get<Device>(`devices/${seg(id)}`).catch((error: unknown) => {
        if (asProblem(error).status === 404) return null;
        throw error;
      });
      if (!device) return { id, device, latest: null, thing: null };
      if (device.thing && !things.has(device.thing)) {
        things.set(device.thing, get<Thing>(`things/${seg(device.thing)}`).catch(() => null));
      }
      const latest = await get<DeviceLatest>(`devices/${seg(id)}/latest`).catch(() => null);
      return { id, device, latest, thing: (await things.get(device.thing ?? '')) ?? null };
    }),
  );
}

function useCompared(ids: string[]) {
  const key = JSON.stringify(ids);
  const [all, setAll] = useState<Compared[] | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let dropped = false;
    read(JSON.parse(key) as string[]).then(
      (got) => {
        if (dropped) return;
        setAll(got);
        setProblem(null);
      },
      (error: unknown) => !dropped && setProblem(asProblem(error)),
    );
    return () => {
      dropped = true;
    };
  }, [key, turn]);
  useEvery(NEW_MS, () => setTurn((n) => n + 1));
  return { all, problem, retry: () => setTurn((n) => n + 1) };
}

function columnsOf(all: Compared[]): Column<CompareRow>[] {
  return [
    { key: 'title', title: t('compare.what'), width: 190, render: (r) => <span title={r.title}>{r.title}</span> },
    ...all.map((one, i) => ({
      key: one.id,
      title: one.id,
      head: (
        <span className="compare-head">
          <a href={`/devices/${seg(one.id)}`} title={one.id}>
            {one.device?.name || one.id}
          </a>
          {all.length > 2 ? (
            <button type="button" aria-label={t('compare.without', { id: one.id })} onClick={() => navigate(comparePath(all.map((c) => c.id).filter((id) => id !== one.id)), true)}>
              ×
            </button>
          ) : null}
        </span>
      ),
      render: (r: CompareRow) =>
        one.device ? (
          <span className={r.differs ? 'differs' : undefined} title={r.values[i]}>
            {r.values[i] || '–'}
            {r.differs ? <span className="hidden"> {t('compare.differs')}</span> : null}
          </span>
        ) : (
          <span className="dim">{t('compare.gone')}</span>
        ),
    })),
  ];
}

function SharedChart({ all, rows }: { all: Compared[]; rows: CompareRow[] }) {
  const { query } = usePlace();
  const shared = rows.filter((r) => r.property);
  const property = shared.find((r) => r.property === query.get('property'))?.property ?? shared[0]?.property;
  const { choice, home, setRange, setLast } = useRange('1h');
  if (!property) return <p className="dim">{t('compare.noShared')}</p>;
  const points = all.filter((c) => c.latest?.points[property]).map((c) => joinPoint(c.id, property));
  return (
    <div className="device-history">
      <div className="toolbar">
        <Select
          value={property}
          aria-label={t('compare.property')}
          style={{ minWidth: 160 }}
          popupMatchSelectWidth={false}
          options={shared.map((r) => ({ value: r.property as string, label: r.title }))}
          onChange={(next) => setQuery({ property: next })}
        />
        <RangeBar choice={choice} onRange={setRange} onLast={setLast} />
        <a href={`/history?points=${encodeURIComponent(pointsText(points))}&last=24h`}>{t('device.inExplorer')}</a>
      </div>
      <HistoryChart points={points} range={choice.range} home={home} mode="auto" step={null} onRange={setRange} />
    </div>
  );
}

export default function Compare() {
  const lang = useLanguage();
  const { query } = usePlace();
  const ids = comparedIds(query.get('devices'));
  const { all, problem, retry } = useCompared(ids);
  const only = query.get('only') === '1';
  const rows = useMemo(() => compareRows(all ?? []), [all, lang]);
  const columns = useMemo(() => columnsOf(all ?? []), [all, lang]);
  const shown = only ? rows.filter((r) => r.differs) : rows;
  const head = (
    <PageHeader
      title={t('compare.title')}
      parent={{ path: '/devices', title: t('nav.devices') }}
      actions={
        <Checkbox checked={only} onChange={(e) => setQuery({ only: e.target.checked ? '1' : null })}>
          {t('compare.only')}
        </Checkbox>
      }
    />
  );
  if (ids.length < 2) {
    return (
      <>
        {head}
        <EmptyState title={t('compare.few')} hint={t('compare.fewHint')} action={<a href="/devices">{t('nav.devices')}</a>} />
      </>
    );
  }
  if (!all) return <>{head}{problem ? <ProblemView problem={problem} retry={retry} /> : <Loading />}</>;
  return (
    <div className="compare">
      {head}
      <ProblemView problem={problem} retry={retry} />
      <DataTable
        label={t('compare.title')}
        columns={columns}
        rows={shown}
        rowKey={(r) => r.key}
        empty={<EmptyState title={t('compare.same')} hint={t('compare.sameHint')} />}
      />
      {all.map((c) => <Shown key={c.id} of={c.device?.highest_class} />)}
      <h2>{t('compare.chart')}</h2>
      <SharedChart all={all} rows={rows} />
    </div>
  );
}
