// The plant at a glance: one line of each of the first devices that are online, moving.
import { useMemo } from 'react';
import { joinPoint, pointsText } from '../api/points';
import { readable } from '../api/quality';
import type { Cell, Device, Latest, Page, Point } from '../api/types';
import { useResource } from '../api/useResource';
import { Sparkline } from '../charts/Sparkline';
import { Panel } from '../components/Panel';
import { TREND_MS, useTrends } from '../components/useTrends';
import { t } from '../i18n';
import { cell, unit } from '../i18n/format';

const SHOWN = 8;
const NONE: Point[] = [];

/** At most `limit` numeric points of online devices, taken in turn from each kind of device. */
export function choosePoints(points: Point[], online: Device[], limit: number): Point[] {
  const kinds = new Map(online.map((d) => [d.id, d.thing || d.id]));
  const turns = new Map<string, Point[]>();
  for (const point of points) {
    const kind = kinds.get(point.device);
    if (kind === undefined || (point.type !== 'f64' && point.type !== 'i64')) continue;
    turns.set(kind, [...(turns.get(kind) ?? []), point]);
  }
  const chosen: Point[] = [];
  for (let turn = 0; chosen.length < limit; turn += 1) {
    const round = [...turns.values()].flatMap((list) => list.slice(turn, turn + 1));
    if (round.length === 0) break;
    chosen.push(...round);
  }
  return chosen.slice(0, limit);
}

function newestOf(live: Latest | undefined, last: number | null | undefined): Cell {
  if (!live) return last ?? null;
  return readable(live.quality) ? live.value : null;
}

export function LivePicture() {
  const devices = useResource<Page<Device>>('devices', { state: 'online', limit: 50 });
  const points = useResource<Page<Point>>('points', { limit: 500 });
  const chosen = useMemo(
    () =>
      devices.data && points.data
        ? choosePoints(points.data.items, devices.data.items, SHOWN)
        : NONE,
    [devices.data, points.data],
  );
  const names = useMemo(() => chosen.map((p) => joinPoint(p.device, p.property)), [chosen]);
  const { values, trends } = useTrends(names);
  if (chosen.length === 0) return null;
  const title = (device: string) => devices.data?.items.find((d) => d.id === device)?.name || device;
  return (
    <Panel title={t('overview.live')} className="live-panel" extra={<a href="/devices">{t('nav.devices')}</a>}>
      <div className="live-grid">
        {chosen.map((point, i) => {
          const name = names[i] as string;
          const trend = trends[name] ?? [];
          const last = trend[trend.length - 1]?.[1];
          return (
            <a
              key={name}
              className="live-card"
              href={`/history?points=${encodeURIComponent(pointsText([name]))}&last=1h`}
              title={name}
            >
              <span className="live-name">
                {title(point.device)} <span className="dim">{point.property}</span>
              </span>
              <span className="live-value">
                {cell(newestOf(values[name], last), 5)} <small>{unit(point.unit)}</small>
              </span>
              <Sparkline points={trend} height={34} windowMs={TREND_MS} label={t('point.trendOf', { point: name })} />
            </a>
          );
        })}
      </div>
    </Panel>
  );
}
