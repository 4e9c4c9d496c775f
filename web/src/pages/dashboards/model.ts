// A dashboard as it is kept at the server (docs/api.md): data only.
import { joinPoint } from '../../api/points';
import type { Cell, Classed, DeviceState, Words } from '../../api/types';
import { placed, type Box } from './layout';

export const kinds = ['chart', 'value', 'gauge', 'table', 'devices', 'text'] as const;
export type Kind = (typeof kinds)[number];
export type Level = 'good' | 'warning' | 'bad';

export interface Threshold {
  at: number;
  level: Level;
}
export interface Widget extends Box {
  kind: Kind;
  title?: string;
  points?: string[];
  devices?: string[];
  properties?: string[];
  range?: string;
  stepped?: boolean;
  decimals?: number;
  /** Seconds after which a value is old. */
  stale?: number;
  thresholds?: Threshold[];
  min?: number;
  max?: number;
  dial?: 'arc' | 'bar';
  text?: string;
}
export interface Doc {
  name: string;
  description?: string;
  shared?: boolean;
  range?: string;
  widgets: Widget[];
}
export interface Head {
  id: string;
  name: string;
  description: string;
  shared: boolean;
  mine: boolean;
  owner: string;
  updated: string;
  author: string;
  revision: number;
}
export type Row = Head & { widgets: number };
export type Dashboard = Head & { range: string; hidden: number; widgets: Widget[] };

export interface PointInfo extends Classed {
  /** Above one's clearance: there is no value. */
  masked?: boolean;
  device: string;
  property: string;
  type: string;
  unit: string;
  tag?: string;
  name?: Words;
  range?: { min?: number | null; max?: number | null };
  enum?: Record<string, Words>;
  time?: number;
  value?: Cell;
  quality?: number;
}
export interface DeviceInfo {
  name?: string;
  state: DeviceState;
  since?: string;
}
export interface Data {
  points: Record<string, PointInfo>;
  devices: Record<string, DeviceInfo>;
}

export const MAX_WIDGETS = 200;
export const STALE_S = 300;
export const maxPoints: Record<Kind, number> = { chart: 12, value: 1, gauge: 1, table: 100, devices: 0, text: 0 };

const sizes: Record<Kind, [w: number, h: number]> = {
  chart: [6, 6], value: [3, 3], gauge: [3, 4], table: [4, 6], devices: [4, 5], text: [4, 3],
};

export function docOf(d: Dashboard): Doc {
  const { name, description, shared, range, widgets } = d;
  return { name, description, shared, range, widgets };
}

/** Short and free: w1, w2 ... */
export function freeId(widgets: Widget[]): string {
  const used = new Set(widgets.map((w) => w.id));
  for (let n = widgets.length + 1; ; n += 1) if (!used.has(`w${n}`)) return `w${n}`;
}

export function added(doc: Doc, kind: Kind): { doc: Doc; id: string } {
  const [w, h] = sizes[kind];
  const id = freeId(doc.widgets);
  const base: Widget = { id, kind, x: 0, y: 0, w, h };
  const widget = placed(doc.widgets, kind === 'devices' ? { ...base, devices: [] } : kind === 'text' ? { ...base, text: '' } : { ...base, points: [] });
  return { doc: { ...doc, widgets: [...doc.widgets, widget] }, id };
}

export function twin(doc: Doc, id: string): { doc: Doc; id: string } {
  const old = doc.widgets.find((w) => w.id === id);
  if (!old) return { doc, id };
  const made = placed(doc.widgets, { ...old, id: freeId(doc.widgets) });
  return { doc: { ...doc, widgets: [...doc.widgets, made] }, id: made.id };
}

export function pointsOf(widget: Widget): string[] {
  const grid = widget.kind === 'table' ? (widget.devices ?? []).flatMap((d) => (widget.properties ?? []).map((p) => joinPoint(d, p))) : [];
  return [...(widget.points ?? []), ...grid];
}
export function allPoints(widgets: Widget[]): string[] {
  return [...new Set(widgets.flatMap(pointsOf))].sort();
}
export function allDevices(widgets: Widget[]): string[] {
  return [...new Set(widgets.flatMap((w) => w.devices ?? []))].sort();
}

/** The level of a value: that of the highest threshold it reaches. */
export function levelOf(value: number | null, thresholds: Threshold[] | undefined): Level | null {
  if (value === null) return null;
  let found: Threshold | null = null;
  for (const t of thresholds ?? []) if (value >= t.at && (!found || t.at >= found.at)) found = t;
  return found?.level ?? null;
}

/** What a file holds, or null when it is no dashboard. The server checks the rest and names the place. */
export function docFrom(text: string): Doc | null {
  try {
    const raw = JSON.parse(text) as Partial<Doc>;
    if (!raw || typeof raw !== 'object' || !Array.isArray(raw.widgets) || typeof raw.name !== 'string') return null;
    const { name, description, range, widgets } = raw;
    return { name, widgets, ...(description ? { description } : {}), ...(range ? { range } : {}), shared: false };
  } catch {
    return null;
  }
}
export function fileOf(doc: Doc): string {
  const { name, description, range, widgets } = doc;
  return `${JSON.stringify({ name, description, range, widgets }, null, 2)}\n`;
}
