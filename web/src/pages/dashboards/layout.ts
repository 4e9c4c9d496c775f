// Where widgets stand: a grid of 12 columns, rows without end. Pure. A widget that is moved or made
// larger pushes what lies in its way down; then everything falls up as far as it can.

export const COLUMNS = 12;
export const MAX_HEIGHT = 40;

export interface Box {
  id: string;
  x: number;
  y: number;
  w: number;
  h: number;
}

export function overlap(a: Box, b: Box): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

const clamp = (n: number, least: number, most: number) => Math.min(Math.max(n, least), most);

/** Inside of the grid, in whole cells. */
export function fitted<T extends Box>(box: T): T {
  const w = clamp(Math.round(box.w), 1, COLUMNS);
  const h = clamp(Math.round(box.h), 1, MAX_HEIGHT);
  return { ...box, w, h, x: clamp(Math.round(box.x), 0, COLUMNS - w), y: Math.max(0, Math.round(box.y)) };
}

const byPlace = (a: Box, b: Box) => a.y - b.y || a.x - b.x;

/** Each as far up as those before it let it. */
export function compacted<T extends Box>(boxes: T[]): T[] {
  const placed: T[] = [];
  for (const box of [...boxes].sort(byPlace)) {
    let y = box.y;
    const free = (at: number) => placed.every((p) => !overlap({ ...box, y: at }, p));
    while (y > 0 && free(y - 1)) y -= 1;
    placed.push(y === box.y ? box : { ...box, y });
  }
  return inOrderOf(boxes, placed);
}

function inOrderOf<T extends Box>(order: T[], boxes: T[]): T[] {
  const of = new Map(boxes.map((b) => [b.id, b]));
  return order.map((b) => of.get(b.id) as T);
}

/** Moves or resizes one. */
export function arranged<T extends Box>(boxes: T[], id: string, change: Partial<Box>): T[] {
  const old = boxes.find((b) => b.id === id);
  if (!old) return boxes;
  const target = fitted({ ...old, ...change });
  const placed: T[] = [target];
  for (const box of boxes.filter((b) => b.id !== id).sort(byPlace)) {
    let { y } = box;
    for (;;) {
      const inWay = placed.filter((p) => overlap({ ...box, y }, p));
      if (inWay.length === 0) break;
      y = Math.max(...inWay.map((p) => p.y + p.h));
    }
    placed.push(y === box.y ? box : { ...box, y });
  }
  return compacted(inOrderOf(boxes, placed));
}

/** The first place, row by row, where it fits. */
export function placed<T extends Box>(boxes: T[], box: T): T {
  const bottom = Math.max(0, ...boxes.map((b) => b.y + b.h));
  for (let y = 0; y <= bottom; y += 1) {
    for (let x = 0; x + box.w <= COLUMNS; x += 1) {
      const there = { ...box, x, y };
      if (boxes.every((b) => !overlap(there, b))) return there;
    }
  }
  return { ...box, x: 0, y: bottom };
}

export function without<T extends Box>(boxes: T[], id: string): T[] {
  return compacted(boxes.filter((b) => b.id !== id));
}

/** From top to bottom: the order for a narrow screen and for the Tab key. */
export function readingOrder<T extends Box>(boxes: T[]): T[] {
  return [...boxes].sort(byPlace);
}
