// Data quality as the server tells it (POST history/quality), thresholds as they stand in the address, and
// what the band and the tables need of it.
import type { ValueType } from '../../api/types';
import type { Range } from '../../charts/lines';
import type { WordKey } from '../../i18n';

export const flaws = ['gap', 'stuck', 'bad', 'uncertain', 'range', 'late'] as const;
export type Flaw = (typeof flaws)[number];
export const flawWord = (kind: Flaw) => `flaw.${kind}` as WordKey;

export interface Interval {
  kind: Flaw;
  from: number; // ms
  to: number;
  /** Without what lies between the parts of a merged one. */
  seconds: number;
  merged?: number;
  /** Of late ones: how long after their time the samples came, at most (seconds). */
  delay?: number;
}
export interface PointQuality {
  point: string;
  type: ValueType;
  unit?: string;
  period: number | null;
  declared: boolean;
  gap: number | null;
  stuck: number | null;
  low: number | null;
  high: number | null;
  seconds: Record<Flaw | 'all' | 'good', number>;
  samples: { all: number; bad: number; uncertain: number; range: number };
  availability: number | null;
  intervals: Interval[];
  merged_within: number | null;
}
export interface QualityAnswer {
  from: number;
  to: number;
  series: PointQuality[];
}

/** gap=30s or gap=10x (times the point's period); stuck=1h or stuck=off. */
export const GAP_DEFAULT = '3x';
export const STUCK_DEFAULT = '1h';
export const gapChoices = ['3x', '10x', '10s', '1m', '5m', '15m', '1h', '8h'];
export const stuckChoices = ['off', '5m', '15m', '1h', '8h', '24h'];

const DURATION = /^\d{1,9}(\.\d{1,3})?(ms|s|m|h|d)$/;
export function gapOk(text: string): boolean {
  const times = /^(\d{1,6}(\.\d{1,3})?)x$/.exec(text);
  return times ? Number(times[1]) >= 1 : DURATION.test(text) && Number.parseFloat(text) > 0;
}
export function stuckOk(text: string): boolean {
  return text === 'off' || (DURATION.test(text) && Number.parseFloat(text) > 0);
}

/** The question; what is not valid in the address is as if it were not there. */
export function askQuality(points: string[], range: Range, gap: string | null, stuck: string | null): Record<string, unknown> {
  const silence = gap && gapOk(gap) ? gap : GAP_DEFAULT;
  const still = stuck && stuckOk(stuck) ? stuck : STUCK_DEFAULT;
  return {
    points,
    from: Math.floor(range.from),
    to: Math.ceil(range.to),
    time: 'ms',
    intervals: 500,
    ...(silence.endsWith('x') ? { gap_factor: Number(silence.slice(0, -1)) } : { gap: silence }),
    ...(still === 'off' ? {} : { stuck: still }),
  };
}

/** Where a band's piece lies, in shares of the range; null: outside. */
export function placeOf(interval: Interval, range: Range): { left: number; width: number } | null {
  const whole = range.to - range.from;
  const from = Math.max(interval.from, range.from);
  const to = Math.min(interval.to, range.to);
  return to > from ? { left: (from - range.from) / whole, width: (to - from) / whole } : null;
}

/** What lies at a time: the shortest first, as that is what one means. */
export function flawsAt(series: PointQuality, at: number, reach: number): Interval[] {
  return series.intervals
    .filter((i) => at >= i.from - reach && at <= i.to + reach)
    .sort((a, b) => a.to - a.from - (b.to - b.from));
}

/** The interval with some room around it. */
export function around({ from, to }: { from: number; to: number }): Range {
  const room = Math.max(1000, (to - from) * 0.25);
  return { from: Math.round(from - room), to: Math.round(to + room) };
}

export interface Row extends Interval {
  point: string;
}
/** The intervals of all points as one list, in the order of time. */
export function rowsOf(series: PointQuality[], hidden: readonly Flaw[]): Row[] {
  return series
    .flatMap((s) => s.intervals.filter((i) => !hidden.includes(i.kind)).map((i) => ({ point: s.point, ...i })))
    .sort((a, b) => a.from - b.from || a.point.localeCompare(b.point));
}

/** A cell that a spreadsheet takes for what it is: no formula, quotes doubled. */
function field(value: string | number): string {
  const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function qualityCsv(rows: Row[], word: (kind: Flaw) => string): string {
  const lines = rows.map((r) =>
    [r.point, r.kind, word(r.kind), new Date(r.from).toISOString(), new Date(r.to).toISOString(), r.seconds, r.merged ?? 1].map(field).join(','));
  return `\ufeffpoint,kind,name,from,to,seconds,merged\r\n${lines.map((l) => `${l}\r\n`).join('')}`;
}
