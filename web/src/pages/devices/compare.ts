// The rows of the comparison of devices: attributes, labels, newest values; pure.
import { readable } from '../../api/quality';
import type { Device, DeviceLatest, Latest, Thing } from '../../api/types';
import { pick, t } from '../../i18n';
import { cell, moment, unit } from '../../i18n/format';

export const MOST = 6;

export interface Compared {
  id: string;
  device: Device | null; // null: it is not there, or not for this person
  latest: DeviceLatest | null;
  thing: Thing | null;
}

export interface CompareRow {
  key: string;
  title: string;
  values: string[];
  differs: boolean;
  /** A property that has numbers in two devices at least. */
  property?: string;
}

/** Ids of ?devices=, each encoded by itself since it may hold a comma. */
export function comparedIds(text: string | null): string[] {
  const ids = (text ?? '').split(',').filter(Boolean).map((id) => {
    try {
      return decodeURIComponent(id);
    } catch {
      return id;
    }
  });
  return [...new Set(ids)].slice(0, MOST);
}

export function comparePath(ids: Iterable<string>): string {
  return `/compare?devices=${encodeURIComponent([...ids].map(encodeURIComponent).join(','))}`;
}

function row(key: string, title: string, values: string[], there: boolean[]): CompareRow {
  const said = values.filter((_, i) => there[i]);
  return { key, title, values, differs: new Set(said).size > 1 };
}

function words(latest: Latest | undefined, of: Thing | null, property: string): string {
  if (latest?.masked) return t('data.masked');
  if (!latest || !readable(latest.quality)) return '';
  const model = of?.properties?.find((p) => p.id === property);
  const value = latest.value;
  const word = model?.enum?.[String(typeof value === 'boolean' ? Number(value) : value)];
  if (word) return pick(word, cell(value));
  return `${cell(value)} ${unit(model?.unit ?? '')}`.trim();
}

const text = (value: unknown) => (value === undefined || value === null ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value));

export function compareRows(all: Compared[]): CompareRow[] {
  const there = all.map((c) => c.device !== null);
  const of = (key: string, title: string, read: (d: Device) => string) =>
    row(key, title, all.map((c) => (c.device ? read(c.device) : '')), there);
  const keys = new Set(all.flatMap((c) => Object.keys(c.device?.labels ?? {})));
  const properties = new Set(all.flatMap((c) => [...(c.thing?.properties?.map((p) => p.id) ?? []), ...Object.keys(c.latest?.points ?? {})]));
  const rows = [
    of('name', t('device.name'), (d) => d.name ?? ''),
    of('state', t('device.state'), (d) => t(`device.${d.state}`)),
    of('last', t('device.lastData'), (d) => (d.last_time ? moment(d.last_time) : '')),
    of('thing', t('device.thing'), (d) => d.thing ?? ''),
    of('asset', t('device.asset'), (d) => d.asset ?? ''),
    of('location', t('device.location'), (d) => text(d.location)),
    of('description', t('device.description'), (d) => d.description ?? ''),
    ...[...keys].sort().map((key) => of(`label ${key}`, `${t('device.labels')} · ${key}`, (d) => d.labels?.[key] ?? '')),
  ];
  for (const property of properties) {
    const model = all.map((c) => c.thing?.properties?.find((p) => p.id === property)).find(Boolean);
    const values = all.map((c) => words(c.latest?.points[property], c.thing, property));
    const numbers = all.filter((c) => typeof c.latest?.points[property]?.value === 'number').length;
    rows.push({ ...row(`point ${property}`, pick(model?.name, property), values, there), property: numbers > 1 ? property : undefined });
  }
  return rows.filter((r) => r.values.some(Boolean));
}
