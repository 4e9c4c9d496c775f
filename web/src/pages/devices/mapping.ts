// From the rows of a table to devices: which column is what, guessed by its header in Chinese or English, and what a row
// says wrongly before anybody is asked.
import type { Asset, Thing } from '../../api/types';
import { parseLabels } from './labels';

export type Target = 'id' | 'name' | 'thing' | 'asset' | 'labels' | 'description' | 'location' | 'lat' | 'lon' | 'period_ms' | 'archived' | '' | `label.${string}`;
export const TARGETS = ['id', 'name', 'thing', 'asset', 'labels', 'description', 'location', 'lat', 'lon', 'period_ms', 'archived'] as const;

const HEADERS: Record<(typeof TARGETS)[number], string[]> = {
  id: ['id', 'device', 'deviceid', 'devicecode', 'deviceno', 'code', '设备标识', '设备编号', '设备编码', '设备id', '设备号', '标识', '编号', '编码'], // 中文
  name: ['name', 'devicename', 'title', '名称', '设备名称', '设备名', '名字'], // 中文
  thing: ['thing', 'thingmodel', 'model', 'type', 'devicetype', 'product', '物模型', '设备类型', '类型', '型号', '产品'], // 中文
  asset: ['asset', 'area', 'site', '资产', '所属资产', '资产节点', '区域', '车间', '所属区域', '所属车间'], // 中文
  labels: ['labels', 'tags', '标签'], // 中文
  description: ['description', 'remark', 'remarks', 'note', 'notes', 'comment', '说明', '描述', '备注'], // 中文
  location: ['location', 'position', 'place', '位置', '安装位置', '地点', '安装地点'], // 中文
  lat: ['lat', 'latitude', '纬度', '北纬'], // 中文
  lon: ['lon', 'lng', 'long', 'longitude', '经度', '东经'], // 中文
  period_ms: ['periodms', 'period', 'interval', '采集周期', '上报周期', '周期', '采集周期ms', '周期ms'], // 中文
  archived: ['archived', '归档', '已归档'], // 中文
};

const bare = (header: string) => header.toLowerCase().replace(/[\s_\-()（）*:：/.]/g, '');

/** One target a column; each only once, the first header that says it wins. */
export function guessColumns(headers: string[]): Target[] {
  const taken = new Set<string>();
  return headers.map((header) => {
    const label = /^(?:labels?|tag|标签)[.:：](.+)$/i.exec(header.trim()); // 中文
    const found: Target = label
      ? `label.${(label[1] as string).trim()}`
      : (TARGETS.find((target) => HEADERS[target].includes(bare(header))) ?? '');
    if (!found || taken.has(found)) return '';
    taken.add(found);
    return found;
  });
}

export interface Row {
  /** As the file counts, from 1. */
  row: number;
  body: Record<string, unknown>;
}
export interface RowFault {
  row: number;
  column?: string;
  code: string;
  detail?: string;
}

/** Things and assets by id, and by a name that only one of them has. */
export interface Known {
  thing: Map<string, string>;
  asset: Map<string, string>;
}

export function knownOf(things: Thing[], assets: Asset[]): Known {
  const names = (list: { id: string; names: string[] }[]) => {
    const map = new Map<string, string>();
    const twice = new Set<string>();
    for (const { id, names: all } of list) {
      for (const name of new Set(all.filter(Boolean))) {
        if (map.has(name)) twice.add(name);
        else map.set(name, id);
      }
    }
    twice.forEach((name) => map.delete(name));
    list.forEach(({ id }) => map.set(id, id));
    return map;
  };
  return {
    thing: names(things.map((x) => ({ id: x.id, names: typeof x.name === 'string' ? [x.name] : [x.name?.zh ?? '', x.name?.en ?? ''] }))),
    asset: names(assets.map((x) => ({ id: x.id, names: [x.name] }))),
  };
}

const YES = ['true', '1', 'yes', '是']; // 中文
const NO = ['false', '0', 'no', '否']; // 中文

/** Sets one cell; what is wrong with it, or null. */
function setCell(body: Record<string, unknown>, target: Target, cell: string, known: Known): string | null {
  if (target.startsWith('label.')) {
    body.labels = { ...(body.labels as object), [target.slice(6)]: cell };
  } else if (target === 'labels') {
    const labels = parseLabels(cell);
    if (!labels) return 'bad_labels';
    body.labels = { ...(body.labels as object), ...labels };
  } else if (target === 'lat' || target === 'lon') {
    const degrees = Number(cell);
    if (Number.isNaN(degrees) || Math.abs(degrees) > (target === 'lat' ? 90 : 180)) return 'invalid_value';
    body[target] = degrees;
  } else if (target === 'period_ms') {
    if (!/^\d+(\.0+)?$/.test(cell)) return 'invalid_value';
    body.period_ms = Number.parseInt(cell, 10);
  } else if (target === 'archived') {
    if (!YES.includes(cell.toLowerCase()) && !NO.includes(cell.toLowerCase())) return 'invalid_value';
    body.archived = YES.includes(cell.toLowerCase());
  } else if (target === 'thing' || target === 'asset') {
    body[target] = known[target].get(cell) ?? cell; // what is not known is for the server to refuse
  } else if (target === 'location' && cell.startsWith('{')) {
    try {
      body.location = JSON.parse(cell) as unknown;
    } catch {
      return 'invalid_value';
    }
  } else body[target] = cell;
  return null;
}

/** Latitude and longitude become a location, whose words stay. False: one of them is missing. */
function joinPlace(body: Record<string, unknown>): boolean {
  const { lat, lon, location } = body;
  if (lat === undefined && lon === undefined) return true;
  if (lat === undefined || lon === undefined) return false;
  const words = typeof location === 'string' ? { text: location } : (location as object | undefined);
  body.location = { lat, lon, ...words };
  delete body.lat;
  delete body.lon;
  return true;
}

/** The devices of a table (its first row is the header), and what cannot be one. */
export function readRows(table: string[][], targets: Target[], known: Known): { rows: Row[]; faults: RowFault[] } {
  const rows: Row[] = [];
  const faults: RowFault[] = [];
  const seen = new Map<string, number>();
  table.slice(1).forEach((cells, i) => {
    const row = i + 2;
    if (cells.every((cell) => cell.trim() === '')) return;
    const body: Record<string, unknown> = {};
    for (const [k, target] of targets.entries()) {
      // Our own exports put an apostrophe before what a spreadsheet would take for a formula.
      const cell = (cells[k] ?? '').trim().replace(/^'(?=[=+\-@])/, '');
      if (!target || cell === '') continue;
      const fault = setCell(body, target, cell, known);
      if (fault) {
        faults.push({ row, column: table[0]?.[k], code: fault, detail: cell.slice(0, 80) });
        return;
      }
    }
    if (!joinPlace(body)) {
      faults.push({ row, column: table[0]?.[targets.indexOf(body.lat === undefined ? 'lat' : 'lon')], code: 'invalid_value' });
      return;
    }
    const id = body.id as string | undefined;
    if (!id) faults.push({ row, column: table[0]?.[targets.indexOf('id')], code: 'id_missing' });
    else if (seen.has(id)) faults.push({ row, column: table[0]?.[targets.indexOf('id')], code: 'duplicate_row', detail: String(seen.get(id)) });
    else {
      seen.set(id, row);
      rows.push({ row, body });
    }
  });
  return { rows, faults };
}
