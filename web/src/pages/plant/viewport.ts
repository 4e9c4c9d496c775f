// What part of a picture is seen: screen = world * scale + offset. Pure; pan and zoom of the plan.
export interface View {
  scale: number;
  x: number;
  y: number;
}
export interface Size {
  width: number;
  height: number;
}

export const ZOOM_STEP = 1.25;
const MARGIN = 12;

/** All of `world` in the middle of `box`. */
export function fit(world: Size, box: Size): View {
  const scale = Math.max(0.001, Math.min((box.width - 2 * MARGIN) / world.width, (box.height - 2 * MARGIN) / world.height));
  return { scale, x: (box.width - world.width * scale) / 2, y: (box.height - world.height * scale) / 2 };
}

/** Zooms by `by`; what is below the screen point (x, y) stays there. Not beyond the bounds. */
export function zoomAt(view: View, by: number, x: number, y: number, bounds: [number, number]): View {
  const scale = Math.min(bounds[1], Math.max(bounds[0], view.scale * by));
  const k = scale / view.scale;
  return { scale, x: x - (x - view.x) * k, y: y - (y - view.y) * k };
}

/** Moved by (dx, dy), but some of the world stays in the box. */
export function panBy(view: View, dx: number, dy: number, world: Size, box: Size): View {
  const keep = 60;
  const clamp = (v: number, low: number, high: number) => Math.min(Math.max(v, low), high);
  return {
    scale: view.scale,
    x: clamp(view.x + dx, keep - world.width * view.scale, box.width - keep),
    y: clamp(view.y + dy, keep - world.height * view.scale, box.height - keep),
  };
}

/** Fractions of the world at a screen point, within it. */
export function fractionAt(view: View, world: Size, x: number, y: number): [number, number] {
  const part = (v: number) => Math.round(Math.min(1, Math.max(0, v)) * 1e6) / 1e6;
  return [part((x - view.x) / view.scale / world.width), part((y - view.y) / view.scale / world.height)];
}

/** Two fingers: from where they were to where they are. */
export function pinch(view: View, was: [number, number][], now: [number, number][], bounds: [number, number]): View {
  const [a0, b0] = was as [[number, number], [number, number]];
  const [a1, b1] = now as [[number, number], [number, number]];
  const span = (p: number[], q: number[]) => Math.hypot((p[0] ?? 0) - (q[0] ?? 0), (p[1] ?? 0) - (q[1] ?? 0)) || 1;
  const middle = (p: number[], q: number[]): [number, number] => [((p[0] ?? 0) + (q[0] ?? 0)) / 2, ((p[1] ?? 0) + (q[1] ?? 0)) / 2];
  const [mx0, my0] = middle(a0, b0);
  const [mx1, my1] = middle(a1, b1);
  const zoomed = zoomAt(view, span(a1, b1) / span(a0, b0), mx0, my0, bounds);
  return { ...zoomed, x: zoomed.x + mx1 - mx0, y: zoomed.y + my1 - my0 };
}
