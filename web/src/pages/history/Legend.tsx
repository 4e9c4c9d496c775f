// The lines of the chart as a table: value at the cursor, figures of the visible range, axis.
import { CloseOutlined } from '@ant-design/icons';
import { Button, Select } from 'antd';
import { useTheme } from '../../app/theme';
import type { CursorAt } from '../../charts/LineChart';
import type { Problem } from '../../api/client';
import { axisPlan, MAX_AXES } from '../../charts/axes';
import { seriesColor } from '../../charts/palette';
import { ClassMark, Masked } from '../../components/DataClass';
import { t } from '../../i18n';
import { cell, count, moment, unit } from '../../i18n/format';
import { calcKey, type Calc } from './calc';
import type { Calculated } from './useCalculated';
import type { History } from './useHistory';
import type { Look } from './useLook';

interface Props {
  history: History;
  points: string[];
  at: CursorAt | null;
  look?: Look;
  /** With another period: of each drawn line the point, where it is of that period. */
  other?: (string | null)[];
  onRemove?: (point: string) => void;
  /** Of the points, those that are calculated. */
  calcs?: Calc[];
  calculated?: Calculated;
  onCalc?: (calc: Calc) => void;
}

/** The head of a row: a point with its unit, or a calculated series that can be changed. */
function Head({ name, unitOf, calc, problem, onCalc }: {
  name: string; unitOf: string | undefined; calc: Calc | undefined; problem: Problem | null | undefined; onCalc?: (calc: Calc) => void;
}) {
  if (!calc) return <>{name} <span className="dim">{unit(unitOf)}</span></>;
  return (
    <>
      <button type="button" className="link" title={calc.expression} aria-label={t('calc.changeOf', { name: calc.name })} onClick={() => onCalc?.(calc)}>
        <i>ƒ</i> {calc.name}
      </button>{' '}
      <span className="dim">{unit(unitOf)}</span>
      {problem ? <span className="bad-text calc-problem">{(problem.detail ?? problem.title).replace(/^expressions\[0\]\.expression,? ?/, '')}</span> : null}
    </>
  );
}

export function axisWord(number: number): string {
  return t(number % 2 === 1 ? 'axis.left' : 'axis.right', { n: Math.ceil(number / 2) });
}

function AxisChoice({ point, name, number, look }: { point: string; name: string; number: number | undefined; look: Look }) {
  return (
    <Select<number>
      size="small"
      variant="borderless"
      value={look.moved[point] ?? 0}
      aria-label={t('axis.of', { point: name })}
      popupMatchSelectWidth={false}
      labelRender={() => (number === undefined ? t('history.stepAuto') : axisWord(number))}
      onChange={(next) => look.move(point, next || null)}
      options={[
        { value: 0, label: t('history.stepAuto') },
        ...Array.from({ length: MAX_AXES }, (_, i) => ({ value: i + 1, label: axisWord(i + 1) })),
      ]}
    />
  );
}

/** A press makes an axis logarithmic, another one linear again. */
export function LogAxes({ history, look }: { history: History; look: Look }) {
  const { axes } = axisPlan(history.lines, look.moved, look.log);
  return (
    <span className="button-row log-axes" role="group" aria-label={t('axis.log')}>
      <span>{t('axis.log')}</span>
      {axes.map((axis) => (
        <label key={axis.number} className="inline">
          <input type="checkbox" checked={axis.log} onChange={() => look.toggleLog(axis.number)} />
          {axisWord(axis.number)} {axis.units.map(unit).filter(Boolean).join(', ')}
        </label>
      ))}
    </span>
  );
}

export function Legend({ history, points, at, look, other, onRemove, calcs, calculated, onCalc }: Props) {
  const theme = useTheme();
  const plan = axisPlan(history.lines, look?.moved ?? {}, []);
  const indexOf = (point: string) => history.lines.findIndex((l) => l.key === point);
  const head = (word: string) => (
    <th scope="col" className="right">{word}</th>
  );
  const row = (point: string, i: number) => {
    const stats = history.stats[point];
    const masked = history.masked.includes(point);
    const index = indexOf(point);
    const now = at && index >= 0 ? (at.values[index] ?? null) : null;
    const calc = calcs?.find((c) => calcKey(c) === point);
    const then = at && other ? (at.values[other.indexOf(point)] ?? null) : null;
    return (
      <tr key={point}>
        <th scope="row">
          <span className="swatch" style={{ background: seriesColor(i, theme) }} />
          <Head name={point} unitOf={history.units[point]} calc={calc} problem={calculated?.[point]?.problem} onCalc={onCalc} />{' '}
          <ClassMark of={history.classes[point]} masked={masked} />
        </th>
        {look ? (
          <td>
            <AxisChoice point={point} name={calc?.name ?? point} number={plan.of[index]} look={look} />
          </td>
        ) : null}
        <td className="right strong" data-label={t('history.atCursor')}>{at && index >= 0 ? cell(now) : ''}</td>
        {other ? (
          <>
            <td className="right" data-then={point}>{at ? cell(then) : ''}</td>
            <td className="right" data-diff={point}>{now !== null && then !== null ? cell(now - then, 6) : ''}</td>
          </>
        ) : null}
        <td className="right" data-label={t('stat.last')}>{masked ? <Masked of={history.classes[point] ?? {}} /> : cell(stats?.last)}</td>
        <td className="right" data-label={t('stat.min')}>{cell(stats?.min)}</td>
        <td className="right" data-label={t('stat.mean')}>{cell(stats?.mean, 5)}</td>
        <td className="right" data-label={t('stat.max')}>{cell(stats?.max)}</td>
        {look ? null : <td className="right">{cell(stats?.stddev, 4)}</td>}
        <td className="right" data-label={t('stat.count')}>{count(stats?.count)}</td>
        {onRemove ? (
          <td className="right">
            <Button
              size="small"
              type="text"
              icon={<CloseOutlined />}
              aria-label={t('history.removePoint', { point: calc?.name ?? point })}
              onClick={() => onRemove(point)}
            />
          </td>
        ) : null}
      </tr>
    );
  };
  return (
    <div className="table-box" tabIndex={0} role="region" aria-label={t('history.statistics')}>
      <table className="legend">
        <thead>
          <tr>
            <th scope="col">{t('history.point')}</th>
            {look ? <th scope="col">{t('axis.axis')}</th> : null}
            <th scope="col" className="right legend-cursor">{at ? moment(at.time) : t('history.atCursor')}</th>
            {other ? head(t('period.then')) : null}
            {other ? head(t('period.diff')) : null}
            {head(t('stat.last'))}
            {head(t('stat.min'))}
            {head(t('stat.mean'))}
            {head(t('stat.max'))}
            {look ? null : head(t('stat.stddev'))}
            {head(t('stat.count'))}
            {onRemove ? <th scope="col" aria-label={t('action.remove')} /> : null}
          </tr>
        </thead>
        <tbody>{points.map(row)}</tbody>
      </table>
    </div>
  );
}
