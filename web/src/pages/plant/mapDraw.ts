// Draws the map on a canvas: tiles or a graticule, names of assets, marks of devices, scale bar and north.
import { radiusOf, type Mark } from './cluster';
import { degrees, graticuleStep, placeOf, scaleBar, tilesOf, toScreen, toWorld, worldOf, type MapView } from './projection';
import type { Size } from './viewport';

export interface Drawn {
  mark: Mark;
  sx: number;
  sy: number;
  r: number;
}
export interface Label {
  id: string;
  name: string;
  x: number;
  y: number;
}
export interface Scene {
  view: MapView;
  size: Size;
  marks: readonly Mark[];
  labels: readonly Label[];
  over: Mark | null;
  north: string;
  /** null: a graticule. */
  tile: ((z: number, x: number, y: number) => HTMLImageElement | null) | null;
}

const FONT = '12px "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "WenQuanYi Zen Hei", system-ui, sans-serif';

function colours(el: Element) {
  const style = getComputedStyle(el);
  const of = (name: string) => style.getPropertyValue(name).trim();
  return {
    ground: of('--raised'),
    line: of('--line'),
    text: of('--text'),
    dim: of('--dim'),
    panel: of('--panel'),
    ok: of('--ok'),
    bad: of('--bad'),
    accent: of('--accent'),
  };
}
type Colours = ReturnType<typeof colours>;
type Pen = CanvasRenderingContext2D;

function graticule(pen: Pen, { view, size }: Scene, c: Colours): void {
  const step = graticuleStep(view);
  const [x0, y0] = toWorld(view, size, 0, 0);
  const [x1, y1] = toWorld(view, size, size.width, size.height);
  const [north, west] = placeOf(Math.max(0, x0), Math.max(0, y0));
  const [south, east] = placeOf(Math.min(1, x1), Math.min(1, y1));
  pen.strokeStyle = c.line;
  pen.fillStyle = c.dim;
  pen.lineWidth = 1;
  pen.font = FONT;
  pen.beginPath();
  for (let lon = Math.ceil(west / step) * step; lon <= east + 1e-9; lon += step) {
    const [sx] = toScreen(view, size, worldOf(0, lon));
    pen.moveTo(Math.round(sx) + 0.5, 0);
    pen.lineTo(Math.round(sx) + 0.5, size.height);
    pen.fillText(degrees(lon, step, ['E', 'W']), sx + 4, 14);
  }
  for (let lat = Math.ceil(south / step) * step; lat <= north + 1e-9; lat += step) {
    const [, sy] = toScreen(view, size, worldOf(lat, 0));
    pen.moveTo(0, Math.round(sy) + 0.5);
    pen.lineTo(size.width, Math.round(sy) + 0.5);
    if (sy > 30) pen.fillText(degrees(lat, step, ['N', 'S']), 4, sy - 4);
  }
  pen.stroke();
}

function ground(pen: Pen, scene: Scene, c: Colours): void {
  pen.fillStyle = c.ground;
  pen.fillRect(0, 0, scene.size.width, scene.size.height);
  if (!scene.tile) {
    graticule(pen, scene, c);
    return;
  }
  for (const t of tilesOf(scene.view, scene.size)) {
    const image = scene.tile(t.z, t.x, t.y);
    if (image) pen.drawImage(image, t.left, t.top, t.side + 0.5, t.side + 0.5);
  }
}

function text(pen: Pen, words: string, x: number, y: number, c: Colours, colour: string): void {
  pen.lineWidth = 3;
  pen.strokeStyle = c.panel;
  pen.strokeText(words, x, y);
  pen.fillStyle = colour;
  pen.fillText(words, x, y);
}

function many(pen: Pen, { mark, sx, sy, r }: Drawn, c: Colours): void {
  pen.beginPath();
  pen.arc(sx, sy, r, 0, 2 * Math.PI);
  pen.fillStyle = c.panel;
  pen.fill();
  let from = -Math.PI / 2; // a ring of the states
  for (const [n, colour] of [[mark.online, c.ok], [mark.offline, c.bad], [mark.never, c.dim]] as const) {
    if (n === 0) continue;
    const to = from + (2 * Math.PI * n) / mark.n;
    pen.beginPath();
    pen.arc(sx, sy, r - 2, from, to);
    pen.lineWidth = 4;
    pen.strokeStyle = colour;
    pen.stroke();
    from = to;
  }
  pen.fillStyle = c.text;
  pen.textAlign = 'center';
  pen.textBaseline = 'middle';
  pen.fillText(mark.n < 10_000 ? String(mark.n) : `${Math.round(mark.n / 1000)}k`, sx, sy + 1);
  pen.textAlign = 'start';
  pen.textBaseline = 'alphabetic';
}

