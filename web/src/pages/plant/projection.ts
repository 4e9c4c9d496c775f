// Where a place of the earth is on the map (Web Mercator, EPSG:3857), the shift of Chinese maps (GCJ-02), scale bar, graticule, tiles. Pure.
import type { Size } from './viewport';

export const LAT_MAX = 85.051129;
export const ZOOM_MIN = 1;
export const ZOOM_MAX = 20;
const TILE = 256;
const EARTH_M = 40_075_016.686; // around the equator of the projection's sphere

/** World coordinates: the whole map is 0..1 in both, y downwards. */
export function worldOf(lat: number, lon: number): [number, number] {
  const l = (Math.min(LAT_MAX, Math.max(-LAT_MAX, lat)) * Math.PI) / 180;
  return [lon / 360 + 0.5, 0.5 - Math.asinh(Math.tan(l)) / (2 * Math.PI)];
}
export function placeOf(x: number, y: number): [lat: number, lon: number] {
  return [(Math.atan(Math.sinh((0.5 - y) * 2 * Math.PI)) * 180) / Math.PI, (x - 0.5) * 360];
}

/** The middle of the map in world coordinates, and how far in: the world has TILE * 2^zoom pixels. */
export interface MapView {
  x: number;
  y: number;
  zoom: number;
}
export const pixelsOf = (zoom: number): number => TILE * 2 ** zoom;

export function toScreen(view: MapView, size: Size, [x, y]: readonly [number, number]): [number, number] {
  const px = pixelsOf(view.zoom);
  return [(x - view.x) * px + size.width / 2, (y - view.y) * px + size.height / 2];
}
export function toWorld(view: MapView, size: Size, sx: number, sy: number): [number, number] {
  const px = pixelsOf(view.zoom);
  return [(sx - size.width / 2) / px + view.x, (sy - size.height / 2) / px + view.y];
}

const clamp = (v: number, low: number, high: number): number => Math.min(high, Math.max(low, v));
export function within(view: MapView): MapView {
  return { x: clamp(view.x, 0, 1), y: clamp(view.y, 0, 1), zoom: clamp(view.zoom, ZOOM_MIN, ZOOM_MAX) };
}

/** Zooms by `steps` (1 = twice as near); what is below the screen point stays there. */
export function zoomMap(view: MapView, size: Size, steps: number, sx = size.width / 2, sy = size.height / 2): MapView {
  const zoom = clamp(view.zoom + steps, ZOOM_MIN, ZOOM_MAX);
  const [wx, wy] = toWorld(view, size, sx, sy);
  const px = pixelsOf(zoom);
  return within({ x: wx - (sx - size.width / 2) / px, y: wy - (sy - size.height / 2) / px, zoom });
}

export type Box = [west: number, south: number, east: number, north: number];

/** All of the box, with room around it; a single place is seen from not too near. */
export function fitMap([west, south, east, north]: Box, size: Size): MapView {
  const [x0, y1] = worldOf(south, west);
  const [x1, y0] = worldOf(north, east);
  const room = 0.82;
  const zoom = Math.min(
    Math.log2((size.width * room) / TILE / Math.max(1e-9, x1 - x0)),
    Math.log2((size.height * room) / TILE / Math.max(1e-9, y1 - y0)),
    16,
  );
  return within({ x: (x0 + x1) / 2, y: (y0 + y1) / 2, zoom });
}
export function boxOf(view: MapView, size: Size): Box {
  const [x0, y0] = toWorld(view, size, 0, 0);
  const [x1, y1] = toWorld(view, size, size.width, size.height);
  const [north, west] = placeOf(clamp(x0, 0, 1), clamp(y0, 0, 1));
  const [south, east] = placeOf(clamp(x1, 0, 1), clamp(y1, 0, 1));
  return [west, south, east, north];
}

// ---- GCJ-02: the datum of Chinese maps, WGS-84 moved by a few hundred metres within China ----

const GCJ_A = 6_378_245; // Krasovsky 1940
const GCJ_E2 = 0.006_693_421_622_965_943;

const inChina = (lat: number, lon: number): boolean => lon > 72.004 && lon < 137.8347 && lat > 0.8293 && lat < 55.8271;

