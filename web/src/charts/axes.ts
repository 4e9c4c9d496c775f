// Which line stands on which axis: by unit, at most four, left and right in turn; a line can be moved
// by hand, and an axis can be logarithmic. In the address: axes=pump-1%2Fflow=2 and log=1,3.

export const MAX_AXES = 4;

export interface Axis {
  /** 1 to MAX_AXES; odd ones stand at the left. */
  number: number;
  units: string[];
  /** Places of its lines. */
  lines: number[];
  log: boolean;
}
export interface AxisPlan {
  axes: Axis[];
  /** The axis number of each line. */
  of: number[];
}

/** Lines of one unit share an axis; where there are more units than axes, the last one takes the rest.
 * A line that was moved stands where it was put, and moves no other. */
export function axisPlan(lines: { key: string; unit: string }[], moved: Record<string, number>, log: number[]): AxisPlan {
  const units = [...new Set(lines.map((line) => line.unit))];
  const of = lines.map((line) => moved[line.key] ?? Math.min(MAX_AXES, units.indexOf(line.unit) + 1));
  const numbers = [...new Set(of)].sort((a, b) => a - b);
  const axes = numbers.map((number) => {
    const on = of.flatMap((n, i) => (n === number ? [i] : []));
    const named = [...new Set(on.map((i) => lines[i]?.unit ?? ''))];
    return { number, units: named, lines: on, log: log.includes(number) };
  });
  return { axes, of };
}

export function movedFrom(text: string | null): Record<string, number> {
  const moved: Record<string, number> = {};
  for (const entry of (text ?? '').split(',')) {
    const [name, number] = entry.split('=');
    const axis = Number(number);
    if (name && Number.isInteger(axis) && axis >= 1 && axis <= MAX_AXES) moved[decodeURIComponent(name)] = axis;
  }
  return moved;
}
/** For the address; null when nothing was moved. Points that are no longer shown are left out. */
export function movedText(moved: Record<string, number>, shown: string[]): string | null {
  const entries = shown.filter((p) => moved[p]).map((p) => `${encodeURIComponent(p)}=${moved[p]}`);
  return entries.length ? entries.join(',') : null;
}

export function logFrom(text: string | null): number[] {
  return (text ?? '').split(',').map(Number).filter((n) => Number.isInteger(n) && n >= 1 && n <= MAX_AXES);
}
export function logText(log: number[]): string | null {
  return log.length ? [...log].sort((a, b) => a - b).join(',') : null;
}
