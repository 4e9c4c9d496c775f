// Pure parts of the thing-model editor: empty members, checks, enum words as text.
import type { Thing, Words } from '../../api/types';

export const valueTypes = ['f64', 'i64', 'bool', 'text', 'blob'] as const;
export const levels = ['info', 'warning', 'error'] as const;

export interface Fault {
  path: string;
  kind: 'noId' | 'badId' | 'twice' | 'range';
}

const ID = /^[^/\u0000-\u001f\u007f]+$/;

function checkIds(list: { id: string }[] | undefined, path: string): Fault[] {
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
