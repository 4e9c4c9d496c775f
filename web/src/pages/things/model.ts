// Pure parts of the thing-model editor: empty members, checks, enum words as text.
import type { Member, Thing, Words } from '../../api/types';

export const valueTypes = ['f64', 'i64', 'bool', 'text', 'blob'] as const;
export const levels = ['info', 'warning', 'error'] as const;

export interface Fault {
  path: string;
  kind: 'noId' | 'badId' | 'twice' | 'range';
}

const ID = /^[^/\u0000-\u001f\u007f]+$/;

export function checkIds(list: { id: string }[] | undefined, path: string): Fault[] {
  const seen = new Set<string>();
  return (list ?? []).flatMap((member, i): Fault[] => {
    const at = `${path}[${i + 1}]`;
    if (!member.id) return [{ path: at, kind: 'noId' }];
    if (!ID.test(member.id)) return [{ path: `${at} ${member.id}`, kind: 'badId' }];
    if (seen.has(member.id)) return [{ path: `${at} ${member.id}`, kind: 'twice' }];
    seen.add(member.id);
    return [];
  });
}

/** What is wrong before the server is asked. */
export function checkThing(thing: Thing): Fault[] {
  const ranges = (thing.properties ?? []).flatMap((p): Fault[] => {
    const { min, max } = p.range ?? {};
    return typeof min === 'number' && typeof max === 'number' && min > max
      ? [{ path: p.id, kind: 'range' }]
      : [];
  });
  return [
    ...(thing.id.trim() ? [] : [{ path: 'id', kind: 'noId' } as Fault]),
    ...checkIds(thing.properties, 'properties'),
    ...checkIds(thing.events, 'events'),
    ...checkIds(thing.services, 'services'),
    ...ranges,
  ];
}

/** Enum words as people type them, one a line: "0 = 停止 | stopped". */
export function enumText(words: Record<string, Words> | undefined): string {
  return Object.entries(words ?? {})
    .map(([value, w]) => `${value} = ${w.zh ?? ''}${w.en ? ` | ${w.en}` : ''}`)
    .join('\n');
}

export function parseEnum(text: string): Record<string, Words> | undefined | null {
  const words: Record<string, Words> = {};
  for (const line of text.split('\n')) {
    if (!line.trim()) continue;
    const found = /^\s*(-?\d+)\s*[=:：]\s*([^|｜]*)(?:[|｜](.*))?$/.exec(line);
    if (!found) return null;
    const zh = (found[2] as string).trim();
    const en = (found[3] ?? '').trim();
    words[found[1] as string] = { ...(zh ? { zh } : {}), ...(en ? { en } : {}) };
  }
  return Object.keys(words).length > 0 ? words : undefined;
}

export function emptyThing(): Thing {
  return { id: '', name: {}, description: '', version: '1', properties: [], events: [], services: [] };
}

/** A thing model read from a file or the JSON page; the reason when it is none. */
export function parseThing(text: string): Thing | string {
  try {
    const data: unknown = JSON.parse(text);
    if (typeof data !== 'object' || data === null || Array.isArray(data)) return 'object';
    const thing = data as Thing;
    if (typeof thing.id !== 'string') return 'id';
    for (const list of [thing.properties, thing.events, thing.services]) {
      if (list !== undefined && !Array.isArray(list)) return 'list';
    }
    return { ...emptyThing(), ...thing };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

export type ListKey = 'properties' | 'events' | 'services';
export const lists: ListKey[] = ['properties', 'events', 'services'];

/** What a model may say otherwise of an inherited member. */
const MAY: Record<ListKey, string[]> = {
  properties: ['name', 'description', 'range', 'enum', 'access', 'scale', 'data_class', 'data_level'],
  events: ['name', 'description', 'level'],
  services: ['name', 'description'],
};

/** May this attribute of the member be edited? An inherited one only once it is overridden, and not its type. */
export function mayEdit(list: ListKey, member: Member, attr: string): boolean {
  if (!member.inherited) return true;
  return member.overrides !== undefined && MAY[list].includes(attr);
}

/** A member after an edit: an inherited one notes what it says otherwise. */
export function edited<T extends Member>(member: T, part: Partial<T>): T {
  const next = { ...member, ...part };
  if (!member.inherited) return next;
  const overrides = new Set(member.overrides ?? []);
  Object.keys(part).forEach((attr) => overrides.add(attr));
  return { ...next, overrides: [...overrides] };
}

/** The member as the model above has it. */
export function asInherited<T extends Member>(parent: Thing, member: T): T {
  const { overrides: _, ...rest } = member;
  return { ...rest, inherited: member.inherited ?? parent.id } as T;
}

function joined<T extends Member>(above: T[] | undefined, own: T[] | undefined, parent: Thing): T[] {
  const mine = (own ?? []).filter((m) => !m.inherited);
  const taken = new Set((above ?? []).map((m) => m.id));
  const kept = new Map((own ?? []).filter((m) => m.inherited && m.overrides).map((m) => [m.id, m]));
  return [
    ...(above ?? []).map((m) => kept.get(m.id) ?? asInherited(parent, m)),
    ...mine.filter((m) => !taken.has(m.id)),
  ];
}

/** The model with what it inherits from another one (null: from none). */
export function withParent(thing: Thing, parent: Thing | null): Thing {
  if (!parent) {
    const own = <T extends Member>(rows: T[] | undefined) => (rows ?? []).filter((m) => !m.inherited);
    return { ...thing, extends: null, properties: own(thing.properties), events: own(thing.events), services: own(thing.services) };
  }
  return {
    ...thing,
    extends: parent.id,
    properties: joined(parent.properties, thing.properties, parent),
    events: joined(parent.events, thing.events, parent),
    services: joined(parent.services, thing.services, parent),
  };
}

/** What a file of one model holds: what is inherited as it is is left out. */
export function portable(thing: Thing): Thing {
  const { revision: _r, updated: _u, shared: _s, devices: _d, archived: _a, children: _c, ...rest } = thing;
  const own = <T extends Member>(rows: T[] | undefined) => (rows ?? []).filter((m) => !m.inherited || (m.overrides ?? []).length > 0);
  return { ...rest, properties: own(thing.properties), events: own(thing.events), services: own(thing.services) };
}

/** A value of a comparison as one line. */
export function valueText(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value !== 'object') return String(value);
  const said = value as Record<string, unknown>;
  const keys = Object.keys(said);
  if (keys.length > 0 && keys.every((k) => k === 'zh' || k === 'en')) return Object.values(said).filter(Boolean).join(' / ');
  if (keys.length > 0 && keys.every((k) => k === 'min' || k === 'max')) return `${said.min ?? '-∞'} … ${said.max ?? '∞'}`;
  return JSON.stringify(value);
}
