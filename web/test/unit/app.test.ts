import { describe, expect, test } from 'vitest';
import { match } from '../../src/app/router';
import { Problem, apiUrl } from '../../src/api/client';
import { joinPoint, pointsFrom, pointsText, splitPoint } from '../../src/api/points';
import { addressOf, byTag, fillPath, operations, type OpenApi } from '../../src/api/openapi';
import { visibleRows } from '../../src/components/DataTable';
import { treeOrder } from '../../src/components/Pickers';
import { qualityClass, readable } from '../../src/api/quality';
import { choiceFrom, followEveryMs } from '../../src/pages/history/range';
import { queryFor } from '../../src/pages/history/useHistory';
import { placeOf } from '../../src/components/ObjectLink';
import { rate } from '../../src/pages/overviewTrends';
import { choosePoints } from '../../src/pages/LivePicture';
import { bytes, cell, compact, unit } from '../../src/i18n/format';

describe('router', () => {
  test.each([
    ['/', '/', {}],
    ['/devices', '/devices/', {}],
    ['/devices/:id', '/devices/pump%201%2Fa', { id: 'pump 1/a' }],
    ['/devices/:id', '/devices', null],
    ['/devices/:id', '/devices/a/b', null],
    ['/devices/:id', '/devices/%E0%A4%A', null],
    ['/things', '/devices', null],
  ])('%s against %s', (pattern, path, expected) => {
    expect(match(pattern, path)).toEqual(expected);
  });
});

describe('addresses', () => {
  test('empty parts of the query are left out', () => {
    expect(apiUrl('devices', { q: '', state: null, limit: 5, thing: undefined, on: false })).toBe(
      '/api/v1/devices?limit=5&on=false',
    );
  });
  test('a point is split at its last slash', () => {
    expect(splitPoint('hall/1/temp')).toEqual({ device: 'hall/1', property: 'temp' });
    expect(joinPoint('hall/1', 'temp')).toBe('hall/1/temp');
  });
  test('points with commas come back from the address', () => {
    const points = ['a,b/c', '泵 1/温度', 'x%/y'];
    const query = new URLSearchParams({ points: pointsText(points) });
    expect(pointsFrom(new URLSearchParams(query.toString()))).toEqual(points);
  });
});

describe('problem', () => {
  test('keeps detail and remedy', () => {
    const p = new Problem(409, { code: 'exists', detail: 'taken', remedy: 'choose another' });
    expect([p.status, p.code, p.detail, p.remedy, p.errors]).toEqual([409, 'exists', 'taken', 'choose another', []]);
  });
});

describe('table', () => {
  test('draws only what is in view, with some to spare', () => {
    const [from, to] = visibleRows({ top: 34 * 50_000, height: 600 }, 100_000);
    expect(from).toBe(50_000 - 12);
    expect(to - from).toBeLessThan(50);
  });
  test('stays inside of a list that got shorter', () => {
    expect(visibleRows({ top: 34 * 500, height: 600 }, 10)).toEqual([10, 10]);
  });
});

describe('assets', () => {
  test('come in the order of their tree; an unknown parent is a root', () => {
    const a = (id: string, parent: string | null) => ({ id, kind: 'area', name: id, parent });
    const rows = treeOrder([a('b', 'a'), a('a', null), a('c', 'b'), a('x', 'gone')]);
    expect(rows.map((r) => [r.asset.id, r.depth])).toEqual([['a', 0], ['b', 1], ['c', 2], ['x', 0]]);
  });
});

test.each([
  [192, 'good'],
  [216, 'good'],
  [64, 'uncertain'],
  [84, 'uncertain'],
  [0, 'bad'],
  [24, 'bad'],
  [128, 'bad'],
])('quality %i is %s', (byte, name) => expect(qualityClass(byte)).toBe(name));

test('a bad value is read only as the last known one', () => {
  expect([192, 84, 20, 8, 0].map(readable)).toEqual([true, true, true, false, false]);
});

