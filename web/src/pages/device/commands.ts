// Commands to a device: what can be sent, and what of a form is sent.
import type { Field, Service, Thing, ValueType, Words } from '../../api/types';

export interface Command {
  id: string;
  device: string;
  service?: string;
  property?: string;
  value?: unknown;
  state: 'sent' | 'done' | 'failed' | 'timeout';
  created: string;
  deadline: string;
  by: string;
  finished?: string;
  result?: unknown;
  /** The value is above one's clearance. */
  masked?: boolean;
}

/** Something that the device can be told: a service with its inputs, or one property that can be written. */
export interface Target {
  key: string;
  kind: 'service' | 'property';
  id: string;
  name?: Words;
  fields: (Field & { enum?: Record<string, Words> })[];
}

export function targetsOf(thing: Thing | null): Target[] {
  const services = (thing?.services ?? []).map((s: Service): Target => ({ key: `s:${s.id}`, kind: 'service', id: s.id, name: s.name, fields: s.input ?? [] }));
  const writable = (thing?.properties ?? [])
    .filter((p) => p.access === 'rw')
    .map((p): Target => ({ key: `p:${p.id}`, kind: 'property', id: p.id, name: p.name, fields: [{ ...p, required: true }] }));
  return [...services, ...writable];
}

export type Inputs = Record<string, string>;

/** What a text means as a value of the type; undefined: it is none. */
export function valueOf(type: ValueType, text: string): unknown {
  const bare = text.trim();
  if (type === 'bool') return bare === 'true' ? true : bare === 'false' ? false : undefined;
  if (type === 'f64' || type === 'i64') {
    const number = Number(bare);
    if (bare === '' || !Number.isFinite(number)) return undefined;
    return type === 'i64' && !Number.isSafeInteger(number) ? undefined : number;
  }
  return text;
}

/** What is wrong with a field: 'needed', 'type', 'low', 'high', or nothing. */
export function faultOf(field: Field, text: string | undefined): 'needed' | 'type' | 'low' | 'high' | null {
  if (text === undefined || text.trim() === '') return field.required ? 'needed' : null;
  const value = valueOf(field.type, text);
  if (value === undefined) return 'type';
  const { min, max } = field.range ?? {};
  if (typeof value === 'number' && min !== null && min !== undefined && value < min) return 'low';
  if (typeof value === 'number' && max !== null && max !== undefined && value > max) return 'high';
  return null;
}

/** The body of POST devices/{id}/commands; fields without a text are left out. */
export function bodyOf(target: Target, inputs: Inputs, id: string): Record<string, unknown> {
  const values = Object.fromEntries(
    target.fields.flatMap((f) => {
      const text = inputs[f.id];
      return text === undefined || text.trim() === '' ? [] : [[f.id, valueOf(f.type, text)]];
    }),
  );
  return target.kind === 'property' ? { property: target.id, value: values[target.id], confirm: true, id } : { service: target.id, value: values, confirm: true, id };
}

/** Of a command, so that it is sent once; also where the page did not come by https, which has no randomUUID. */
export const newId = (): string => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, '0')).join('');

export const ended = (c: Command): boolean => c.state !== 'sent';

/** Top-level attributes of both sides, and whether they agree; what is desired and not reported does not. */
export interface AttributeRow {
  name: string;
  desired?: unknown;
  reported?: unknown;
  agrees: boolean;
}
export function attributeRows(desired: Record<string, unknown>, reported: Record<string, unknown>): AttributeRow[] {
  const names = [...new Set([...Object.keys(desired), ...Object.keys(reported)])].sort();
  return names.map((name) => ({
    name,
    desired: desired[name],
    reported: reported[name],
    agrees: !(name in desired) || same(desired[name], reported[name]),
  }));
}

function same(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return Object.is(a, b);
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [x, y] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const keys = Object.keys(x);
  return keys.length === Object.keys(y).length && keys.every((k) => same(x[k], y[k]));
}

/** A value as one types it: JSON, or a bare word as a text. */
export function typedValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
