import { describe, expect, test } from 'vitest';
import { axisPlan, logFrom, logText, movedFrom, movedText } from '../../src/charts/axes';
import { calcKey, calcQuery, calcsFrom, calcsText, insertPiece } from '../../src/pages/history/calc';
import { applied, editMarks, joinEdits, rulesFor, typed, type Edit } from '../../src/pages/history/edits';
import { integralOf } from '../../src/pages/history/integral';
import { offsetFrom, shiftMs } from '../../src/pages/history/period';
import { selectionFrom } from '../../src/pages/history/useLook';
import { statsOf } from '../../src/pages/history/useStats';
import { askQuality, flawsAt, gapOk, placeOf, qualityCsv, rowsOf, stuckOk, type PointQuality } from '../../src/pages/history/quality';

const lines = (...units: string[]) => units.map((unit, i) => ({ key: `d/p${i}`, unit }));

describe('axes', () => {
  test('lines of one unit share an axis, units come left and right in turn', () => {
    const plan = axisPlan(lines('Cel', 'kW', 'Cel'), {}, [2]);
    expect(plan.of).toEqual([1, 2, 1]);
    expect(plan.axes).toEqual([
      { number: 1, units: ['Cel'], lines: [0, 2], log: false },
      { number: 2, units: ['kW'], lines: [1], log: true },
    ]);
  });
  test('more units than axes share the last one', () => {
    const plan = axisPlan(lines('a', 'b', 'c', 'd', 'e', 'f'), {}, []);
    expect(plan.of).toEqual([1, 2, 3, 4, 4, 4]);
    expect(plan.axes[3]?.units).toEqual(['d', 'e', 'f']);
  });
  test('a moved line stands alone or with others, and moves no other', () => {
    expect(axisPlan(lines('Cel', 'Cel'), { 'd/p1': 2 }, []).of).toEqual([1, 2]);
    expect(axisPlan(lines('Cel', 'kW'), { 'd/p1': 1 }, []).axes).toEqual([{ number: 1, units: ['Cel', 'kW'], lines: [0, 1], log: false }]);
    expect(axisPlan(lines('Cel', 'kW', 'bar'), { 'd/p0': 4 }, []).of).toEqual([4, 2, 3]);
  });
  test('the address keeps them, whatever a name holds', () => {
    const moved = { 'a,b/p=1': 2, 'd/p': 4 };
    const text = movedText(moved, ['d/p', 'a,b/p=1']) as string;
    expect(movedFrom(text)).toEqual(moved);
    expect(movedText(moved, ['x/y'])).toBeNull();
    expect(movedFrom('d%2Fp=5,=1,d%2Fq=x')).toEqual({});
    expect(logFrom('2,9,x')).toEqual([2]);
    expect(logFrom(logText([3, 1]))).toEqual([1, 3]);
    expect(logText([])).toBeNull();
  });
});

describe('statistics', () => {
  test('what adds up over time has a unit of its own', () => {
    expect(integralOf('kW')).toEqual({ unit: 'kW.h', seconds: 3600 });
    expect(integralOf('m3/h')).toEqual({ unit: 'm3', seconds: 3600 });
    expect(integralOf('L/min')).toEqual({ unit: 'L', seconds: 60 });
    expect(integralOf('/min')).toEqual({ unit: '1', seconds: 60 });
    for (const unit of ['Cel', '%', 'm/s2', 'bar', '', undefined]) expect(integralOf(unit)).toBeNull();
  });
  test('the integral is the mean over the time that had values', () => {
    const row = statsOf({ point: 'd/p', unit: 'kW', type: 'f64', time: [0], twa: [10], 'duration:>-1e300': [1800], count: [5] });
    expect(row.integral).toEqual({ value: 5, unit: 'kW.h' });
    expect(row.of.count).toBe(5);
    expect(statsOf({ point: 'd/p', unit: 'kW', type: 'f64', time: [] }).integral).toBeNull();
  });
  test('a selection has a beginning and an end after it', () => {
    expect(selectionFrom('1000-2000')).toEqual({ from: 1000, to: 2000 });
    for (const text of [null, '', '2000-1000', 'a-b', '5']) expect(selectionFrom(text)).toBeNull();
  });
});

describe('another period', () => {
  const at = new Date(2026, 2, 31, 12, 0).getTime();
  const before = (text: string) => new Date(at - shiftMs(offsetFrom(text) as never, at));
  test('days, weeks and months are those of the calendar', () => {
    expect(before('90m')).toEqual(new Date(2026, 2, 31, 10, 30));
    expect(before('1d')).toEqual(new Date(2026, 2, 30, 12, 0));
    expect(before('2w')).toEqual(new Date(2026, 2, 17, 12, 0));
    expect(before('1M')).toEqual(new Date(2026, 1, 28, 12, 0));
    expect(before('13M')).toEqual(new Date(2025, 1, 28, 12, 0));
  });
  test('the address names it', () => {
    expect(offsetFrom('36h')).toEqual({ n: 36, unit: 'h' });
    for (const text of [null, '', '0d', '1y', '-1d', '1.5h', '1234567d']) expect(offsetFrom(text)).toBeNull();
  });
});

