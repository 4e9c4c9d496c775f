import { useCallback, useEffect, useState } from 'react';
import { post } from '../api/client';
import type { LiveSample } from '../api/stream';
import type { Latest, QueryAnswer } from '../api/types';
import { useLive } from '../api/useLive';
import { measured } from '../charts/lines';
import type { SparkPoint } from '../charts/Sparkline';

export const TREND_MS = 10 * 60_000;
const STEP_MS = TREND_MS / 200; // finer than that is not seen

export interface Trends {
  /** By point: the newest value that came live. */
  values: Record<string, Latest>;
  /** By point: the last ten minutes, first from history, then live. */
  trends: Record<string, SparkPoint[]>;
}

/** The line with the new samples at its end; of samples closer than a step the newest stays. */
export function grown(old: SparkPoint[] | undefined, samples: LiveSample[]): SparkPoint[] {
  const end = samples[samples.length - 1]?.[0] ?? 0;
  const line = (old ?? []).filter(([time]) => time > end - TREND_MS);
  for (const [time, value, quality] of samples) {
    const before = line[line.length - 2];
    if (before && time - before[0] < STEP_MS) line.pop();
    line.push([time, measured(value, quality)]);
  }
  return line;
}

async function pastOf(points: string[]): Promise<Record<string, SparkPoint[]>> {
  const now = Date.now();
  const answer = await post<QueryAnswer>('history/query', {
    points,
    from: now - TREND_MS,
    to: now,
    time: 'ms',
    downsample: { method: 'minmax', points: 120 },
  });
  return Object.fromEntries(
    answer.series.map((s) => [
      s.point,
      s.time.map((time, i): SparkPoint => [Number(time), measured(s.value?.[i], s.quality?.[i])]),
    ]),
  );
}

/** Puts what history knows before what has come live since. */
function joined(live: Record<string, SparkPoint[]>, past: Record<string, SparkPoint[]>) {
  const all = { ...live };
  for (const [point, old] of Object.entries(past)) {
    const fresh = live[point] ?? [];
    const start = fresh[0]?.[0] ?? Infinity;
    all[point] = [...old.filter(([at]) => at < start), ...fresh];
  }
  return all;
}

const NO_DEVICES: string[] = [];

/** Live values and ten-minute lines of some points, or live of all points of `devices` (a short
 * address for many points). Both lists must keep their identity between renders. */
export function useTrends(points: string[], devices = NO_DEVICES): Trends {
  const [values, setValues] = useState<Trends['values']>({});
  const [trends, setTrends] = useState<Trends['trends']>({});

  useEffect(() => {
    if (points.length === 0) return;
    pastOf(points).then(
      (past) => setTrends((live) => joined(live, past)),
      () => {}, // without history the lines grow from now on
    );
  }, [points]);

  const onSamples = useCallback((samples: Record<string, LiveSample[]>) => {
    const came = Object.entries(samples).filter(([, list]) => list.length > 0);
    setValues((old) => {
      const next = { ...old };
      for (const [point, list] of came) {
        const [time, value, quality] = list[list.length - 1] as LiveSample;
        next[point] = { time, value, quality };
      }
      return next;
    });
    setTrends((old) => {
      const next = { ...old };
      for (const [point, list] of came) next[point] = grown(old[point], list);
      return next;
    });
  }, []);
  useLive({ points: devices.length > 0 ? [] : points, devices, onSamples });
  return { values, trends };
}
