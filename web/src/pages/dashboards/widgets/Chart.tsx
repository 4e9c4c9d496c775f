// Lines of one widget: history first, then the live stream at their end. A chart is drawn again when a
// pixel's worth of time has passed, at its own moment, and only while it is in view.
import { useEffect, useMemo, useRef, useState } from 'react';
import { asProblem, type Problem } from '../../../api/client';
import { LineChart } from '../../../charts/LineChart';
import { measured, type Line, type Range } from '../../../charts/lines';
import { seriesColor } from '../../../charts/palette';
import { useTheme } from '../../../app/theme';
import { Masked, useShown } from '../../../components/DataClass';
import { Loading } from '../../../components/Loading';
import { ProblemView } from '../../../components/ProblemView';
import { t } from '../../../i18n';
import { unit } from '../../../i18n/format';
import { noteMarks } from '../../history/notes';
import { lastMs } from '../../history/range';
import { useNotes } from '../../history/useNotes';
import type { Widget } from '../model';
import { Tail, type Series } from '../store';
import { Nothing, pointWords, useKeys, useNews, useStore, valueWords } from './parts';

export interface View {
  /** Follows the clock: the length in ms; null when the range stands still. */
  last: number | null;
  from: number;
  to: number;
  /** Another number: the stream was cut, the lines are read anew. */
  epoch: number;
  /** Notes are marked: the user may read them (a panel on a wall may not). */
  notes?: boolean;
  onRange?: (range: Range) => void;
}

const DAY_MS = 86_400_000;
const LEAST_MS = 1000;
const MOST_MS = 10_000;

/** How often a chart of this width is worth drawing. */
export function everyMs(last: number, pixels: number): number {
  return Math.min(MOST_MS, Math.max(LEAST_MS, Math.round(last / Math.max(100, pixels))));
}

function useBox() {
  const [el, box] = useState<HTMLDivElement | null>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  const shown = useRef(false);
  useEffect(() => {
    if (!el) return undefined;
    const watcher = new ResizeObserver(() => setSize({ width: el.clientWidth, height: el.clientHeight }));
    const sight = new IntersectionObserver(([entry]) => {
      shown.current = entry?.isIntersecting ?? false;
    });
    watcher.observe(el);
    sight.observe(el);
    return () => {
      watcher.disconnect();
      sight.disconnect();
    };
  }, [el]);
  return { box, size, shown };
}

interface Drawn {
  lines: Series[];
  range: Range;
}

function useLines(points: string[], view: View, own: number | null, pixels: number, shown: React.RefObject<boolean>) {
  const store = useStore();
  const last = view.last === null ? null : (own ?? view.last);
  const [drawn, setDrawn] = useState<Drawn | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const from = last === null ? view.from : 0;
  const to = last === null ? view.to : 0;
  const key = points.filter((p) => store.info.has(p)).join('\n');

  useEffect(() => {
    if (pixels === 0) return undefined;
    const known = key ? key.split('\n') : [];
    const end = Date.now();
    const range = last === null ? { from, to } : { from: end - last, to: end };
    const step = (range.to - range.from) / pixels;
    const tails = new Map(known.map((p) => [p, new Tail(step)]));
    const early = new Map(known.map((p) => [p, { time: [], value: [] } as Series]));
    let ready = false;
    let gone = false;
    const draw = () => {
      const now = Date.now();
      const at = last === null ? range : { from: now - last, to: now };
      tails.forEach((tail) => tail.cut(at.from));
      const lines = points.map((p) => {
        const tail = tails.get(p);
        return tail ? { time: [...tail.time], value: [...tail.value] } : { time: [], value: [] };
      });
      setDrawn({ lines, range: at });
    };
    const stops = known.map((point) =>
      store.follow(point, (samples) => {
        if (last === null) return;
        for (const [time, value, quality] of samples) {
          if (ready) tails.get(point)?.add(time, measured(value, quality));
          else {
            early.get(point)?.time.push(time);
            early.get(point)?.value.push(measured(value, quality));
          }
        }
      }),
    );
    // Whole seconds and hundreds of pixels: charts alike ask together.
    const grid = 100 * Math.max(3, Math.ceil(pixels / 100));
    const ask = { from: Math.floor(range.from / 1000) * 1000, to: Math.ceil(range.to / 1000) * 1000 + (last === null ? 0 : 1000) };
    Promise.all(known.map((p) => store.line(p, ask.from, ask.to, grid))).then(
      (series) => {
        if (gone) return;
        known.forEach((p, i) => tails.get(p)?.begin(series[i] as Series, early.get(p) as Series));
        ready = true;
        setProblem(null);
        draw();
      },
      (error: unknown) => {
        if (!gone) setProblem(asProblem(error));
      },
    );
    const every = last === null ? 0 : everyMs(last, pixels);
    let ticker: ReturnType<typeof setInterval> | undefined;
    const first = setTimeout(() => {
      if (every > 0) ticker = setInterval(() => ready && shown.current && draw(), every);
    }, Math.random() * every);
    return () => {
      gone = true;
      clearTimeout(first);
      clearInterval(ticker);
      stops.forEach((stop) => stop());
    };
  }, [store, key, last, from, to, pixels, view.epoch]);
  return { drawn, problem };
}

