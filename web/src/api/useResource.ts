import { useCallback, useEffect, useRef, useState } from 'react';
import { asProblem, call, type CallOptions, type Problem } from './client';

export interface Resource<T> {
  data: T | null;
  etag: string | null;
  problem: Problem | null;
  loading: boolean;
  reload: () => void;
  /** Puts a newer value in place (after a save, or from the live stream). */
  set: (change: (old: T | null) => T | null) => void;
}

/** GETs `path` (null: nothing to load); an answer that comes after the path has changed is dropped. */
export function useResource<T>(path: string | null, query?: CallOptions['query']): Resource<T> {
  const key = path === null ? null : JSON.stringify([path, query ?? {}]);
  const [turn, setTurn] = useState(0);
  const [state, setState] = useState<{
    key: string | null;
    data: T | null;
    etag: string | null;
    problem: Problem | null;
    loading: boolean;
  }>({ key: null, data: null, etag: null, problem: null, loading: path !== null });
  const latest = useRef(state);
  latest.current = state;

  useEffect(() => {
    if (key === null) return undefined;
    const abort = new AbortController();
    const [to, params] = JSON.parse(key) as [string, CallOptions['query']];
    const same = latest.current.key === key;
    setState((old) => ({
      key,
      data: same ? old.data : null,
      etag: same ? old.etag : null,
      problem: null,
      loading: true,
    }));
    call<T>('GET', to, { query: params, signal: abort.signal }).then(
      ({ data, etag }) => setState({ key, data, etag, problem: null, loading: false }),
      (error: unknown) => {
        if (abort.signal.aborted) return;
        setState((old) => ({ ...old, problem: asProblem(error), loading: false }));
      },
    );
    return () => abort.abort();
  }, [key, turn]);

  const reload = useCallback(() => setTurn((n) => n + 1), []);
  const set = useCallback(
    (change: (old: T | null) => T | null) =>
      setState((old) => ({ ...old, data: change(old.data), problem: null })),
    [],
  );
  return { data: state.data, etag: state.etag, problem: state.problem, loading: state.loading, reload, set };
}
