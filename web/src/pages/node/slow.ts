// What the list of slow queries makes of an entry: its order, and the page that asks the same again.
import { pointsText } from '../../api/points';
import type { SlowItem } from '../../api/slowTypes';

export type SlowSort = 'time' | 'ms' | 'waited_ms' | 'rows' | 'bytes';

/** '-ms': the longest first. What is not known comes last. */
export function sorted(items: SlowItem[], sort: string): SlowItem[] {
  const down = sort.startsWith('-');
  const key = sort.replace(/^-/, '') as SlowSort;
  const value = (item: SlowItem): number => (key === 'time' ? item.id : (item[key] ?? (down ? -1 : Infinity)));
  return [...items].sort((a, b) => (down ? value(b) - value(a) : value(a) - value(b)) || b.id - a.id);
}

function msOf(value: unknown): number | null {
  const ms = typeof value === 'string' ? Date.parse(value) : value;
  return typeof ms === 'number' && Number.isFinite(ms) && ms > 0 ? ms : null;
}

/** The history explorer with the same points and time; null where it cannot be told whole. */
export function explorerOf(item: SlowItem): string | null {
  if (item.form !== 'json' || item.cut || !item.text || !/\/history\/(query|quality|export)$/.test(item.route)) return null;
  let asked: { points?: unknown; from?: unknown; to?: unknown; step?: unknown };
  try {
    asked = JSON.parse(item.text) as typeof asked;
  } catch {
    return null;
  }
  const points = Array.isArray(asked.points) ? asked.points.filter((p): p is string => typeof p === 'string') : [];
  const [from, to] = [msOf(asked.from), msOf(asked.to)];
  if (points.length === 0 || from === null || to === null || to <= from) return null;
  const query = new URLSearchParams({ from: String(Math.floor(from)), to: String(Math.ceil(to)) });
  if (typeof asked.step === 'string') query.set('step', asked.step);
  return `/history?points=${encodeURIComponent(pointsText(points))}&${query}`;
}

/** Milliseconds as one reads them: 840 ms, 12.3 s. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${Number((ms / 1000).toFixed(ms < 10_000 ? 2 : 1))} s`;
}