describe('history', () => {
  test('the address says from and to, else last, else the default', () => {
    const now = 1_000_000_000;
    const of = (text: string) => choiceFrom(new URLSearchParams(text), now, '1h');
    expect(of('from=5&to=9')).toEqual({ range: { from: 5, to: 9 }, last: null });
    expect(of('from=9&to=5').last).toBe(3_600_000);
    expect(of('last=24h')).toEqual({ range: { from: now - 86_400_000, to: now }, last: 86_400_000 });
    expect(of('last=nonsense').last).toBe(3_600_000);
  });
  test('follows a short range often, a long one seldom', () => {
    expect(followEveryMs(60_000)).toBe(2000);
    expect(followEveryMs(30 * 86_400_000)).toBe(60_000);
  });
  test('asks for extremes by default, for buckets with an aggregate', () => {
    const ask = { points: ['a/b'], range: { from: 0, to: 3_600_000 }, pixels: 900, step: null };
    expect(queryFor({ ...ask, mode: 'auto' })).toMatchObject({ downsample: { method: 'minmax', points: 900 } });
    expect(queryFor({ ...ask, mode: 'mean' })).toMatchObject({ step: '10s', aggregate: ['mean'] });
    expect(queryFor({ ...ask, mode: 'mean', step: '1h' })).toMatchObject({ step: '1h' });
    expect(queryFor({ ...ask, mode: 'raw' })).not.toHaveProperty('downsample');
  });
});

test('the live picture shows each kind of device first', () => {
  const point = (device: string, property: string, type = 'f64') =>
    ({ id: device + property, name: '', device, property, type }) as never;
  const device = (id: string, thing: string) => ({ id, thing, state: 'online' }) as never;
  const points = [point('p1', 'x'), point('p1', 'y'), point('p2', 'x'), point('t', 'name', 'text'), point('t', 'l'), point('off', 'z')];
  const chosen = choosePoints(points, [device('p1', 'pump'), device('p2', 'pump'), device('t', 'tank')], 3);
  expect(chosen.map((p) => `${p.device}/${p.property}`)).toEqual(['p1/x', 't/l', 'p1/y']);
});

describe('numbers', () => {
  test.each([
    [1234, '1,234'],
    [12_345, '12.3 k'],
    [48_211_930, '48.2 M'],
    [0.12345, '0.123'],
    [null, '–'],
  ])('compact %s', (value, text) => expect(compact(value)).toBe(text));
  test.each([
    [0, '0 B'],
    [1536, '1.5 KiB'],
    [61_482_113, '58.6 MiB'],
  ])('bytes %i', (value, text) => expect(bytes(value)).toBe(text));
  test.each([
    [0.1 + 0.2, '0.3'],
    [-0.5, '-0.5'],
    [1e-7, '1.0000e-7'],
    ['NaN', 'NaN'],
    [null, '–'],
  ])('cell %s', (value, text) => expect(cell(value)).toBe(text));
  test.each([
    ['Cel', '°C'],
    ['m3/h', 'm³/h'],
    ['kW.h', 'kWh'],
    ['mm/s', 'mm/s'],
    ['kg/m3', 'kg/m³'],
    [undefined, ''],
  ])('unit %s', (code, text) => expect(unit(code)).toBe(text));
});

test('a rate needs two readings of a counter that went on', () => {
  expect(rate(10, 30, 2000)).toBe(10);
  expect([rate(undefined, 30, 1000), rate(30, 10, 1000), rate(1, 2, 0)]).toEqual([undefined, undefined, undefined]);
});

test.each([
  ['device:a b', '', '/devices/a%20b'],
  ['pump-1', 'device.changed', '/devices/pump-1'],
  ['pump', 'thing.created', '/things/pump'],
  ['person:admin', 'session.created', null],
  [undefined, 'device.changed', null],
])('%s with act %s leads to %s', (object, act, place) => expect(placeOf(object, act)).toBe(place));

describe('openapi', () => {
  const doc: OpenApi = {
    openapi: '3.1.0',
    info: { title: '', version: '' },
    servers: [{ url: '/api/v1' }],
    paths: {
      '/devices/{id}': {
        parameters: [{ name: 'id', in: 'path', required: true }],
        get: { tags: ['devices'], parameters: [{ name: 'time', in: 'query' }] },
        delete: {},
      } as never,
      '/write': { post: {} } as never,
    },
  };
  test('lists each method with the parameters of its path', () => {
    const all = operations(doc);
    expect(all.map((o) => `${o.method} ${o.path}`)).toEqual(['get /devices/{id}', 'delete /devices/{id}', 'post /write']);
    expect(all[0]?.parameters?.map((p) => p.name)).toEqual(['id', 'time']);
    expect(byTag(all).map(([tag]) => tag)).toEqual(['devices', 'write']);
  });
  test('makes the address to call', () => {
    expect(addressOf(doc, '/devices')).toBe('/api/v1/devices');
    expect(addressOf(doc, '/api/v1/devices')).toBe('/api/v1/devices');
    expect(fillPath('/devices/{id}', { id: 'a/b' })).toBe('/devices/a%2Fb');
  });
});
