// Long and live lines on uPlot. Mouse: drag marks a range to zoom into (or to select), wheel zooms,
// Shift and drag pans, double click goes home. Keyboard (when focused): arrows, plus, minus, Page
// keys, 0.
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import './marks.css';
import { useTheme, type Theme } from '../app/theme';
import { cell, unit as unitSign } from '../i18n/format';
import { axisPlan, type Axis } from './axes';
import { holdGaps, keyRange, withGaps, zoom, type Line, type Mark, type Range } from './lines';
import { chartColors, seriesColor } from './palette';

/** Where the plot lies in the chart, in pixels from its left. */
export interface PlotPlace {
  left: number;
  width: number;
}

export interface CursorAt {
  time: number;
  values: (number | null)[];
}

interface Props {
  label: string;
  lines: Line[];
  range: Range;
  home: Range;
  height: number;
  /** Colour of line i; default: its place. */
  colorIndex?: number[];
  stepped?: boolean;
  /** Lines that were moved to another axis, and the axes that are logarithmic. */
  moved?: Record<string, number>;
  log?: number[];
  /** Dragging selects instead of zooming; the selection stays as a band. */
  selecting?: boolean;
  selection?: Range | null;
  onSelect?: (range: Range) => void;
  /** The wheel zooms; false where it must scroll the page. */
  wheel?: boolean;
  /** Vertical lines with words. */
  marks?: Mark[];
  onRange?: (range: Range) => void;
  onCursor?: (at: CursorAt | null) => void;
  /** The plot came to lie elsewhere: what stands below may line up with its time axis. */
  onPlace?: (place: PlotPlace) => void;
}

const DAY_S = 86_400;
const NO_MARKS: Mark[] = [];
const MARK_PIXELS = 11; // width of .chart-mark
const pad = (n: number) => String(n).padStart(2, '0');

function timeWords(_: uPlot, splits: number[], __: number, ___: number, step: number): string[] {
  return splits.map((s) => {
    const d = new Date(s * 1000);
    const date = `${pad(d.getMonth() + 1)}-${pad(d.getDate())}`;
    const midnight = d.getHours() + d.getMinutes() + d.getSeconds() === 0;
    if (step >= DAY_S || midnight) return date;
    const clock = `${pad(d.getHours())}:${pad(d.getMinutes())}`;
    return step < 60 ? `${clock}:${pad(d.getSeconds())}` : clock;
  });
}

/** An axis of a single line has its colour. */
function axesFor(axes: Axis[], colors: (string | null)[], theme: Theme): uPlot.Axis[] {
  const { text, grid, line } = chartColors(theme);
  const font = '11px "Segoe UI", "Microsoft YaHei", "WenQuanYi Zen Hei", sans-serif';
  const base = { stroke: text, font, ticks: { stroke: line, width: 1, size: 4 } };
  const time: uPlot.Axis = { ...base, grid: { stroke: grid, width: 1 }, values: timeWords, size: 28 };
  const rest = axes.map(
    (axis, i): uPlot.Axis => ({
      ...base,
      scale: scaleOf(axis.number),
      side: axis.number % 2 === 1 ? 3 : 1,
      stroke: colors[i] ?? text,
      label: axis.units.map(unitSign).filter(Boolean).join(', ') || undefined,
      labelFont: font,
      labelSize: 14,
      labelGap: 0,
      gap: 3,
      size: 42,
      grid: i === 0 ? { stroke: grid, width: 1 } : { show: false },
      values: (_, splits) => splits.map((v) => (v === null ? '' : cell(v))),
    }),
  );
  return [time, ...rest];
}

const scaleOf = (number: number) => `y${number}`;

/** A logarithm has no place for zero and below. */
const positive = (line: Line): Line => ({
  ...line,
  value: line.value.map((v) => (v !== null && v > 0 ? v : null)),
});

function joined(lines: Line[]): uPlot.AlignedData {
  if (lines.length === 0) return [[]];
  const tables = lines.map(
    (line) => [line.time.map((ms) => ms / 1000), line.value] as uPlot.AlignedData,
  );
  if (tables.length === 1) return tables[0] as uPlot.AlignedData;
  const [time, ...columns] = uPlot.join(tables);
  return [time, ...columns.map((c) => holdGaps(c as (number | null | undefined)[]))] as uPlot.AlignedData;
}

const planOf = ({ lines, moved, log }: Props) => axisPlan(lines, moved ?? {}, log ?? []);