function waves(v: number): number {
  return ((20 * Math.sin(6 * v * Math.PI) + 20 * Math.sin(2 * v * Math.PI)) * 2) / 3;
}
function shift(lat: number, lon: number): [number, number] {
  const x = lon - 105;
  const y = lat - 35;
  const root = Math.sqrt(Math.abs(x));
  const north =
    -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + waves(x) +
    ((20 * Math.sin(y * Math.PI) + 40 * Math.sin((y / 3) * Math.PI)) * 2) / 3 +
    ((160 * Math.sin((y / 12) * Math.PI) + 320 * Math.sin((y * Math.PI) / 30)) * 2) / 3;
  const east =
    300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + waves(x) +
    ((20 * Math.sin(x * Math.PI) + 40 * Math.sin((x / 3) * Math.PI)) * 2) / 3 +
    ((150 * Math.sin((x / 12) * Math.PI) + 300 * Math.sin((x / 30) * Math.PI)) * 2) / 3;
  const l = (lat * Math.PI) / 180;
  const w = 1 - GCJ_E2 * Math.sin(l) ** 2;
  return [
    (north * 180) / (((GCJ_A * (1 - GCJ_E2)) / (w * Math.sqrt(w))) * Math.PI),
    (east * 180) / ((GCJ_A / Math.sqrt(w)) * Math.cos(l) * Math.PI),
  ];
}

export function wgsToGcj(lat: number, lon: number): [number, number] {
  if (!inChina(lat, lon)) return [lat, lon];
  const [dlat, dlon] = shift(lat, lon);
  return [lat + dlat, lon + dlon];
}
/** The way back has no formula: taken nearer until it fits to a millimetre or so. */
export function gcjToWgs(lat: number, lon: number): [number, number] {
  if (!inChina(lat, lon)) return [lat, lon];
  let [a, b] = [lat, lon];
  for (let i = 0; i < 6; i++) {
    const [glat, glon] = wgsToGcj(a, b);
    a += lat - glat;
    b += lon - glon;
  }
  return [a, b];
}

// ---- what is drawn beside the places ----

/** The longest bar of 1, 2 or 5 times a power of ten metres that is not wider than `most` pixels. */
export function scaleBar(view: MapView, most: number): { metres: number; pixels: number } {
  const [lat] = placeOf(view.x, view.y);
  const perPixel = (EARTH_M * Math.cos((lat * Math.PI) / 180)) / pixelsOf(view.zoom);
  const limit = perPixel * most;
  const power = 10 ** Math.floor(Math.log10(limit));
  const metres = [5, 2, 1].map((k) => k * power).find((m) => m <= limit) ?? power;
  return { metres, pixels: metres / perPixel };
}

const STEPS = [30, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002, 0.0001];
/** Degrees between two lines, so that about 120 pixels lie between them. */
export function graticuleStep(view: MapView): number {
  const wanted = (120 / pixelsOf(view.zoom)) * 360;
  return [...STEPS].reverse().find((s) => s >= wanted) ?? 30;
}
export function degrees(v: number, step: number, letters: readonly [string, string]): string {
  const digits = step >= 1 ? 0 : Math.ceil(-Math.log10(step) - 1e-9);
  const n = Math.abs(v).toFixed(digits);
  return Number(n) === 0 ? '0°' : `${n}°${v > 0 ? letters[0] : letters[1]}`;
}

export interface Tile {
  z: number;
  x: number;
  y: number;
  /** On the screen. */
  left: number;
  top: number;
  side: number;
}
/** Those that cover the screen, of the nearest whole zoom; none beyond the world. */
export function tilesOf(view: MapView, size: Size, deepest = 19): Tile[] {
  const z = Math.min(deepest, Math.max(0, Math.round(view.zoom)));
  const n = 2 ** z;
  const side = pixelsOf(view.zoom) / n;
  const [x0, y0] = toWorld(view, size, 0, 0);
  const [x1, y1] = toWorld(view, size, size.width, size.height);
  const tiles: Tile[] = [];
  for (let ty = Math.max(0, Math.floor(y0 * n)); ty <= Math.min(n - 1, Math.floor(y1 * n)); ty++) {
    for (let tx = Math.max(0, Math.floor(x0 * n)); tx <= Math.min(n - 1, Math.floor(x1 * n)); tx++) {
      const [left, top] = toScreen(view, size, [tx / n, ty / n]);
      tiles.push({ z, x: tx, y: ty, left, top, side });
    }
  }
  return tiles;
}