describe('corrections', () => {
  const edit = (id: number, from: string): Edit => ({ id, kind: 'deletion', from, to: from, samples: null, by: 'person:li', time: from, reason: 'why' });
  test('a rule makes a value; what it cannot change stays', () => {
    expect(applied('set', 5, 'x', 'f64')).toBe(5);
    expect(applied('add', 0.5, 2, 'f64')).toBe(2.5);
    expect(applied('multiply', 1.5, 3, 'i64')).toBe(5);
    expect(applied('add', 1, null, 'f64')).toBeNull();
    expect(applied('multiply', 1e300, 2, 'i64')).toBeNull();
    expect(applied('set', true, false, 'bool')).toBe(true);
  });
  test('what is typed is a value of the type, or none', () => {
    expect(typed(' 1.5 ', 'f64')).toBe(1.5);
    for (const text of ['', 'x', '1e999']) expect(typed(text, 'f64')).toBeNull();
    expect(typed('true', 'bool')).toBe(true);
    expect(typed('yes', 'bool')).toBeNull();
    expect(typed('停机', 'text')).toBe('停机');
    expect(rulesFor('text')).toEqual(['set']);
  });
  test('an edit of several points stands once, newest first, and is marked where it begins', () => {
    const at = '2026-05-04T00:00:00Z';
    const rows = joinEdits([['d/a', [edit(3, at), edit(1, '2026-05-01T00:00:00Z')]], ['d/b', [edit(3, at)]]]);
    expect(rows.map((r) => [r.id, r.points])).toEqual([[3, ['d/a', 'd/b']], [1, ['d/a']]]);
    const ms = Date.parse(at);
    const marks = editMarks(rows, { from: ms - 1000, to: ms + 1000 });
    expect(marks.map((m) => m.time)).toEqual([ms]);
    expect(marks[0]?.words).toContain('d/a, d/b: why (li)');
  });
});

describe('data quality', () => {
  const range = { from: 1000, to: 2000 };

  test('thresholds: a duration, or times the period; nonsense is as if it were not there', () => {
    expect(['30s', '1.5h', '3x', '1x', '0.5x', '0s', 'x', '-3s', '5'].map(gapOk)).toEqual([true, true, true, true, false, false, false, false, false]);
    expect(['off', '1h', '3x', ''].map(stuckOk)).toEqual([true, true, false, false]);
    expect(askQuality(['a/b'], range, null, null)).toMatchObject({ gap_factor: 3, stuck: '1h', from: 1000, to: 2000 });
    expect(askQuality(['a/b'], range, '10s', 'off')).toMatchObject({ gap: '10s' });
    expect(askQuality(['a/b'], range, '10s', 'off')).not.toHaveProperty('stuck');
    expect(askQuality(['a/b'], range, 'x', 'x')).toMatchObject({ gap_factor: 3, stuck: '1h' });
  });

  test('places, what is under the pointer, one list', () => {
    const one = {
      point: '=a/b',
      intervals: [{ kind: 'gap', from: 900, to: 1100, seconds: 0.2 }, { kind: 'bad', from: 1050, to: 1060, seconds: 0.01, merged: 2 }],
    } as PointQuality;
    expect(placeOf(one.intervals[0]!, range)).toEqual({ left: 0, width: 0.1 });
    expect(placeOf({ kind: 'gap', from: 2000, to: 2100, seconds: 0.1 }, range)).toBe(null);
    expect(flawsAt(one, 1055, 0).map((i) => i.kind)).toEqual(['bad', 'gap']);
    expect(rowsOf([one], ['gap']).map((r) => r.kind)).toEqual(['bad']);
    expect(qualityCsv(rowsOf([one], ['gap']), () => '"坏"')).toBe(
      '\ufeffpoint,kind,name,from,to,seconds,merged\r\n\'=a/b,bad,"""坏""",1970-01-01T00:00:01.050Z,1970-01-01T00:00:01.060Z,0.01,2\r\n');
  });
});

describe('calculated series', () => {
  const calcs = [{ name: '单耗', expression: '{a/p} / {b/q}' }, { name: 'x=1,y', expression: '{a/p} & "t"' }];
  test('the address keeps them, and what is none is left out', () => {
    expect(calcsFrom(calcsText(calcs))).toEqual(calcs);
    expect(calcsText([])).toBeNull();
    expect(calcsFrom('nonsense')).toEqual([]);
    expect(calcsFrom('{"a":1}')).toEqual([]);
    expect(calcsFrom('[["a","1"],["a","2"],["",""],[3,4],"b"]')).toEqual([{ name: 'a', expression: '1' }]);
    expect(calcKey({ name: '单耗', expression: '1' })).toBe('=单耗');
  });
  test('buckets are asked for as the chart is wide, rows in the raw mode', () => {
    const ask = { range: { from: 0, to: 3_600_000 }, mode: 'auto' as const, step: null, pixels: 600 };
    const calc = { name: 'n', expression: '{a/p}' };
    expect(calcQuery(calc, ask)).toMatchObject({ expressions: [calc], from: 0, to: 3_600_000, aggregate: 'mean', step: expect.stringMatching(/^\d+(s|m)$/) });
    expect(calcQuery(calc, { ...ask, mode: 'max', step: '5m' })).toMatchObject({ aggregate: 'max', step: '5m' });
    expect(calcQuery(calc, { ...ask, mode: 'count', step: '5m' })).toMatchObject({ aggregate: 'mean' });
    expect(calcQuery(calc, { ...ask, mode: 'raw' })).not.toHaveProperty('step');
  });
  test('a piece is put where the cursor stands, the cursor then inside of a call', () => {
    expect(insertPiece('', 0, 0, '{a/p}')).toEqual({ text: '{a/p}', at: 5 });
    expect(insertPiece('2 * x', 4, 5, 'abs()')).toEqual({ text: '2 * abs()', at: 8 });
    expect(insertPiece('{a/p}', 5, 5, '{b/q}')).toEqual({ text: '{a/p} {b/q}', at: 11 });
  });
});
