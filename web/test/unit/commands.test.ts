import { describe, expect, test } from 'vitest';
import type { Thing } from '../../src/api/types';
import { attributeRows, bodyOf, faultOf, newId, targetsOf, typedValue, valueOf } from '../../src/pages/device/commands';

const thing = {
  id: 'pump',
  properties: [
    { id: 'flow', type: 'f64', access: 'r' },
    { id: 'speed', type: 'f64', access: 'rw', range: { min: 0, max: 3000 }, unit: '/min' },
  ],
  services: [{ id: 'start' }, { id: 'ramp', input: [{ id: 'to', type: 'i64', required: true }, { id: 'soft', type: 'bool' }] }],
} as unknown as Thing;

describe('what a device can be told', () => {
  const targets = targetsOf(thing);
  test('services, and properties that can be written', () => {
    expect(targets.map((x) => x.key)).toEqual(['s:start', 's:ramp', 'p:speed']);
    expect(targetsOf(null)).toEqual([]);
  });
  test('an id is its own, and needs no secure context', () => {
    expect(newId()).toMatch(/^[0-9a-f]{32}$/);
    expect(newId()).not.toBe(newId());
  });
  test('texts become values of their type', () => {
    expect([valueOf('f64', ' 2.5 '), valueOf('i64', '7'), valueOf('i64', '7.5'), valueOf('bool', 'true'), valueOf('bool', 'yes'), valueOf('f64', ''), valueOf('text', ' a')])
      .toEqual([2.5, 7, undefined, true, undefined, undefined, ' a']);
  });
  test('what is wrong with a field is told', () => {
    const [, ramp, speed] = targets as [never, (typeof targets)[0], (typeof targets)[0]];
    const [of, to, soft] = [speed.fields[0]!, ramp.fields[0]!, ramp.fields[1]!];
    expect([faultOf(of, '3001'), faultOf(of, '-1'), faultOf(of, 'x'), faultOf(of, ''), faultOf(of, '3000')]).toEqual(['high', 'low', 'type', 'needed', null]);
    expect([faultOf(to, undefined), faultOf(soft, undefined), faultOf(soft, 'maybe')]).toEqual(['needed', null, 'type']);
  });
  test('the body names service or property, and leaves out what was not filled in', () => {
    const [start, ramp, speed] = targets as [(typeof targets)[0], (typeof targets)[0], (typeof targets)[0]];
    expect(bodyOf(start, {}, 'i')).toEqual({ service: 'start', value: {}, confirm: true, id: 'i' });
    expect(bodyOf(ramp, { to: '5', soft: ' ' }, 'i')).toEqual({ service: 'ramp', value: { to: 5 }, confirm: true, id: 'i' });
    expect(bodyOf(speed, { speed: '1200' }, 'i')).toEqual({ property: 'speed', value: 1200, confirm: true, id: 'i' });
  });
});

describe('attributes', () => {
  test('both sides by name; what is desired and not so differs', () => {
    const rows = attributeRows({ period: 5, mode: { a: [1, 2] }, gone: 1 }, { period: 10, mode: { a: [1, 2] }, firmware: 'x' });
    expect(rows.map((r) => [r.name, r.agrees])).toEqual([['firmware', true], ['gone', false], ['mode', true], ['period', false]]);
  });
  test('JSON, or a bare text', () => {
    expect([typedValue('5'), typedValue('"5"'), typedValue('auto'), typedValue('{"a":1}')]).toEqual([5, '5', 'auto', { a: 1 }]);
  });
});
