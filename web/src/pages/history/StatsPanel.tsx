// Statistics of the selection, or of what is visible when nothing is selected.
import { Button } from 'antd';
import { Fragment } from 'react';
import { useTheme } from '../../app/theme';
import type { Range } from '../../charts/lines';
import { seriesColor } from '../../charts/palette';
import { ProblemView } from '../../components/ProblemView';
import { t, type WordKey } from '../../i18n';
import { cell, count, unit } from '../../i18n/format';
import { fromInput, toInput } from './range';
import { shiftMs } from './period';
import type { Look } from './useLook';
import { useStats, type PointStats } from './useStats';

interface Props {
  points: string[];
  types: Record<string, string>;
  range: Range;
  look: Look;
  /** Of the samples: another number reads them anew. */
  version: number;
  onRange: (range: Range) => void;
}

const num = (v: unknown): number | null => (typeof v === 'number' ? v : null);
const changeOf = ({ of }: PointStats) => (typeof of.first === 'number' && typeof of.last === 'number' ? of.last - of.first : null);

/** Word, how it is written, its number. */
const columns: [WordKey, (s: PointStats) => string, (s: PointStats) => number | null][] = [
  ['stat.count', (s) => count(Number(s.of.count ?? 0)), (s) => num(s.of.count)],
  ['stat.min', (s) => cell(s.of.min), (s) => num(s.of.min)],
  ['stat.max', (s) => cell(s.of.max), (s) => num(s.of.max)],
  ['stat.mean', (s) => cell(s.of.mean, 5), (s) => num(s.of.mean)],
  ['stat.twa', (s) => cell(s.of.twa, 5), (s) => num(s.of.twa)],
  ['stat.stddev', (s) => cell(s.of.stddev, 4), (s) => num(s.of.stddev)],
  ['stat.p5', (s) => cell(s.of.p5, 5), (s) => num(s.of.p5)],
  ['stat.p50', (s) => cell(s.of.p50, 5), (s) => num(s.of.p50)],
  ['stat.p95', (s) => cell(s.of.p95, 5), (s) => num(s.of.p95)],
  ['stat.first', (s) => cell(s.of.first), (s) => num(s.of.first)],
  ['stat.last', (s) => cell(s.of.last), (s) => num(s.of.last)],
  ['stat.change', (s) => (changeOf(s) === null ? '–' : cell(changeOf(s), 6)), changeOf],
  ['stat.integral', (s) => (s.integral ? `${cell(s.integral.value, 6)} ${unit(s.integral.unit)}` : '–'), (s) => s.integral?.value ?? null],
];

/** From and to of the selection, for who has no mouse. */
export function SelectionBar({ range, look, onRange }: Omit<Props, 'points' | 'types' | 'version'>) {
  const chosen = look.selection ?? range;
  const field = (word: WordKey, end: 'from' | 'to') => (
    <input
      type="datetime-local"
      step={1}
      aria-label={t(word)}
      value={toInput(chosen[end])}
      onChange={(e) => {
        const at = fromInput(e.target.value);
        const next = { ...chosen, [end]: at ?? 0 };
        if (at !== null && next.to > next.from) look.select(next);
      }}
    />
  );
  return (
    <div className="selection-bar">
      <span>{t(look.selection ? 'history.selected' : 'history.selectedAll')}</span>
      {field('history.selFrom', 'from')}
      <span className="dim" aria-hidden="true">–</span>
      {field('history.selTo', 'to')}
      {look.selection ? (
        <>
          <Button size="small" onClick={() => onRange(chosen)}>{t('history.zoomToSel')}</Button>
          <Button size="small" onClick={() => look.select(null)}>{t('history.clearSel')}</Button>
        </>
      ) : (
        <span className="dim">{t('history.selHint')}</span>
      )}
    </div>
  );
}

const NO_POINTS: string[] = [];

/** The other period's figures, and how much the ones of this period are above them. */
function OtherRows({ now, then }: { now: PointStats; then: PointStats }) {
  return (
    <>
      <tr className="then">
        <th scope="row">{t('period.stats')}</th>
        {columns.map(([word, text]) => (
          <td key={word} className="right" data-then={word.slice(5)}>{text(then)}</td>
        ))}
      </tr>
      <tr className="then">
        <th scope="row">{t('period.statsDiff')}</th>
        {columns.map(([word, , number]) => {
          const [a, b] = [number(now), number(then)];
          return <td key={word} className="right" data-diff={word.slice(5)}>{a === null || b === null ? '' : cell(a - b, 5)}</td>;
        })}
      </tr>
    </>
  );
}

export function StatsPanel(props: Props) {
  const { points, types, look, range } = props;
  const theme = useTheme();
  const chosen = look.selection ?? range;
  const stats = useStats(points, types, chosen, props.version);
  const shift = look.vs ? shiftMs(look.vs, range.to) : 0;
  const past = useStats(shift ? points : NO_POINTS, types, { from: chosen.from - shift, to: chosen.to - shift }, props.version);
  return (
    <>
      <SelectionBar range={range} look={look} onRange={props.onRange} />
      <ProblemView problem={stats.problem ?? past.problem} />
      <div className="table-box" tabIndex={0} role="region" aria-label={t('panel.stats')} aria-busy={stats.loading}>
        <table className="legend stats">
          <thead>
            <tr>
              <th scope="col">{t('history.point')}</th>
              {columns.map(([word]) => (
                <th key={word} scope="col" className="right">{t(word)}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {stats.rows.map((s) => {
              const then = shift ? past.rows.find((p) => p.point === s.point) : undefined;
              return (
                <Fragment key={s.point}>
                  <tr>
                    <th scope="row">
                      <span className="swatch" style={{ background: seriesColor(points.indexOf(s.point), theme) }} />
                      {s.point} <span className="dim">{unit(s.unit)}</span>
                    </th>
                    {columns.map(([word, text]) => (
                      <td key={word} className="right" data-stat={word.slice(5)}>{text(s)}</td>
                    ))}
                  </tr>
                  {then ? <OtherRows now={s} then={then} /> : null}
                </Fragment>
              );
            })}
          </tbody>
        </table>
      </div>
    </>
  );
}
