// Chart and legend of some points over a range: the explorer, the device page and the comparison of
// devices share it. With a look (the explorer) lines can be moved, ranges selected, panels chosen.
import { Button } from 'antd';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { setQuery } from '../../app/router';
import { LineChart, type CursorAt, type PlotPlace } from '../../charts/LineChart';
import { oneOfEach, type Line, type Range } from '../../charts/lines';
import { EmptyState } from '../../components/EmptyState';
import { ProblemView } from '../../components/ProblemView';
import { t } from '../../i18n';
import { count } from '../../i18n/format';
import { calcKey, type Calc } from './calc';
import { editMarks } from './edits';
import { EditsPanel } from './EditsPanel';
import { Legend, LogAxes } from './Legend';
import { shiftMs } from './period';
import { noteMarks } from './notes';
import { NotesPanel } from './NotesPanel';
import { QualityBands } from './QualityBand';
import { QualityPanel } from './QualityPanel';
import { StatsPanel } from './StatsPanel';
import { useCalculated, type Calculated } from './useCalculated';
import { useHistory, type History, type Mode } from './useHistory';
import { useEdits } from './useEdits';
import { useNotes } from './useNotes';
import { useQuality } from './useQuality';
import type { Flaw } from './quality';
import { panels, type Look } from './useLook';

interface Props {
  points: string[];
  range: Range;
  home: Range;
  mode: Mode;
  step: string | null;
  onRange: (range: Range) => void;
  onRemove?: (point: string) => void;
  look?: Look;
  calcs?: Calc[];
  onCalc?: (calc: Calc) => void;
}

function useWidth() {
  const box = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState({ width: 800, height: 360 });
  useEffect(() => {
    const el = box.current;
    if (!el) return undefined;
    const watcher = new ResizeObserver(() => {
      const next = { width: el.clientWidth, height: Math.max(240, el.clientHeight) };
      setSize((old) => (old.width === next.width && old.height === next.height ? old : next));
    });
    watcher.observe(el);
    return () => watcher.disconnect();
  }, []);
  return { box, size };
}

function summary(history: History): string {
  const rows = history.lines.reduce((n, l) => n + l.time.length, 0);
  const parts = [t('history.drawn', { n: count(rows) })];
  if (history.step) parts.push(t('history.stepIs', { step: history.step }));
  if (history.tookMs !== null) parts.push(`${Math.round(history.tookMs)} ms`);
  if (history.cut) parts.push(t('history.cut'));
  return parts.join(' · ');
}

/** Lines in the order the points were chosen, so that colours stay with their point. */
function ordered(lines: Line[], points: string[]): Line[] {
  return points.flatMap((p) => lines.filter((l) => l.key === p));
}

/** Units and figures of the calculated series beside those of the points. */
function withCalculated(history: History, calculated: Calculated): History {
  const all = Object.entries(calculated);
  return {
    ...history,
    units: { ...history.units, ...Object.fromEntries(all.map(([key, c]) => [key, c.line?.unit ?? ''])) },
    classes: { ...history.classes, ...Object.fromEntries(all.flatMap(([key, c]) => (c.of ? [[key, c.of]] : []))) },
    masked: [...history.masked, ...all.flatMap(([key, c]) => (c.of?.masked ? [key] : []))],
    stats: { ...history.stats, ...Object.fromEntries(all.flatMap(([key, c]) => (c.stats ? [[key, c.stats]] : []))) },
  };
}

function PanelTabs({ look }: { look: Look }) {
  return (
    <div className="button-row" role="group" aria-label={t('panel.label')}>
      {panels.map((p) => (
        <Button
          key={p}
          size="small"
          type={look.panel === p ? 'primary' : 'default'}
          aria-pressed={look.panel === p}
          onClick={() => setQuery({ panel: p === 'lines' ? null : p })}
        >
          {t(`panel.${p}`)}
        </Button>
      ))}
    </div>
  );
}

/** The same points in the other period, brought over the range: dashed, on the axes of their own lines. */
function useOtherPeriod(props: Props, pixels: number, version: number) {
  const { points, range, look, mode, step } = props;
  const shift = look?.vs ? shiftMs(look.vs, range.to) : 0;
  const past = useHistory({
    points: shift ? points : [],
    range: { from: range.from - shift, to: range.to - shift },
    mode,
    step,
    pixels,
    version,
  });
  const key = points.join('\n');
  const lines = useMemo(
    () =>
      ordered(past.lines, key.split('\n')).map((l) => ({ ...l, key: otherKey(l.key), time: l.time.map((at) => at + shift), dashed: true })),
    [past.lines, key, shift],
  );
  const moved = useMemo(
    () => ({ ...look?.moved, ...Object.fromEntries(Object.entries(look?.moved ?? {}).map(([p, n]) => [otherKey(p), n])) }),
    [look?.moved],
  );
  return { lines: shift ? lines : NO_LINES, moved, problem: past.problem };
}
const NO_LINES: Line[] = [];
const NO_CALCS: Calc[] = [];
const otherKey = (point: string) => `${point}@`;

