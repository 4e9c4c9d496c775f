// The time range of a chart, as it stands in the address: last=24h, or from= and to= in ms.
import type { Range } from '../../charts/lines';

export interface Choice {
  range: Range;
  /** Follows the clock: the length in ms; null when the range stands still. */
  last: number | null;
}

export const quickRanges: [name: string, ms: number][] = [
  ['15m', 15 * 60_000],
  ['1h', 3_600_000],
  ['8h', 8 * 3_600_000],
  ['24h', 24 * 3_600_000],
  ['7d', 7 * 86_400_000],
  ['30d', 30 * 86_400_000],
];

export function lastMs(name: string | null): number | null {
  return quickRanges.find(([quick]) => quick === name)?.[1] ?? null;
}

export function choiceFrom(query: URLSearchParams, now: number, fallback = '1h'): Choice {
  const from = Number(query.get('from'));
  const to = Number(query.get('to'));
  if (from > 0 && to > from) return { range: { from, to }, last: null };
  const last = lastMs(query.get('last')) ?? (lastMs(fallback) as number);
  return { range: { from: now - last, to: now }, last };
}

/** How often a range that follows the clock is read again: about a pixel's worth, 2 s to 1 min. */
export function followEveryMs(last: number): number {
  return Math.min(60_000, Math.max(2_000, Math.round(last / 800)));
}

/** ms as the value of <input type="datetime-local">, and back. */
export function toInput(ms: number): string {
  const local = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19);
}
export function fromInput(text: string): number | null {
  const ms = new Date(text).getTime();
  return Number.isFinite(ms) ? ms : null;
}