function one(pen: Pen, { mark, sx, sy, r }: Drawn, c: Colours): void {
  const state = mark.spot?.state ?? 'never';
  pen.beginPath();
  if (state === 'offline') pen.rect(sx - r + 1, sy - r + 1, 2 * r - 2, 2 * r - 2); // not by its colour alone
  else pen.arc(sx, sy, r, 0, 2 * Math.PI);
  pen.fillStyle = state === 'online' ? c.ok : state === 'offline' ? c.bad : c.panel;
  pen.fill();
  pen.lineWidth = 2;
  pen.strokeStyle = state === 'never' ? c.dim : c.panel;
  pen.stroke();
}

function frame(pen: Pen, { view, size, north }: Scene, c: Colours): void {
  const bar = scaleBar(view, 140);
  const [x, y] = [14, size.height - 16];
  pen.strokeStyle = c.text;
  pen.lineWidth = 2;
  pen.beginPath();
  pen.moveTo(x, y - 5);
  pen.lineTo(x, y);
  pen.lineTo(x + bar.pixels, y);
  pen.lineTo(x + bar.pixels, y - 5);
  pen.stroke();
  const words = bar.metres >= 1000 ? `${bar.metres / 1000} km` : bar.metres >= 1 ? `${bar.metres} m` : `${Math.round(bar.metres * 100)} cm`;
  text(pen, words, x + 4, y - 8, c, c.text);
  const nx = size.width - 28;
  pen.beginPath();
  pen.moveTo(nx, 14);
  pen.lineTo(nx - 6, 32);
  pen.lineTo(nx, 27);
  pen.lineTo(nx + 6, 32);
  pen.closePath();
  pen.fillStyle = c.text;
  pen.fill();
  pen.textAlign = 'center';
  text(pen, north, nx, 48, c, c.text);
  pen.textAlign = 'start';
}

/** Gives what was drawn, the uppermost last, to find what the pointer is over. */
export function draw(canvas: HTMLCanvasElement, scene: Scene): Drawn[] {
  const pen = canvas.getContext('2d');
  const dense = window.devicePixelRatio || 1;
  const { width, height } = scene.size;
  if (!pen) return [];
  if (canvas.width !== Math.round(width * dense) || canvas.height !== Math.round(height * dense)) {
    canvas.width = Math.round(width * dense);
    canvas.height = Math.round(height * dense);
  }
  pen.setTransform(dense, 0, 0, dense, 0, 0);
  const c = colours(canvas);
  ground(pen, scene, c);
  pen.font = FONT;
  for (const label of scene.labels) {
    const [sx, sy] = toScreen(scene.view, scene.size, [label.x, label.y]);
    if (sx < -200 || sy < -20 || sx > width + 20 || sy > height + 20) continue;
    pen.fillStyle = c.accent;
    pen.fillRect(sx - 4, sy - 4, 8, 8);
    text(pen, label.name, sx + 9, sy + 4, c, c.accent);
  }
  const drawn: Drawn[] = [];
  for (const mark of scene.marks) {
    const [sx, sy] = toScreen(scene.view, scene.size, [mark.x, mark.y]);
    const r = mark.n > 1 ? radiusOf(mark.n) : mark === scene.over ? 9 : 6;
    if (sx < -40 || sy < -40 || sx > width + 40 || sy > height + 40) continue;
    const d = { mark, sx, sy, r };
    drawn.push(d);
    if (mark.n > 1) many(pen, d, c);
    else one(pen, d, c);
  }
  const named = drawn.filter((d) => d.mark.spot);
  if (named.length <= 60) for (const d of named) text(pen, d.mark.spot?.name || d.mark.spot?.id || '', d.sx + 9, d.sy + 4, c, c.text);
  frame(pen, scene, c);
  return drawn;
}

export function hit(drawn: readonly Drawn[], sx: number, sy: number): Drawn | null {
  for (let i = drawn.length - 1; i >= 0; i--) {
    const d = drawn[i];
    if (d && Math.hypot(d.sx - sx, d.sy - sy) <= d.r + 3) return d;
  }
  return null;
}
