import { useMemo } from 'react';
import { seg } from '../../api/client';
import { joinPoint } from '../../api/points';
import type { Classed, DeviceLatest, Latest, Page, Point, Property } from '../../api/types';
import { useLive } from '../../api/useLive';
import { useResource } from '../../api/useResource';
import type { SparkPoint } from '../../charts/Sparkline';
import { useTrends } from '../../components/useTrends';
import { pick } from '../../i18n';
import { toMs } from '../../i18n/format';

export interface PointRow {
  property: string;
  title: string;
  unit: string;
  tag: string;
  type: string;
  model?: Property;
  latest?: Latest;
  of: Classed;
  /** Above one's clearance: there is no value. */
  masked: boolean;
  trend: SparkPoint[];
}

const MAX_WATCHED = 200;
const NONE: SparkPoint[] = [];

function newer(a: Latest | undefined, b: Latest | undefined): Latest | undefined {
  if (!a || !b) return a ?? b;
  return (toMs(a.time) ?? 0) >= (toMs(b.time) ?? 0) ? a : b;
}

/** The points of a device with their newest value, kept new by the live stream. */
export function usePoints(device: string, model: Property[]) {
  const points = useResource<Page<Point>>('points', { device, limit: 500 });
  const first = useResource<DeviceLatest>(`devices/${seg(device)}/latest`);
  const names = useMemo(
    () => (points.data?.items ?? []).slice(0, MAX_WATCHED).map((p) => joinPoint(device, p.property)),
    [points.data, device],
  );
  const devices = useMemo(() => [device], [device]);
  const { values, trends } = useTrends(names, devices);

  const rows = useMemo(() => {
    const known = new Map((points.data?.items ?? []).map((p) => [p.property, p]));
    const seen = Object.keys(first.data?.points ?? {});
    const order = [...new Set([...model.map((p) => p.id), ...known.keys(), ...seen])];
    return order.map((property): PointRow => {
      const of = model.find((p) => p.id === property);
      const point = known.get(property);
      const name = joinPoint(device, property);
      const masked = point?.masked === true;
      const given = point?.name && point.name !== name ? point.name : property;
      return {
        property,
        title: pick(of?.name, given),
        unit: point?.unit ?? of?.unit ?? '',
        tag: point?.tag ?? '',
        type: point?.type ?? of?.type ?? '',
        model: of,
        latest: masked ? undefined : newer(values[name], first.data?.points[property]),
        of: { data_class: point?.data_class, data_level: point?.data_level },
        masked,
        trend: trends[name] ?? NONE,
      };
    });
  }, [device, points.data, first.data, values, trends, model]);
  const reload = () => {
    points.reload();
    first.reload();
  };
  useLive({
    devices,
    onMasked: (names) => {
      const hidden = new Set(names);
      if (rows.some((r) => r.masked !== hidden.has(joinPoint(device, r.property)))) reload();
    },
  });
  return { rows, loading: points.loading || first.loading, problem: points.problem ?? first.problem, reload };
}
