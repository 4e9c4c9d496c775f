import { Button, Input } from 'antd';
import { useMemo, useState } from 'react';
import { useList } from '../../api/useList';
import { joinPoint } from '../../api/points';
import type { Point } from '../../api/types';
import { EmptyState } from '../../components/EmptyState';
import { Loading } from '../../components/Loading';
import { ProblemView } from '../../components/ProblemView';
import { useDelayed } from '../../components/useDelayed';
import { t } from '../../i18n';
import { unit } from '../../i18n/format';

interface Props {
  chosen: string[];
  onChange: (points: string[]) => void;
  /** Only the points of this device. */
  device?: string;
  max?: number;
}

export const MAX_POINTS = 12;

function grouped(points: Point[]): [string, Point[]][] {
  const groups = new Map<string, Point[]>();
  for (const point of points) {
    groups.set(point.device, [...(groups.get(point.device) ?? []), point]);
  }
  return [...groups];
}

export function PointPicker({ chosen, onChange, device, max = MAX_POINTS }: Props) {
  const [search, setSearch] = useState('');
  const q = useDelayed(search.trim(), 200);
  const list = useList<Point>('points', { q, device, limit: 200 });
  const groups = useMemo(() => grouped(list.items), [list.items]);
  const full = chosen.length >= max;

  const row = (point: Point) => {
    const name = joinPoint(point.device, point.property);
    const on = chosen.includes(name);
    return (
      <label key={name} className="pick-row" title={name}>
        <input
          type="checkbox"
          checked={on}
          disabled={!on && full}
          onChange={() => onChange(on ? chosen.filter((c) => c !== name) : [...chosen, name])}
        />
        <span className="grow">{point.property}</span>
        {point.tag ? <span className="tag">{point.tag}</span> : null}
        <span className="dim">{unit(point.unit)}</span>
      </label>
    );
  };
  return (
    <div className="picker">
      <Input
        allowClear
        value={search}
        aria-label={t('history.searchPoints')}
        placeholder={t('history.searchPoints')}
        onChange={(e) => setSearch(e.target.value)}
      />
      {full ? <p className="dim">{t('history.fullPick', { n: max })}</p> : null}
      <ProblemView problem={list.problem} retry={list.reload} />
      <div className="pick-list" tabIndex={0} role="group" aria-label={t('history.points')}>
        {groups.map(([of, points]) => (
          <fieldset key={of}>
            <legend>{of}</legend>
            {points.map(row)}
          </fieldset>
        ))}
        {list.loading && list.items.length === 0 ? <Loading rows={6} /> : null}
        {!list.loading && list.items.length === 0 && !list.problem ? (
          <EmptyState
            title={t('history.noPoints')}
            hint={q ? t('history.noPointsFound') : t('history.noPointsYet')}
          />
        ) : null}
        {list.more ? (
          <Button size="small" block onClick={list.loadMore} loading={list.loading}>
            {t('action.more')}
          </Button>
        ) : null}
      </div>
    </div>
  );
}
