// Pure parts of the line chart: columns for uPlot, gaps, the range after a pan or a zoom.
import { qualityClass } from '../api/quality';
import type { Cell } from '../api/types';

export interface Range {
  from: number;
  to: number;
}

/** A silence of so many usual steps is a gap. */
export const GAP = 12;

export interface Line {
  key: string;
  label: string;
  unit: string;
  time: number[]; // ms
  value: (number | null)[];
  /** Of another period: drawn with gaps in its stroke. */
  dashed?: boolean;
}

/** A vertical line at an instant, or a band over a time, with words. */
export interface Mark {
  time: number; // ms
  /** End of a band. */
  to?: number;
  words: string;
  /** What kind of mark: part of its class. */
  tone?: string;
}

/** Marks of several series as one list: what several share stands once. */
export function oneOfEach(marks: Mark[]): Mark[] {
  const seen = new Map(marks.map((m) => [`${m.time} ${m.words}`, m]));
  return [...seen.values()].sort((a, b) => a.time - b.time);
}

/** Numbers that can be drawn; words and blobs are not drawn, true and false are 1 and 0. */
export function drawable(value: Cell | undefined): number | null {
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (typeof value === 'boolean') return value ? 1 : 0;
  return null;
}

/** A bad value is no value: what stands there (often 0) was not measured. */
export function measured(value: Cell | undefined, quality: number | undefined): number | null {
  return quality !== undefined && qualityClass(quality) === 'bad' ? null : drawable(value);
}

/** The usual distance of two samples; 0 when there are too few to say. */
export function medianStep(time: number[]): number {
  const steps: number[] = [];
  const stride = Math.max(1, Math.floor(time.length / 500));
  for (let i = 1; i < time.length; i += stride) {
    steps.push((time[i] as number) - (time[i - 1] as number));
  }
  steps.sort((a, b) => a - b);
  return steps[Math.floor(steps.length / 2)] ?? 0;
}

/** Breaks the line where nothing came for much longer than usual, so that a gap is seen as a gap. */
export function withGaps(line: Line): Line {
  const usual = medianStep(line.time);
  if (usual <= 0) return line;
  const time: number[] = [];
  const value: (number | null)[] = [];
  line.time.forEach((at, i) => {
    const last = line.time[i - 1];
    if (last !== undefined && at - last > GAP * usual) {
      time.push(last + usual);
      value.push(null);
    }
    time.push(at);
    value.push(line.value[i] ?? null);
  });
  return { ...line, time, value };
}

/** Columns of several lines on one time axis: a line has undefined where only others have a sample.
 * The chart draws across undefined, also right behind a null, so a gap must be null up to its end. */
export function holdGaps(column: (number | null | undefined)[]): (number | null | undefined)[] {
  let inGap = false;
  return column.map((value) => {
    if (value !== undefined) inGap = value === null;
    return value === undefined && inGap ? null : value;
  });
}

/** Zooms around `at` (ms); factor below 1 comes nearer. */
export function zoom(range: Range, at: number, factor: number, smallestMs = 1000): Range {
  const width = Math.max(smallestMs, (range.to - range.from) * factor);
  const share = (at - range.from) / (range.to - range.from);
  const from = Math.round(at - share * width);
  return { from, to: Math.round(from + width) };
}

export function pan(range: Range, share: number): Range {
  const shift = Math.round((range.to - range.from) * share);
  return { from: range.from + shift, to: range.to + shift };
}

/** What a key does to the range; null when it does nothing. `home` is where 0 and Home lead. */
export function keyRange(key: string, range: Range, home: Range): Range | null {
  const middle = (range.from + range.to) / 2;
  switch (key) {
    case 'ArrowLeft':
      return pan(range, -0.2);
    case 'ArrowRight':
      return pan(range, 0.2);
    case 'PageUp':
      return pan(range, -1);
    case 'PageDown':
      return pan(range, 1);
    case '+':
    case '=':
    case 'ArrowUp':
      return zoom(range, middle, 0.5);
    case '-':
    case 'ArrowDown':
      return zoom(range, middle, 2);
    case '0':
    case 'Home':
      return home;
    default:
      return null;
  }
}

/** A step that gives about one bucket for two pixels: 1 s, 5 s ... 1 d. */
export function stepFor(range: Range, pixels: number): { text: string; ms: number } {
  const steps: [string, number][] = [
    ['1s', 1e3], ['2s', 2e3], ['5s', 5e3], ['10s', 1e4], ['30s', 3e4],
    ['1m', 6e4], ['2m', 12e4], ['5m', 3e5], ['10m', 6e5], ['30m', 18e5],
    ['1h', 36e5], ['2h', 72e5], ['6h', 216e5], ['12h', 432e5], ['1d', 864e5], ['7d', 6048e5],
  ];
  const want = (2 * (range.to - range.from)) / Math.max(100, pixels);
  const found = steps.find(([, ms]) => ms >= want) ?? steps[steps.length - 1];
  const [text, ms] = found as [string, number];
  return { text, ms };
}
