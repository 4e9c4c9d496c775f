// Many devices by one pattern of their ids: pump-{01..50}; {n} in other texts is the number of each.
import type { DeviceValues } from './DeviceFields';

export const SERIES_MAX = 1000;

export interface Series {
  before: string;
  numbers: string[];
  after: string;
}

/** The numbers of an id with {from..to}; null: an ordinary id; a word of what is wrong. */
export function seriesOf(id: string): Series | null | 'series.malformed' | 'series.tooMany' {
  const open = id.search(/[{}]/);
  if (open < 0) return null;
  const m = /^([^{}]*)\{(\d{1,9})\.\.(\d{1,9})\}([^{}]*)$/.exec(id);
  if (!m) return 'series.malformed';
  const [, before = '', first = '', last = '', after = ''] = m;
  const [from, to] = [Number(first), Number(last)];
  if (from > to) return 'series.malformed';
  if (to - from >= SERIES_MAX) return 'series.tooMany';
  const width = first.startsWith('0') ? first.length : 0;
  return { before, after, numbers: Array.from({ length: to - from + 1 }, (_, i) => String(from + i).padStart(width, '0')) };
}

/** The ids of a series. */
export function idsOf({ before, numbers, after }: Series): string[] {
  return numbers.map((n) => before + n + after);
}

/** What the form holds, for the device of one number. */
export function numbered(values: DeviceValues, n: string): DeviceValues {
  const put = (text?: string) => text?.replaceAll('{n}', n);
  const { name, location, labels, description } = values;
  return { ...values, name: put(name), location: put(location), labels: put(labels), description: put(description) };
}
