// Another period to compare with, as it stands in the address: vs=1d, 1w, 1M, or a free offset such as 90m.

export const periods = ['1d', '1w', '1M'] as const;
export const offsetUnits = ['m', 'h', 'd', 'w', 'M'] as const;
export type OffsetUnit = (typeof offsetUnits)[number];

export interface Offset {
  n: number;
  unit: OffsetUnit;
}

export function offsetFrom(text: string | null): Offset | null {
  const found = /^(\d{1,5})([mhdwM])$/.exec(text ?? '');
  const n = Number(found?.[1]);
  return found && n > 0 ? { n, unit: found[2] as OffsetUnit } : null;
}

/** How long before `at` (ms) the other period lies. Days, weeks and months are those of the calendar:
 * the same hour, also across a change of the clock; the 31st of a shorter month is its last day. */
export function shiftMs(offset: Offset, at: number): number {
  const { n, unit } = offset;
  if (unit === 'm') return n * 60_000;
  if (unit === 'h') return n * 3_600_000;
  const then = new Date(at);
  if (unit === 'M') {
    const day = then.getDate();
    then.setDate(1);
    then.setMonth(then.getMonth() - n);
    then.setDate(Math.min(day, new Date(then.getFullYear(), then.getMonth() + 1, 0).getDate()));
  } else {
    then.setDate(then.getDate() - n * (unit === 'w' ? 7 : 1));
  }
  return at - then.getTime();
}
