// Chart, legend and statistics of some points over a range: the explorer and the device page share it.
import { CloseOutlined } from '@ant-design/icons';
import { Button } from 'antd';
import { useEffect, useMemo, useRef, useState } from 'react';
import { useTheme } from '../../app/theme';
import { LineChart, type CursorAt } from '../../charts/LineChart';
import type { Line, Range } from '../../charts/lines';
import { seriesColor } from '../../charts/palette';
import { EmptyState } from '../../components/EmptyState';
import { ProblemView } from '../../components/ProblemView';
import { t } from '../../i18n';
import { cell, count, moment, unit } from '../../i18n/format';
import { useHistory, type History, type Mode } from './useHistory';

interface Props {
  points: string[];
  range: Range;
  home: Range;
  mode: Mode;
  step: string | null;
  onRange: (range: Range) => void;
  onRemove?: (point: string) => void;
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

function Legend(props: { history: History; points: string[]; at: CursorAt | null; onRemove?: (p: string) => void }) {
  const { history, points, at, onRemove } = props;
  const theme = useTheme();
  const valueOf = (point: string) => {
    const index = history.lines.findIndex((l) => l.key === point);
    return at && index >= 0 ? cell(at.values[index]) : '';
  };
  return (
    <div className="table-box" tabIndex={0} role="region" aria-label={t('history.statistics')}>
      <table className="legend">
        <thead>
          <tr>
            <th scope="col">{t('history.point')}</th>
            <th scope="col" className="right legend-cursor">
              {at ? moment(at.time) : t('history.atCursor')}
            </th>
            <th scope="col" className="right">{t('stat.last')}</th>
            <th scope="col" className="right">{t('stat.min')}</th>
            <th scope="col" className="right">{t('stat.mean')}</th>
            <th scope="col" className="right">{t('stat.max')}</th>
            <th scope="col" className="right">{t('stat.stddev')}</th>
            <th scope="col" className="right">{t('stat.count')}</th>
            {onRemove ? <th scope="col" aria-label={t('action.remove')} /> : null}
          </tr>
        </thead>
        <tbody>
          {points.map((point, i) => {
            const stats = history.stats[point];
            return (
              <tr key={point}>
                <th scope="row">
                  <span className="swatch" style={{ background: seriesColor(i, theme) }} />
                  {point} <span className="dim">{unit(history.units[point])}</span>
                </th>
                <td className="right strong">{valueOf(point)}</td>
                <td className="right">{cell(stats?.last)}</td>
                <td className="right">{cell(stats?.min)}</td>
                <td className="right">{cell(stats?.mean, 5)}</td>
                <td className="right">{cell(stats?.max)}</td>
                <td className="right">{cell(stats?.stddev, 4)}</td>
                <td className="right">{count(stats?.count)}</td>
                {onRemove ? (
                  <td className="right">
                    <Button
                      size="small"
                      type="text"
                      icon={<CloseOutlined />}
                      aria-label={t('history.removePoint', { point })}
                      onClick={() => onRemove(point)}
                    />
                  </td>
                ) : null}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
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

export function HistoryChart(props: Props) {
  const { points, range, mode } = props;
  const { box, size } = useWidth();
  const [at, setAt] = useState<CursorAt | null>(null);
  const history = useHistory({ points, range, mode, step: props.step, pixels: size.width });
  // Kept the same between renders: new lines make the chart draw anew, which moves its cursor.
  const key = points.join('\n');
  const lines = useMemo(() => ordered(history.lines, key.split('\n')), [history.lines, key]);
  const empty = !history.loading && history.tookMs !== null && lines.every((l) => l.time.length === 0);
  return (
    <div className="history-chart">
      <ProblemView problem={history.problem} />
      <div ref={box} className="chart-box" data-loading={history.loading} data-took={history.tookMs ?? ''}>
        {points.length === 0 ? (
          <EmptyState title={t('history.pick')} hint={t('history.pickHint')} />
        ) : (
          <LineChart
            label={t('history.chartLabel', { points: points.join(', ') })}
            lines={lines}
            colorIndex={lines.map((l) => points.indexOf(l.key))}
            marks={history.marks}
            range={range}
            home={props.home}
            height={size.height}
            onRange={props.onRange}
            onCursor={setAt}
          />
        )}
        {points.length > 0 && empty && !history.problem ? (
          <div className="chart-empty">{t('history.nothing')}</div>
        ) : null}
      </div>
      {points.length > 0 ? (
        <>
          <div className="chart-note dim">
            <span role="status" data-testid="history-status">{summary(history)}</span>
            <span>{t('history.keys')}</span>
          </div>
          <Legend history={{ ...history, lines }} points={points} at={at} onRemove={props.onRemove} />
        </>
      ) : null}
    </div>
  );
}