function dataOf(props: Props): uPlot.AlignedData {
  const { axes, of } = planOf(props);
  const logs = new Set(axes.filter((a) => a.log).map((a) => a.number));
  return joined(props.lines.map((line, i) => withGaps(logs.has(of[i] ?? 0) ? positive(line) : line)));
}

export function LineChart(props: Props) {
  const { lines, range, height, stepped = false } = props;
  const theme = useTheme();
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const now = useRef(props);
  now.current = props;
  const shape = JSON.stringify([
    theme, stepped, lines.map((l, i) => [l.key, l.unit, l.dashed, props.colorIndex?.[i] ?? i]), props.moved, props.log,
  ]);

  useEffect(() => {
    const el = box.current as HTMLDivElement;
    const drawn = now.current.lines;
    const plan = planOf(now.current);
    const colorOf = (i: number) => seriesColor(now.current.colorIndex?.[i] ?? i, theme);
    const colors = plan.axes.map((axis) => {
      const of = new Set(axis.lines.map(colorOf));
      return of.size === 1 ? ([...of][0] as string) : null;
    });
    const made = new uPlot(
      {
        width: el.clientWidth || 600,
        height: now.current.height,
        padding: [8, 8, 0, 0],
        legend: { show: false },
        cursor: {
          drag: { x: true, y: false, setScale: false },
          points: { size: 6 },
          bind: { dblclick: () => () => now.current.onRange?.(now.current.home) as unknown as null },
        },
        scales: {
          x: { time: true, range: () => [now.current.range.from / 1000, now.current.range.to / 1000] },
          ...Object.fromEntries(plan.axes.map((axis) => [scaleOf(axis.number), axis.log ? { distr: 3, log: 10 } : {}])),
        },
        axes: axesFor(plan.axes, colors, theme),
        series: [
          {},
          ...drawn.map((line, i) => ({
            label: line.label,
            scale: scaleOf(plan.of[i] ?? 1),
            stroke: colorOf(i),
            width: 1.4,
            dash: line.dashed ? [6, 4] : undefined,
            points: { show: line.time.length < 40 },
            paths: stepped ? uPlot.paths.stepped?.({ align: 1 }) : undefined,
          })),
        ],
        hooks: {
          draw: [
            (u) => placeMarks(u, now.current.marks ?? NO_MARKS),
            (u) => placeBand(u, now.current.selection ?? null),
            (u) => now.current.onPlace?.({ left: u.bbox.left / uPlot.pxRatio, width: u.bbox.width / uPlot.pxRatio }),
          ],
          setSelect: [
            (u) => {
              if (u.select.width < 4) return;
              const from = u.posToVal(u.select.left, 'x') * 1000;
              const to = u.posToVal(u.select.left + u.select.width, 'x') * 1000;
              u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
              const marked = { from: Math.round(from), to: Math.round(to) };
              if (now.current.selecting) now.current.onSelect?.(marked);
              else now.current.onRange?.(marked);
            },
          ],
          setCursor: [
            (u) => {
              const idx = u.cursor.idx;
              if (idx === null || idx === undefined || (u.cursor.left ?? -1) < 0) {
                now.current.onCursor?.(null);
                return;
              }
              const at = (u.data[0]?.[idx] ?? 0) * 1000;
              const values = u.data.slice(1).map((column) => valueAt(column, idx));
              now.current.onCursor?.({ time: at, values });
            },
          ],
        },
      },
      dataOf(now.current),
      el,
    );
    plot.current = made;
    const stop = bindMoves(made, () => now.current);
    const watcher = new ResizeObserver(() => {
      if (el.clientWidth > 0) made.setSize({ width: el.clientWidth, height: now.current.height });
    });
    watcher.observe(el);
    return () => {
      watcher.disconnect();
      stop();
      made.destroy();
      plot.current = null;
    };
  }, [shape]);

  useEffect(() => {
    plot.current?.setData(dataOf(now.current));
  }, [lines]);
  useEffect(() => {
    if (plot.current) placeMarks(plot.current, props.marks ?? NO_MARKS);
  }, [props.marks]);
  useEffect(() => {
    if (plot.current) placeBand(plot.current, props.selection ?? null);
  }, [props.selection?.from, props.selection?.to]);
  useEffect(() => {
    plot.current?.setScale('x', { min: range.from / 1000, max: range.to / 1000 });
  }, [range.from, range.to]);
  useEffect(() => {
    const el = box.current;
    if (plot.current && el) plot.current.setSize({ width: el.clientWidth || 600, height });
  }, [height]);

  return (
    <div
      ref={box}
      className="line-chart"
      style={{ height }}
      tabIndex={props.onRange ? 0 : undefined}
      role={props.onRange ? 'application' : 'img'}
      aria-label={props.label}
      data-from={range.from}
      data-to={range.to}
      data-lines={lines.length}
      data-axes={planOf(props).axes.length}
      onKeyDown={(event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const next = keyRange(event.key, range, props.home);
        if (!next) return;
        event.preventDefault();
        props.onRange?.(next);
      }}
    />
  );
}