export function HistoryChart(props: Props) {
  const { points, range, mode, look, calcs = NO_CALCS } = props;
  const { box, size } = useWidth();
  const [at, setAt] = useState<CursorAt | null>(null);
  const edits = useEdits(points, look !== undefined);
  const { version } = edits;
  const notes = useNotes(points, range, true);
  const history = useHistory({ points, range, mode, step: props.step, pixels: size.width, version });
  const marks = useMemo(
    () => oneOfEach([...history.marks, ...editMarks(edits.rows, range), ...noteMarks(notes.rows, range)]),
    [history.marks, edits.rows, notes.rows, range.from, range.to],
  );
  // Kept the same between renders: new lines make the chart draw anew, which moves its cursor.
  const key = points.join('\n');
  const lines = useMemo(() => ordered(history.lines, key.split('\n')), [history.lines, key]);
  const calculated = useCalculated({ calcs, range, mode, step: props.step, pixels: size.width, version });
  const own = useMemo(() => [...lines, ...Object.values(calculated).flatMap((c) => c.line ?? [])], [lines, calculated]);
  const other = useOtherPeriod(props, size.width, version);
  const drawn = useMemo(() => [...own, ...other.lines], [own, other.lines]);
  const names = [...points, ...calcs.map(calcKey)];
  const quality = useQuality(points, range, look?.gap ?? null, look?.stuck ?? null, look?.panel === 'quality', version);
  const [hidden, setHidden] = useState<Flaw[]>([]);
  const [place, setPlace] = useState<PlotPlace>({ left: 0, width: 0 });
  const onPlace = useCallback(
    (next: PlotPlace) => setPlace((old) => (old.left === next.left && old.width === next.width ? old : next)),
    [],
  );
  const empty = !history.loading && history.tookMs !== null && own.every((l) => l.time.length === 0);
  return (
    <div className="history-chart">
      <ProblemView problem={history.problem ?? other.problem} />
      <div ref={box} className="chart-box" data-loading={history.loading} data-took={history.tookMs ?? ''}>
        {names.length === 0 ? (
          <EmptyState title={t('history.pick')} hint={t('history.pickHint')} />
        ) : (
          <LineChart
            label={t('history.chartLabel', { points: [...points, ...calcs.map((c) => c.name)].join(', ') })}
            lines={drawn}
            colorIndex={drawn.map((l) => names.indexOf(l.dashed ? l.key.slice(0, -1) : l.key))}
            marks={marks}
            range={range}
            home={props.home}
            height={size.height}
            onRange={props.onRange}
            onCursor={setAt}
            moved={look ? other.moved : undefined}
            log={look?.log}
            selecting={look?.selecting}
            selection={look?.selection}
            onSelect={look?.select}
            onPlace={look ? onPlace : undefined}
          />
        )}
        {names.length > 0 && empty && !history.problem ? (
          <div className="chart-empty">{t('history.nothing')}</div>
        ) : null}
      </div>
      {look?.panel === 'quality' && points.length > 0 ? (
        <QualityBands series={quality.series} hidden={hidden} range={range} place={place} onRange={props.onRange} />
      ) : null}
      {names.length > 0 ? (
        <>
          <div className="chart-note dim">
            <span role="status" data-testid="history-status">{summary(history)}</span>
            <span>{t('history.keys')}</span>
          </div>
          {look ? (
            <div className="chart-panels">
              <PanelTabs look={look} />
              <LogAxes history={{ ...history, lines: own }} look={look} />
            </div>
          ) : null}
          {look?.panel === 'stats' ? (
            <StatsPanel points={points} types={history.types} range={range} look={look} version={version} onRange={props.onRange} />
          ) : look?.panel === 'quality' ? (
            <QualityPanel quality={quality} gap={look.gap} stuck={look.stuck} hidden={hidden} onHidden={setHidden} onRange={props.onRange} />
          ) : look?.panel === 'notes' ? (
            <NotesPanel points={points} range={range} look={look} notes={notes} onRange={props.onRange} />
          ) : look?.panel === 'edits' ? (
            <EditsPanel points={points} types={history.types} range={range} look={look} edits={edits} onRange={props.onRange} />
          ) : (
            <Legend
              history={withCalculated({ ...history, lines: own }, calculated)}
              points={names}
              calcs={calcs}
              calculated={calculated}
              onCalc={props.onCalc}
              at={at}
              look={look}
              other={look?.vs ? drawn.map((l) => (l.dashed ? l.key.slice(0, -1) : null)) : undefined}
              onRemove={props.onRemove}
            />
          )}
        </>
      ) : null}
    </div>
  );
}
