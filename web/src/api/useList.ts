import { useCallback, useEffect, useRef, useState } from 'react';
import { asProblem, get, type CallOptions, type Problem } from './client';
import type { Page } from './types';

const PAGE = 200;

export interface List<T> {
  items: T[];
  total: number | null;
  /** More rows can be asked for. */
  more: boolean;
  loading: boolean;
  problem: Problem | null;
  loadMore: () => void;
  reload: () => void;
  set: (change: (items: T[]) => T[]) => void;
}

interface State<T> {
  items: T[];
  next: string | null;
  total: number | null;
  loading: boolean;
  problem: Problem | null;
}

/** A list that is read page by page with the server's cursor; a new query starts over. */
export function useList<T>(path: string, query: CallOptions['query'] = {}): List<T> {
  const key = JSON.stringify([path, query]);
  const empty: State<T> = { items: [], next: null, total: null, loading: true, problem: null };
  const [state, setState] = useState<State<T>>(empty);
  const [turn, setTurn] = useState(0);
  const current = useRef(state);
  current.current = state;
  const abort = useRef<AbortController | null>(null);

  const load = useCallback(
    async (cursor: string | null) => {
      abort.current?.abort();
      const mine = new AbortController();
      abort.current = mine;
      setState((old) => ({ ...old, loading: true, problem: null }));
      const [to, params] = JSON.parse(key) as [string, CallOptions['query']];
      try {
        const page = await get<Page<T>>(to, { limit: PAGE, ...params, cursor }, mine.signal);
        setState((old) => ({
          items: cursor ? [...old.items, ...page.items] : page.items,
          next: page.next,
          total: page.total ?? (cursor ? old.total : null),
          loading: false,
          problem: null,
        }));
      } catch (error) {
        if (mine.signal.aborted) return;
        setState((old) => ({ ...old, loading: false, problem: asProblem(error) }));
      }
    },
    [key],
  );

  useEffect(() => {
    void load(null);
    return () => abort.current?.abort();
  }, [load, turn]);

  const loadMore = useCallback(() => {
    const { loading, next, problem } = current.current;
    if (!loading && next && !problem) void load(next);
  }, [load]);
  const reload = useCallback(() => setTurn((n) => n + 1), []);
  const set = useCallback(
    (change: (items: T[]) => T[]) => setState((old) => ({ ...old, items: change(old.items) })),
    [],
  );
  return {
    items: state.items,
    total: state.total,
    more: state.next !== null,
    loading: state.loading,
    problem: state.problem,
    loadMore,
    reload,
    set,
  };
}
