import { useEffect, useState } from 'react';
import { asProblem, post, type Problem } from '../../api/client';
import type { Cell, Classed } from '../../api/types';
import { drawable, type Line, type Range } from '../../charts/lines';
import { calcKey, calcQuery, type Calc } from './calc';
import type { Mode, Stats } from './useHistory';

interface Series extends Classed {
  masked?: boolean;
  type: string;
  unit: string;
  time: number[];
  value: Cell[];
  statistics?: Omit<Stats, 'stddev'>;
}
interface One {
  /** Of the points it is made of: above general at level 1, or masked. */
  of?: Classed & { masked?: boolean };
  line: Line | null;
  stats: Stats | null;
  problem: Problem | null;
}
/** By key of the series. */
export type Calculated = Record<string, One>;

interface Ask {
  calcs: Calc[];
  range: Range;
  mode: Mode;
  step: string | null;
  pixels: number;
  version: number;
}

function oneOf(calc: Calc, series: Series): One {
  const s = series.statistics;
  return {
    of: series.data_class || series.masked ? series : undefined,
    line: { key: calcKey(calc), label: calc.name, unit: series.unit, time: series.time, value: series.value.map(drawable) },
    stats: s ? { ...s, stddev: null } : null,
    problem: null,
  };
}

/** Calculated by the server; each for itself, so that a wrong one does not hide the others. */
export function useCalculated(ask: Ask): Calculated {
  const [state, setState] = useState<Calculated>({});
  const key = JSON.stringify(ask);
  useEffect(() => {
    const want = JSON.parse(key) as Ask;
    if (want.calcs.length === 0) {
      setState({});
      return undefined;
    }
    const abort = new AbortController();
    const one = async (calc: Calc): Promise<[string, One]> => {
      try {
        const answer = await post<{ series: Series[] }>('history/calculate', calcQuery(calc, want), { signal: abort.signal });
        return [calcKey(calc), oneOf(calc, answer.series[0] as Series)];
      } catch (error) {
        return [calcKey(calc), { line: null, stats: null, problem: asProblem(error) }];
      }
    };
    const timer = setTimeout(async () => {
      const all = await Promise.all(want.calcs.map(one));
      if (!abort.signal.aborted) setState(Object.fromEntries(all));
    }, 80);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [key]);
  return state;
}
