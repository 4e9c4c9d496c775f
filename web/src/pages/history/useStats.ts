// Statistics of a range, computed by the server: one row of aggregates a point.
import { useEffect, useState } from 'react';
import { asProblem, post, type Problem } from '../../api/client';
import type { Cell, QueryAnswer, QuerySeries } from '../../api/types';
import type { Range } from '../../charts/lines';
import { integralOf } from './integral';

/** Seconds in which the point had a value; the time-weighted mean times these is the integral. */
const COVERED = 'duration:>-1e300';
const names = ['count', 'min', 'max', 'mean', 'twa', 'stddev', 'p5', 'p50', 'p95', 'first', 'last', COVERED] as const;

export interface PointStats {
  point: string;
  unit: string;
  /** Words and blobs have a count, a first and a last value only. */
  words: boolean;
  of: Record<(typeof names)[number], Cell>;
  integral: { value: number; unit: string } | null;
}

const wordTypes = new Set(['text', 'blob']);

export function statsOf(series: QuerySeries): PointStats {
  const of = Object.fromEntries(
    names.map((name) => [name, (series[name] as Cell[] | undefined)?.[0] ?? null]),
  ) as PointStats['of'];
  const sum = integralOf(series.unit);
  const { twa } = of;
  const covered = of[COVERED];
  return {
    point: series.point,
    unit: series.unit ?? '',
    words: wordTypes.has(series.type ?? ''),
    of,
    integral:
      sum && typeof twa === 'number' && typeof covered === 'number'
        ? { value: (twa * covered) / sum.seconds, unit: sum.unit }
        : null,
  };
}

interface State {
  rows: PointStats[];
  problem: Problem | null;
  loading: boolean;
}

/** Text points are asked for what they have; which those are, the types say (point -> type). */
export function useStats(points: string[], types: Record<string, string>, range: Range, version: number): State {
  const [state, setState] = useState<State>({ rows: [], problem: null, loading: false });
  const key = JSON.stringify([points, points.map((p) => types[p] ?? ''), Math.floor(range.from), Math.ceil(range.to), version]);
  useEffect(() => {
    const [shown, of, from, to] = JSON.parse(key) as [string[], string[], number, number];
    const abort = new AbortController();
    const ask = async (which: string[], aggregate: readonly string[]) => {
      if (which.length === 0) return [];
      const body = { points: which, from, to, time: 'ms', aggregate };
      return (await post<QueryAnswer>('history/query', body, { signal: abort.signal })).series;
    };
    const timer = setTimeout(async () => {
      setState((old) => ({ ...old, loading: true }));
      try {
        const isText = (p: string) => wordTypes.has(of[shown.indexOf(p)] ?? '');
        const [numbers, texts] = await Promise.all([
          ask(shown.filter((p) => !isText(p)), names),
          ask(shown.filter(isText), ['count', 'first', 'last']),
        ]);
        const found = new Map([...numbers, ...texts].map((s) => [s.point, s]));
        const rows = shown.flatMap((p) => found.get(p) ?? []).map(statsOf);
        setState({ rows, problem: null, loading: false });
      } catch (error) {
        if (!abort.signal.aborted) setState((old) => ({ ...old, problem: asProblem(error), loading: false }));
      }
    }, 80);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [key]);
  return state;
}
