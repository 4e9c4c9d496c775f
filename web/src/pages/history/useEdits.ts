import { useCallback, useEffect, useState } from 'react';
import { asProblem, get, type Problem } from '../../api/client';
import type { Page } from '../../api/types';
import { joinEdits, type Edit, type EditRow } from './edits';

export interface Edits {
  rows: EditRow[];
  problem: Problem | null;
  loading: boolean;
  /** Goes up with each change of samples: what shows them reads them anew. */
  version: number;
  changed: () => void;
}

/** The edits in force of the points, the newest hundred of each. */
export function useEdits(points: string[], on: boolean): Edits {
  const [version, setVersion] = useState(0);
  const [state, setState] = useState<Omit<Edits, 'version' | 'changed'>>({ rows: [], problem: null, loading: false });
  const key = on ? points.join('\n') : '';
  useEffect(() => {
    if (!key) {
      setState({ rows: [], problem: null, loading: false });
      return undefined;
    }
    let gone = false;
    setState((old) => ({ ...old, loading: true }));
    const one = async (point: string) =>
      [point, (await get<Page<Edit>>('history/edits', { point, limit: 100 })).items] as [string, Edit[]];
    Promise.all(key.split('\n').map(one)).then(
      (lists) => !gone && setState({ rows: joinEdits(lists), problem: null, loading: false }),
      (error: unknown) => !gone && setState({ rows: [], problem: asProblem(error), loading: false }),
    );
    return () => {
      gone = true;
    };
  }, [key, version]);
  return { ...state, version, changed: useCallback(() => setVersion((n) => n + 1), []) };
}
