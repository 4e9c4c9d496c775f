// Devices that would lie upon each other on the screen are one mark. Pure; fast enough for 20,000 at each step of a zoom.
import type { DeviceState } from '../../api/types';

export interface Spot {
  id: string;
  name: string;
  state: DeviceState;
  /** World coordinates. */
  x: number;
  y: number;
  lat: number;
  lon: number;
}
export interface Mark {
  x: number;
  y: number;
  n: number;
  online: number;
  offline: number;
  never: number;
  /** Of a mark of one device. */
  spot: Spot | null;
}

/** `side`: of a square, in world coordinates. The squares hang on the world, so marks stay where they are while one pans. */
export function cluster(spots: readonly Spot[], side: number): Mark[] {
  const squares = new Map<string, Mark>();
  for (const s of spots) {
    const key = `${Math.floor(s.x / side)} ${Math.floor(s.y / side)}`;
    const m = squares.get(key);
    if (!m) {
      squares.set(key, { x: s.x, y: s.y, n: 1, online: 0, offline: 0, never: 0, spot: s, [s.state]: 1 });
      continue;
    }
    m.x = (m.x * m.n + s.x) / (m.n + 1);
    m.y = (m.y * m.n + s.y) / (m.n + 1);
    m.n += 1;
    m[s.state] += 1;
    m.spot = null;
  }
  return [...squares.values()];
}

/** Of a mark of many: how large it is drawn. */
export function radiusOf(n: number): number {
  return Math.min(30, 11 + 4 * Math.log10(n));
}