/** Notes on the lines, marked; asked for when the lines are read, not with each sample. */
function useMarks(points: string[], view: View, own: number | null, range: Range | undefined) {
  const store = useStore();
  const known = points.filter((p) => store.info.has(p));
  const last = view.last === null ? null : (own ?? view.last);
  const asked = useMemo(() => {
    const now = Date.now();
    return last === null ? { from: view.from, to: view.to } : { from: now - last, to: now + DAY_MS };
  }, [last, view.from, view.to, view.epoch]);
  const notes = useNotes(known, asked, view.notes === true);
  return useMemo(() => (range ? noteMarks(notes.rows, range) : []), [notes.rows, range]);
}

function Newest({ point }: { point: string }) {
  const store = useStore();
  const info = store.info.get(point);
  useShown(info, info?.masked);
  if (!info) return t('board.noPoint');
  if (info.masked) return <Masked of={info} />;
  return (
    <>
      {valueWords(store, point, store.value(point))}
      <small>{unit(info.unit)}</small>
    </>
  );
}

function Legend({ points, many }: { points: string[]; many: boolean }) {
  const store = useNews(points);
  const theme = useTheme();
  return (
    <ul className="widget-legend">
      {points.map((point, i) => (
        <li key={point} title={point}>
          <svg className="swatch" viewBox="0 0 10 3" aria-hidden="true">
            <rect width="10" height="3" fill={seriesColor(i, theme)} />
          </svg>
          <span>{pointWords(store, point, many)}</span>
          <b>
            <Newest point={point} />
          </b>
        </li>
      ))}
    </ul>
  );
}

export function Chart({ widget, view }: { widget: Widget; view: View }) {
  const points = useKeys(widget.points ?? []);
  const { box, size, shown } = useBox();
  const pixels = Math.max(0, Math.round(size.width / 50) * 50);
  const { drawn, problem } = useLines(points, view, lastMs(widget.range ?? null), pixels, shown);
  const store = useNews(points.length === 0 ? [] : []);
  const many = new Set(points.map((p) => p.slice(0, p.lastIndexOf('/')))).size > 1;
  const lines: Line[] = useMemo(
    () =>
      points.map((point, i) => ({
        key: point,
        label: point,
        unit: store.info.get(point)?.unit ?? '',
        time: drawn?.lines[i]?.time ?? [],
        value: drawn?.lines[i]?.value ?? [],
      })),
    [points, drawn, store],
  );
  const marks = useMarks(points, view, lastMs(widget.range ?? null), drawn?.range);
  if (points.length === 0) return <Nothing />;
  const label = `${widget.title || t('kind.chart')}: ${points.map((p) => pointWords(store, p, many)).join(', ')}`;
  const newest = Math.max(0, ...lines.map((l) => l.time[l.time.length - 1] ?? 0));
  return (
    <div className="widget-chart" data-samples={lines.reduce((n, l) => n + l.time.length, 0)} data-newest={newest}>
      <Legend points={points} many={many} />
      <div ref={box} className="widget-plot">
        {problem ? <ProblemView problem={problem} /> : null}
        {!drawn && !problem ? <Loading rows={2} /> : null}
        {drawn && size.height > 20 ? (
          <LineChart
            label={label}
            lines={lines}
            marks={marks}
            range={drawn.range}
            home={drawn.range}
            height={size.height}
            stepped={widget.stepped}
            wheel={false}
            onRange={view.onRange}
          />
        ) : null}
      </div>
    </div>
  );
}
