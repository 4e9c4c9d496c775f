// How the chart of the explorer looks, as it stands in the address: axes, selection, the panel below.
import { useCallback, useMemo, useState } from 'react';
import { setQuery, usePlace } from '../../app/router';
import { logFrom, logText, movedFrom, movedText } from '../../charts/axes';
import type { Range } from '../../charts/lines';
import { offsetFrom, type Offset } from './period';

export const panels = ['lines', 'stats', 'quality', 'notes', 'edits'] as const;
export type Panel = (typeof panels)[number];

export interface Look {
  moved: Record<string, number>;
  log: number[];
  /** Dragging selects. */
  selecting: boolean;
  selection: Range | null;
  panel: Panel;
  /** The other period to compare with. */
  vs: Offset | null;
  /** Thresholds of the data quality; null: the usual ones. */
  gap: string | null;
  stuck: string | null;
  move: (point: string, axis: number | null) => void;
  toggleLog: (axis: number) => void;
  setSelecting: (on: boolean) => void;
  select: (range: Range | null) => void;
}

/** sel=FROM-TO in ms. */
export function selectionFrom(text: string | null): Range | null {
  const [from, to] = (text ?? '').split('-').map(Number);
  return from && to && to > from ? { from, to } : null;
}

export function useLook(points: string[]): Look {
  const { query } = usePlace();
  const [selecting, setSelecting] = useState(false);
  const [axes, logs, sel] = [query.get('axes'), query.get('log'), query.get('sel')];
  const moved = useMemo(() => movedFrom(axes), [axes]);
  const log = useMemo(() => logFrom(logs), [logs]);
  const selection = useMemo(() => selectionFrom(sel), [sel]);
  const move = (point: string, axis: number | null) => {
    const next = { ...moved };
    if (axis === null) delete next[point];
    else next[point] = axis;
    setQuery({ axes: movedText(next, points) });
  };
  const toggleLog = (axis: number) =>
    setQuery({ log: logText(log.includes(axis) ? log.filter((n) => n !== axis) : [...log, axis]) });
  const select = useCallback((range: Range | null) => {
    const now = new URLSearchParams(location.search).get('panel');
    if (range) setQuery({ sel: `${Math.round(range.from)}-${Math.round(range.to)}`, panel: now ?? 'stats' });
    else setQuery({ sel: null });
  }, []);
  const panel = (panels.find((p) => p === query.get('panel')) ?? 'lines') as Panel;
  const vs = offsetFrom(query.get('vs'));
  const [gap, stuck] = [query.get('gap'), query.get('stuck')];
  return { moved, log, selecting, selection, panel, vs, gap, stuck, move, toggleLog, setSelecting, select };
}
