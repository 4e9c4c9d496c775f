import { useMemo } from 'react';
import { GAP, medianStep } from './lines';

export type SparkPoint = [timeMs: number, value: number | null];

interface Props {
  points: SparkPoint[];
  height?: number;
  label: string;
  /** The time window; default: from the first to the last point. */
  windowMs?: number;
  /** Starts the scale at zero (rates). */
  zero?: boolean;
  className?: string;
}

const WIDTH = 240;

function scale(points: SparkPoint[], zero: boolean): [number, number] {
  const values = points.map(([, v]) => v).filter((v): v is number => v !== null);
  let low = Math.min(...values);
  let high = Math.max(...values);
  if (zero) low = Math.min(0, low);
  if (high === low) {
    const room = Math.abs(high) * 0.05 || 1;
    low -= zero ? 0 : room;
    high += room;
  }
  return [low, high];
}

export function sparkPath(points: SparkPoint[], height: number, zero = false, windowMs = 0): string {
  if (points.every(([, v]) => v === null)) return '';
  const [low, high] = scale(points, zero);
  const last = (points[points.length - 1] as SparkPoint)[0];
  const first = windowMs ? last - windowMs : (points[0] as SparkPoint)[0];
  const width = Math.max(1, last - first);
  const silence = GAP * medianStep(points.map(([at]) => at));
  let path = '';
  let pen = 'M';
  let before = first;
  for (const [at, value] of points) {
    if (silence > 0 && at - before > silence) pen = 'M';
    before = at;
    if (value === null) {
      pen = 'M';
      continue;
    }
    if (at < first) continue;
    const x = ((at - first) / width) * WIDTH;
    const y = height - 2 - ((value - low) / (high - low)) * (height - 4);
    path += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = 'L';
  }
  return path;
}

export function Sparkline({ points, height = 26, label, windowMs, zero, className = '' }: Props) {
  const path = useMemo(
    () => (points.length > 1 ? sparkPath(points, height, zero, windowMs) : ''),
    [points, height, zero, windowMs],
  );
  return (
    <svg
      className={`spark ${className}`}
      viewBox={`0 0 ${WIDTH} ${height}`}
      preserveAspectRatio="none"
      height={height}
      role="img"
      aria-label={label}
    >
      {path ? <path className="spark-area" d={areaOf(path, height)} /> : null}
      <path className="spark-line" d={path} />
    </svg>
  );
}

/** The same line closed down to the ground; gaps stay open. */
function areaOf(path: string, height: number): string {
  return path
    .split('M')
    .filter((part) => part.includes('L'))
    .map((part) => {
      const dots = part.split('L');
      const x0 = dots[0]?.split(' ')[0];
      const x1 = dots[dots.length - 1]?.split(' ')[0];
      return `M${part}L${x1} ${height}L${x0} ${height}Z`;
    })
    .join('');
}
