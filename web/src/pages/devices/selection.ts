// Which rows are chosen: some by id, or all that match the filter but some. Pure, and as a hook.
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';

export interface Chosen {
  /** All that match the filter, but `ids`; else `ids`. */
  all: boolean;
  ids: ReadonlySet<string>;
}
export const NOTHING: Chosen = { all: false, ids: new Set() };

export function isChosen(chosen: Chosen, id: string): boolean {
  return chosen.ids.has(id) !== chosen.all;
}

export function choose(chosen: Chosen, ids: string[], on: boolean): Chosen {
  const next = new Set(chosen.ids);
  for (const id of ids) {
    if (on !== chosen.all) next.add(id);
    else next.delete(id);
  }
  return { all: chosen.all, ids: next };
}

export function howMany(chosen: Chosen, total: number): number {
  return chosen.all ? Math.max(0, total - chosen.ids.size) : chosen.ids.size;
}

/** `rows`: ids in the order shown; a change of `of` (the filter) forgets what was chosen. */
export function useSelection(rows: string[], of: string, total: number) {
  const [chosen, setChosen] = useState<Chosen>(NOTHING);
  const last = useRef<string | null>(null);
  useEffect(() => setChosen(NOTHING), [of]);
  const list = useRef(rows);
  list.current = rows;

  const toggle = useCallback((id: string, on: boolean, shift: boolean) => {
    const from = shift && last.current !== null ? list.current.indexOf(last.current) : -1;
    const to = list.current.indexOf(id);
    last.current = id;
    const ids = from < 0 || to < 0 ? [id] : list.current.slice(Math.min(from, to), Math.max(from, to) + 1);
    setChosen((old) => choose(old, ids, on));
  }, []);
  const toggleLoaded = useCallback((on: boolean) => {
    setChosen((old) => (on ? choose(old, list.current, true) : NOTHING));
  }, []);
  const clear = useCallback(() => setChosen(NOTHING), []);
  const everything = useCallback(() => setChosen({ all: true, ids: new Set() }), []);
  const count = howMany(chosen, total);
  const loaded = useMemo(() => rows.length > 0 && rows.every((id) => isChosen(chosen, id)), [rows, chosen]);
  return { chosen, count, loaded, toggle, toggleLoaded, everything, clear };
}
export type Selection = ReturnType<typeof useSelection>;
