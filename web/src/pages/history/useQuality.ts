// What is wrong with the samples of the visible range, as the server finds it.
import { useEffect, useState } from 'react';
import { asProblem, post, type Problem } from '../../api/client';
import type { Range } from '../../charts/lines';
import { askQuality, type PointQuality, type QualityAnswer } from './quality';

export interface Quality {
  series: PointQuality[];
  /** Of the answer: the bands are drawn over this. */
  tookMs: number | null;
  problem: Problem | null;
  loading: boolean;
}

const nothing: Quality = { series: [], tookMs: null, problem: null, loading: false };

/** The old answer stays until the new one is here. */
export function useQuality(points: string[], range: Range, gap: string | null, stuck: string | null, on: boolean, version: number): Quality {
  const [state, setState] = useState<Quality>(nothing);
  const key = on && points.length > 0 ? JSON.stringify([askQuality(points, range, gap, stuck), version]) : '';
  useEffect(() => {
    if (!key) {
      setState(nothing);
      return undefined;
    }
    const abort = new AbortController();
    const timer = setTimeout(async () => {
      setState((old) => ({ ...old, loading: true }));
      try {
        const started = performance.now();
        const [ask] = JSON.parse(key) as [Record<string, unknown>];
        const answer = await post<QualityAnswer>('history/quality', ask, { signal: abort.signal });
        setState({ series: answer.series, tookMs: performance.now() - started, problem: null, loading: false });
      } catch (error) {
        if (!abort.signal.aborted) setState((old) => ({ ...old, problem: asProblem(error), loading: false }));
      }
    }, 120);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [key]);
  return state;
}