/** The value under the cursor: of this instant, else the last one before it. */
function valueAt(column: ArrayLike<number | null | undefined>, idx: number): number | null {
  for (let i = idx; i >= 0 && i > idx - 200; i -= 1) {
    const v = column[i];
    if (v !== undefined) return v;
  }
  return null;
}

/** Marks lie over the plot as elements of their own, so that they can be pointed at and focused;
 * those too close to be told apart share one. */
function placeMarks(u: uPlot, marks: Mark[]) {
  for (const old of u.over.querySelectorAll('.chart-mark, .chart-time')) old.remove();
  const places: { left: number; words: string; tone?: string }[] = [];
  for (const mark of marks) {
    const left = u.valToPos(mark.time / 1000, 'x');
    if (mark.to !== undefined) placeTime(u, left, u.valToPos(mark.to / 1000, 'x'), mark.tone);
    const before = places[places.length - 1];
    if (left < 0 || left > u.over.clientWidth) continue;
    if (before && left - before.left < MARK_PIXELS) before.words += `\n${mark.words}`;
    else places.push({ left, words: mark.words, tone: mark.tone });
  }
  for (const { left, words: text, tone } of places) {
    const el = document.createElement('div');
    el.className = ['chart-mark', left > u.over.clientWidth / 2 ? 'at-left' : '', tone ? `note ${tone}` : ''].filter(Boolean).join(' ');
    el.style.left = `${left}px`;
    el.tabIndex = 0;
    el.setAttribute('role', 'img');
    el.setAttribute('aria-label', text);
    const words = document.createElement('span');
    words.textContent = text;
    el.append(words);
    u.over.append(el);
  }
}

/** What a mark over a time covers. */
function placeTime(u: uPlot, from: number, to: number, tone = '') {
  const left = Math.max(0, from);
  const right = Math.min(u.over.clientWidth, to);
  if (right <= left) return;
  const el = document.createElement('div');
  el.className = `chart-time ${tone}`;
  el.style.left = `${left}px`;
  el.style.width = `${right - left}px`;
  u.over.append(el);
}

/** The selection as a band over the plot. */
function placeBand(u: uPlot, selection: Range | null) {
  u.over.querySelector('.chart-band')?.remove();
  if (!selection) return;
  const left = Math.max(0, u.valToPos(selection.from / 1000, 'x'));
  const right = Math.min(u.over.clientWidth, u.valToPos(selection.to / 1000, 'x'));
  if (right <= left) return;
  const el = document.createElement('div');
  el.className = 'chart-band';
  el.style.left = `${left}px`;
  el.style.width = `${right - left}px`;
  u.over.append(el);
}

function bindMoves(u: uPlot, now: () => Props): () => void {
  const over = u.over;
  const onWheel = (event: WheelEvent) => {
    const { range, onRange, wheel = true } = now();
    if (!onRange || !wheel) return;
    event.preventDefault();
    const at = u.posToVal(event.clientX - over.getBoundingClientRect().left, 'x') * 1000;
    onRange(zoom(range, at, event.deltaY > 0 ? 1.25 : 0.8));
  };
  const onDown = (event: MouseEvent) => {
    const { onRange, range: start } = now();
    if (!onRange || !event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const msPerPixel = (start.to - start.from) / over.clientWidth;
    const move = (to: MouseEvent) => {
      const shift = Math.round((event.clientX - to.clientX) * msPerPixel);
      now().onRange?.({ from: start.from + shift, to: start.to + shift });
    };
    const up = () => {
      window.removeEventListener('mousemove', move);
      window.removeEventListener('mouseup', up);
    };
    window.addEventListener('mousemove', move);
    window.addEventListener('mouseup', up);
  };
  over.addEventListener('wheel', onWheel, { passive: false });
  over.parentElement?.addEventListener('mousedown', onDown, true);
  return () => {
    over.removeEventListener('wheel', onWheel);
    over.parentElement?.removeEventListener('mousedown', onDown, true);
  };
}
