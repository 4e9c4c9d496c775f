import { useState } from 'react';
import { joinPoint, pointsText } from '../../api/points';
import { t } from '../../i18n';
import { HistoryChart } from '../history/HistoryChart';
import { MAX_POINTS } from '../history/PointPicker';
import { RangeBar } from '../history/RangeBar';
import { useRange } from '../history/useRange';
import type { PointRow } from './usePoints';

export function DeviceHistory({ device, rows }: { device: string; rows: PointRow[] }) {
  const numeric = rows.filter((r) => r.type !== 'text' && r.type !== 'blob');
  const [chosen, setChosen] = useState<string[] | null>(null);
  const properties = chosen ?? numeric.slice(0, 3).map((r) => r.property);
  const { choice, home, setRange, setLast } = useRange('1h');
  const points = properties.map((p) => joinPoint(device, p));
  const toggle = (property: string) =>
    setChosen(
      properties.includes(property)
        ? properties.filter((p) => p !== property)
        : [...properties, property].slice(-MAX_POINTS),
    );
  return (
    <div className="device-history">
      <div className="toolbar">
        <RangeBar choice={choice} onRange={setRange} onLast={setLast} />
        <a href={`/history?points=${encodeURIComponent(pointsText(points))}&last=24h`}>{t('device.inExplorer')}</a>
      </div>
      <div className="toolbar" role="group" aria-label={t('history.points')}>
        {numeric.map((row) => (
          <label key={row.property} className="chip">
            <input
              type="checkbox"
              checked={properties.includes(row.property)}
              onChange={() => toggle(row.property)}
            />
            {row.title}
          </label>
        ))}
      </div>
      <HistoryChart points={points} range={choice.range} home={home} mode="auto" step={null} onRange={setRange} />
    </div>
  );
}
