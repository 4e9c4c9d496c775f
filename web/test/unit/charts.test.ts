import { describe, expect, test } from 'vitest';
import { drawable, holdGaps, keyRange, measured, oneOfEach, pan, stepFor, withGaps, zoom } from '../../src/charts/lines';
import { grown } from '../../src/components/useTrends';
import { sparkPath } from '../../src/charts/Sparkline';

const range = { from: 1000_000, to: 2000_000 };

test('marks that several series share stand once, in the order of time', () => {
  const a = { time: 2, words: 'a' };
  const b = { time: 1, words: 'b' };
  expect(oneOfEach([a, b, { ...a }])).toEqual([b, a]);
});

describe('range', () => {
  test('zoom keeps the instant under the hand where it is', () => {
    const next = zoom(range, 1250_000, 0.5);
    expect(next.to - next.from).toBe(500_000);
    expect((1250_000 - next.from) / (next.to - next.from)).toBeCloseTo(0.25, 6);
  });
  test('zoom does not go below the smallest width', () => {
    const next = zoom(range, 1500_000, 1e-9);
    expect(next.to - next.from).toBe(1000);
  });
  test('pan moves both ends', () => {
    expect(pan(range, -0.2)).toEqual({ from: 800_000, to: 1800_000 });
  });
  test.each([
    ['ArrowLeft', { from: 800_000, to: 1800_000 }],
    ['ArrowRight', { from: 1200_000, to: 2200_000 }],
    ['PageDown', { from: 2000_000, to: 3000_000 }],
    ['+', { from: 1250_000, to: 1750_000 }],
    ['-', { from: 500_000, to: 2500_000 }],
    ['0', { from: 1, to: 2 }],
    ['x', null],
  ])('key %s', (key, expected) => {
    expect(keyRange(key, range, { from: 1, to: 2 })).toEqual(expected);
  });
  test.each([
    [60_000, 1000, '1s'],
    [3_600_000, 800, '10s'],
    [30 * 86_400_000, 1000, '2h'],
    [3650 * 86_400_000, 1000, '7d'],
  ])('step for %i ms on %i pixels is %s', (width, pixels, step) => {
    expect(stepFor({ from: 0, to: width }, pixels).text).toBe(step);
  });
});

describe('lines', () => {
  test('what cannot be drawn is a gap', () => {
    expect([1.5, true, false, 'NaN', null, undefined, Infinity].map((v) => drawable(v))).toEqual([
      1.5, 1, 0, null, null, null, null,
    ]);
  });
  test('a bad value is not drawn, whatever number stands there', () => {
    expect([measured(0, 8), measured(5, 84), measured(5, 192), measured(5, undefined)]).toEqual([null, 5, 5, 5]);
  });
  test('a long silence breaks the line, the usual step does not', () => {
    const time = [0, 1, 2, 3, 4, 100, 101, 102].map((s) => s * 1000);
    const line = withGaps({ key: 'a', label: 'a', unit: '', time, value: time.map(() => 1) });
    expect(line.time).toHaveLength(9);
    expect(line.value[5]).toBeNull();
    expect(line.time[5]).toBe(5000);
  });
  test('a gap holds until the next value of its own line', () => {
    const u = undefined;
    expect(holdGaps([1, u, 2, null, u, u, 3, u])).toEqual([1, u, 2, null, null, null, 3, u]);
  });
  test('times stay in order', () => {
    const time = [0, 10, 20, 500, 510];
    const out = withGaps({ key: 'a', label: '', unit: '', time, value: [1, 2, 3, 4, 5] }).time;
    expect([...out].sort((a, b) => a - b)).toEqual(out);
  });
});

describe('live line', () => {
  test('thins what comes fast, ends with the newest, forgets what is old', () => {
    let line: [number, number | null][] = [[0, 1]];
    for (let s = 1; s <= 900; s += 1) line = grown(line, [[s * 1000, s, 192]]);
    expect(line[line.length - 1]).toEqual([900_000, 900]);
    expect(line[0]?.[0]).toBeGreaterThan(300_000);
    expect(line.length).toBeLessThan(320);
    const times = line.map(([at]) => at);
    expect([...times].sort((a, b) => a - b)).toEqual(times);
  });
});

describe('sparkline', () => {
  test('starts a new stroke after a gap', () => {
    const path = sparkPath([[0, 1], [1, 2], [2, null], [3, 1], [4, 2]], 20);
    expect(path.match(/M/g)).toHaveLength(2);
  });
  test('starts a new stroke after a long silence', () => {
    const points = [0, 1, 2, 3, 4, 90, 91, 92].map((t): [number, number] => [t, t % 3]);
    expect(sparkPath(points, 20).match(/M/g)).toHaveLength(2);
  });
  test('a flat line is in the middle of its place', () => {
    expect(sparkPath([[0, 5], [10, 5]], 20)).toBe('M0.0 10.0L240.0 10.0');
  });
  test('only gaps draw nothing', () => {
    expect(sparkPath([[0, null], [1, null]], 20)).toBe('');
  });
});
