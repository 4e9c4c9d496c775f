import { useEffect, useState } from 'react';
import { asProblem, post, type Problem } from '../../api/client';
import type { Cell, Classed, QueryAnswer, QuerySeries } from '../../api/types';
import { measured, oneOfEach, stepFor, type Line, type Mark, type Range } from '../../charts/lines';
import { t } from '../../i18n';
import { moment } from '../../i18n/format';

export type Mode = 'auto' | 'raw' | 'mean' | 'min' | 'max' | 'sum' | 'count' | 'last' | 'twa' | 'rate';
export const modes: Mode[] = ['auto', 'raw', 'mean', 'min', 'max', 'sum', 'count', 'last', 'twa', 'rate'];

export interface Stats {
  count: number | null;
  min: Cell;
  max: Cell;
  mean: Cell;
  stddev: Cell;
  first: Cell;
  last: Cell;
}
const statNames = ['count', 'min', 'max', 'mean', 'stddev', 'first', 'last'] as const;

export interface History {
  lines: Line[];
  units: Record<string, string>;
  types: Record<string, string>;
  /** Of what is above general at level 1. */
  classes: Record<string, Classed>;
  /** Above one's clearance: there are no values. */
  masked: string[];
  /** Replacements and new names of the devices within the range. */
  marks: Mark[];
  stats: Record<string, Stats>;
  /** Step of the buckets when the answer is aggregated. */
  step: string | null;
  /** The answer was cut at the row limit. */
  cut: boolean;
  tookMs: number | null;
  problem: Problem | null;
  loading: boolean;
}

const RAW_LIMIT = 100_000;
const wordTypes = new Set(['text', 'blob']); // neither drawn nor averaged

export interface Ask {
  points: string[];
  range: Range;
  mode: Mode;
  step: string | null;
  pixels: number;
  /** Another number asks again: samples were changed. */
  version?: number;
}

export function queryFor(ask: Ask): Record<string, unknown> {
  const { points, range, mode, pixels } = ask;
  const base = { points, from: Math.floor(range.from), to: Math.ceil(range.to), time: 'ms', marks: true };
  if (mode === 'auto') {
    return { ...base, downsample: { method: 'minmax', points: Math.max(200, Math.round(pixels)) } };
  }
  if (mode === 'raw') return { ...base, limit: RAW_LIMIT };
  return { ...base, step: ask.step ?? stepFor(range, pixels).text, aggregate: [mode] };
}

function lineOf(series: QuerySeries, mode: Mode): Line {
  const column = (mode === 'auto' || mode === 'raw' ? series.value : series[mode]) as
    | Cell[]
    | undefined;
  return {
    key: series.point,
    label: series.point,
    unit: mode === 'count' ? '' : (series.unit ?? ''),
    time: series.time.map(Number),
    value: (column ?? []).map((v, i) => measured(v, series.quality?.[i])),
  };
}

function marksOf(series: QuerySeries): Mark[] {
  return (series.marks ?? []).map((m) => {
    const words = t(m.kind === 'renamed' ? 'mark.renamed' : 'mark.replaced', {
      time: moment(m.time),
      device: series.point.slice(0, series.point.lastIndexOf('/')),
      note: (m.kind === 'renamed' ? m.from : m.note) || '–',
    });
    return { time: Number(m.time), words };
  });
}

function statsOf(series: QuerySeries): Stats {
  const first = (name: string) => ((series[name] as Cell[] | undefined)?.[0] ?? null) as Cell;
  const [n, min, max, mean, stddev, from, last] = statNames.map(first);
  return {
    count: typeof n === 'number' ? n : null,
    min: min ?? null,
    max: max ?? null,
    mean: mean ?? null,
    stddev: stddev ?? null,
    first: from ?? null,
    last: last ?? null,
  };
}

const nothing: History = {
  lines: [], units: {}, types: {}, classes: {}, masked: [], marks: [], stats: {}, step: null, cut: false, tookMs: null, problem: null, loading: false,
};

/** Lines and statistics of the visible range; the old ones stay until the new ones are here. */
export function useHistory(ask: Ask, delayMs = 60): History {
  const [state, setState] = useState<History>(nothing);
  const key = JSON.stringify(ask);

  useEffect(() => {
    const want = JSON.parse(key) as Ask;
    if (want.points.length === 0) {
      setState(nothing);
      return undefined;
    }
    const abort = new AbortController();
    const options = { signal: abort.signal };
    const timer = setTimeout(async () => {
      setState((old) => ({ ...old, loading: true }));
      try {
        const started = performance.now();
        const answer = await post<QueryAnswer>('history/query', queryFor(want), options);
        const tookMs = performance.now() - started;
        setState((old) => ({
          ...old,
          lines: answer.series.map((s) => lineOf(s, want.mode)),
          units: Object.fromEntries(answer.series.map((s) => [s.point, s.unit ?? ''])),
          types: Object.fromEntries(answer.series.map((s) => [s.point, s.type ?? ''])),
          classes: Object.fromEntries(answer.series.filter((s) => s.data_class).map((s) => [s.point, s])),
          masked: answer.series.filter((s) => s.masked).map((s) => s.point),
          marks: oneOfEach(answer.series.flatMap(marksOf)),
          step: want.mode === 'auto' || want.mode === 'raw' ? null : String(queryFor(want).step),
          cut: want.mode === 'raw' && answer.next !== null,
          tookMs,
          problem: null,
          loading: false,
        }));
        const { range } = want;
        const points = answer.series.filter((s) => !wordTypes.has(s.type ?? '')).map((s) => s.point);
        if (points.length === 0) return;
        const whole = { points, from: Math.floor(range.from), to: Math.ceil(range.to), time: 'ms', aggregate: statNames };
        const summary = await post<QueryAnswer>('history/query', whole, options);
        const stats = Object.fromEntries(summary.series.map((s) => [s.point, statsOf(s)]));
        setState((old) => ({ ...old, stats }));
      } catch (error) {
        if (abort.signal.aborted) return;
        setState((old) => ({ ...old, problem: asProblem(error), loading: false }));
      }
    }, delayMs);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [key, delayMs]);
  return state;
}
