// Calculated series of the explorer: a name and an expression each. In the address: calc=[["name","expression"],...].
import { stepFor, type Range } from '../../charts/lines';
import type { Mode } from './useHistory';

export interface Calc {
  name: string;
  expression: string;
}
export const CALCS_MAX = 8;
export const NAME_MAX = 80;

/** The key of its line: no point's name begins so. */
export const calcKey = (calc: Calc): string => `=${calc.name}`;

export function calcsFrom(text: string | null): Calc[] {
  try {
    const list: unknown = JSON.parse(text ?? '[]');
    if (!Array.isArray(list)) return [];
    const calcs = list.flatMap((one: unknown) =>
      Array.isArray(one) && typeof one[0] === 'string' && typeof one[1] === 'string' && one[0] && one[1]
        ? [{ name: one[0].slice(0, NAME_MAX), expression: one[1] }]
        : []);
    return calcs.filter((c, i) => calcs.findIndex((d) => d.name === c.name) === i).slice(0, CALCS_MAX);
  } catch {
    return [];
  }
}

export function calcsText(calcs: Calc[]): string | null {
  return calcs.length ? JSON.stringify(calcs.map((c) => [c.name, c.expression])) : null;
}

const aggregates: readonly Mode[] = ['mean', 'min', 'max', 'last', 'twa'];
const ROWS_MAX = 100_000;

/** What is asked of the server for one of them: buckets as wide as the chart draws, or rows. */
export function calcQuery(calc: Calc, ask: { range: Range; mode: Mode; step: string | null; pixels: number }): Record<string, unknown> {
  const base = {
    expressions: [calc],
    from: Math.floor(ask.range.from),
    to: Math.ceil(ask.range.to),
    time: 'ms',
    tz: Intl.DateTimeFormat().resolvedOptions().timeZone,
  };
  if (ask.mode === 'raw') return { ...base, limit: ROWS_MAX };
  const own = ask.mode === 'auto' ? null : ask.step;
  return {
    ...base,
    step: own ?? stepFor(ask.range, ask.pixels).text,
    aggregate: aggregates.includes(ask.mode) ? ask.mode : 'mean',
  };
}

/** The text with a piece put in place of what is selected, and where the cursor then stands: inside the brackets of a call. */
export function insertPiece(text: string, from: number, to: number, piece: string): { text: string; at: number } {
  const room = from > 0 && /[\w}\u0080-\uffff]$/.test(text.slice(0, from)) ? ' ' : '';
  const put = room + piece;
  return { text: text.slice(0, from) + put + text.slice(to), at: from + put.length - (piece.endsWith('()') ? 1 : 0) };
}
