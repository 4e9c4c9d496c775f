import { expect, test } from 'vitest';
import type { SlowItem } from '../../src/api/slowTypes';
import { duration, explorerOf, sorted } from '../../src/pages/node/slow';

const item = (id: number, more: Partial<SlowItem> = {}): SlowItem => ({
  id, time: '2026-01-01T00:00:00Z', ms: 10, waited_ms: null, method: 'POST', route: '/api/v1/history/query', status: 200, tenant: '', who: '',
  rows: null, bytes: null, streamed: false, ...more,
});
const ids = (list: SlowItem[]) => list.map((i) => i.id);

test('order: what is not known comes last, equal ones newest first', () => {
  const list = [item(1, { rows: 5 }), item(2), item(3, { rows: 9, ms: 4 }), item(4, { rows: 5 })];
  expect(ids(sorted(list, '-time'))).toEqual([4, 3, 2, 1]);
  expect(ids(sorted(list, 'time'))).toEqual([1, 2, 3, 4]);
  expect(ids(sorted(list, '-rows'))).toEqual([3, 4, 1, 2]);
  expect(ids(sorted(list, 'rows'))).toEqual([4, 1, 3, 2]);
  expect(ids(sorted(list, 'ms'))).toEqual([3, 4, 2, 1]);
});

test('the same question in the explorer, where it is told whole', () => {
  const text = JSON.stringify({ points: ['a,b/f', '泵/流量'], from: 1000, to: '1970-01-01T00:00:02Z', step: '1m' });
  const url = new URL(explorerOf(item(1, { form: 'json', text })) ?? '', 'http://x');
  expect(url.pathname).toBe('/history');
  expect(url.searchParams.get('points')).toBe(`${encodeURIComponent('a,b/f')},${encodeURIComponent('泵/流量')}`);
  expect([url.searchParams.get('from'), url.searchParams.get('to'), url.searchParams.get('step')]).toEqual(['1000', '2000', '1m']);
  expect(explorerOf(item(1, { form: 'json', text, cut: true }))).toBeNull();
  expect(explorerOf(item(1, { form: 'json', text: text.slice(0, 20) }))).toBeNull();
  expect(explorerOf(item(1, { form: 'json', text, route: '/api/v1/latest' }))).toBeNull();
  expect(explorerOf(item(1, { form: 'json', text: '{"points":[],"from":1,"to":2}' }))).toBeNull();
  expect(explorerOf(item(1, { form: 'json', text: '{"points":["a/b"],"from":5,"to":2}' }))).toBeNull();
  expect(explorerOf(item(1, { form: 'sql', text: 'SELECT 1' }))).toBeNull();
  expect(explorerOf(item(1))).toBeNull();
});

test('how long', () => {
  expect([duration(0.4), duration(840.2), duration(2345), duration(12_340)]).toEqual(['0 ms', '840 ms', '2.35 s', '12.3 s']);
});
