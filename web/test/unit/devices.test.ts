import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { kindsBelow, mayStand, treeRows } from '../../src/pages/devices/assetTree';
import { comparedIds, comparePath, compareRows, type Compared } from '../../src/pages/devices/compare';
import { targetOf } from '../../src/pages/devices/bulk';
import { chosenColumns, columnsText, USUAL } from '../../src/pages/devices/columns';
import { refusedCsv } from '../../src/pages/devices/importFile';
import { choose, howMany, isChosen, NOTHING } from '../../src/pages/devices/selection';
import { guessColumns, knownOf, readRows } from '../../src/pages/devices/mapping';
import { idsOf, numbered, seriesOf, type Series } from '../../src/pages/devices/series';
import { deviceFields, templateDevice } from '../../src/pages/devices/templates';
import { parseCsv, readXlsx, writeXlsx } from '../../src/pages/devices/sheet';
import type { Asset, Device, Thing } from '../../src/api/types';
import { viewPath, viewQuery } from '../../src/pages/devices/Views';

describe('selection', () => {
  test('some by id, or all but some', () => {
    const some = choose(NOTHING, ['a', 'b'], true);
    expect([isChosen(some, 'a'), isChosen(some, 'c'), howMany(some, 100)]).toEqual([true, false, 2]);
    const all = choose({ all: true, ids: new Set() }, ['a'], false);
    expect([isChosen(all, 'a'), isChosen(all, 'c'), howMany(all, 100)]).toEqual([false, true, 99]);
    expect(howMany(choose(all, ['a'], true), 100)).toBe(100);
    expect(targetOf(some, { q: 'x' })).toEqual({ ids: ['a', 'b'] });
    expect(targetOf(all, { q: 'x', state: null })).toEqual({ filter: { q: 'x' }, except: ['a'] });
  });
});

describe('columns and views', () => {
  test('columns stand in the address', () => {
    expect(chosenColumns(null)).toEqual(USUAL);
    expect(chosenColumns('name,nosuch,since')).toEqual(['id', 'name', 'since']);
    expect(columnsText([...USUAL].reverse())).toBeNull();
    expect(columnsText(['since', 'name'])).toBe('id,name,since');
  });
  test('a view keeps what makes the list, and comes back as an address', () => {
    const query = viewQuery(new URLSearchParams('q=p&label=a:b&view=1&new=1&sort=-name'));
    expect(query).toEqual({ q: 'p', label: 'a:b', sort: '-name' });
    const path = viewPath({ id: 'v 1', name: 'n', shared: false, mine: true, query: { ...query, evil: 'x' } });
    expect(path).toBe('/devices?view=v+1&q=p&label=a%3Ab&sort=-name');
  });
  test('what was refused, as a file that no spreadsheet runs', () => {
    expect(refusedCsv([{ id: '=1+2', code: 'x', detail: 'a, b' }])).toBe('\ufeffid,code,detail\r\n\'=1+2,x,"a, b"\r\n');
  });
});

const file = (name: string) => {
  const bytes = readFileSync(join(__dirname, '../../../tests/web/files', name));
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
};

describe('tables of files', () => {
  test.each([
    ['a,b\r\n1,2\r\n', [['a', 'b'], ['1', '2']]],
    ['\ufeffa;b\n"1;x";"say ""hi"""', [['a', 'b'], ['1;x', 'say "hi"']]],
    ['a\tb\n\n1\t', [['a', 'b'], [''], ['1', '']]],
    ['a,b\n"line\none",2', [['a', 'b'], ['line\none', '2']]],
    ['', []],
  ])('csv %j', (text, want) => expect(parseCsv(text)).toEqual(want));

  test('a workbook of openpyxl: sheets, shared texts, numbers, empty rows', async () => {
    const sheets = await readXlsx(file('openpyxl.xlsx'));
    expect(sheets.map((s) => s.name)).toEqual(['说明', '设备台账']);
    expect(await sheets[0]?.rows()).toEqual([['本表供现场填写 <请勿改列名> & "备注"']]);
    const rows = (await sheets[1]?.rows()) ?? [];
    expect(rows[1]).toEqual(['XLSX-1', '一号泵', '', '', 'line:2;shift:a', 'A 线', '1000']);
    expect(rows[2]?.slice(0, 2)).toEqual(['', '没有编号的泵']);
    expect(rows[4]?.[1]).toBe('三号 <泵> & "阀"');
    expect(rows[5]).toEqual([]);
    expect(rows[6]?.[0]).toBe('1004');
  });
  test('a workbook of XlsxWriter: texts in the cells, a formula with its value', async () => {
    const rows = await (await readXlsx(file('xlsxwriter.xlsx')))[0]?.rows();
    expect(rows).toEqual([['id', 'name', 'label.line'], ['in-1', 'inline text', '1'], ['in-2', '=SUM(1,2)', '2'], ['in-3', '', '3.5']]);
  });
  test('our own workbook comes back', async () => {
    const rows = [['id', 'name'], ['a', ' <b> & "c" ']];
    const sheets = await readXlsx(await writeXlsx('设备', rows).arrayBuffer());
    expect(sheets[0]?.name).toBe('设备');
    expect(await sheets[0]?.rows()).toEqual(rows);
  });
  test('what is no workbook, or is cut off, is refused at any length', async () => {
    const whole = new Uint8Array(file('openpyxl.xlsx'));
    for (let n = 0; n < whole.length; n += 97) {
      const read = async () => (await readXlsx(whole.slice(0, n).buffer))[1]?.rows();
      await expect(read()).rejects.toThrow();
    }
    for (let at = 0; at < whole.length; at += 41) {
      const bad = whole.slice();
      bad[at] = (bad[at] as number) ^ 0xff;
      await readXlsx(bad.buffer)
        .then((sheets) => Promise.all(sheets.map((s) => s.rows())))
        .catch((error: unknown) => expect(error).toBeInstanceOf(Error));
    }
  });
});

describe('columns of an import', () => {
  test('headers are guessed in Chinese and English, each target once', () => {
    expect(guessColumns(['设备编号', '设备名称', '物模型', '所属资产', '标签', '产线', '采集周期'])).toEqual(['id', 'name', 'thing', 'asset', 'labels', '', 'period_ms']);
    expect(guessColumns(['Device ID', 'Name', 'label.line', '标签：班次', 'id'])).toEqual(['id', 'name', 'label.line', 'label.班次', '']);
  });
  test('rows become devices; what cannot is told with its row', () => {
    const known = knownOf([{ id: 'pump', name: { zh: '水泵', en: 'Pump' } }] as Thing[], [
      { id: 'h1', name: '车间', kind: 'area' }, { id: 'h2', name: '车间', kind: 'area' }, { id: 'h3', name: '三号', kind: 'area' },
    ] as Asset[]);
    const table = [
      ['id', 'm', 'a', 'l', 'x', 'p'],
      ['a', '水泵', '三号', 'k:v；s：夜', '7', '500'],
      ['', 'Pump', '', '', '', ''],
      ['a', '', '', '', '', ''],
      ['b', 'pump', '车间', '', '', ''],
      ['c', '', '', 'bad', '', ''],
      ['d', '', '', '', '', '5s'],
      [' ', ''],
    ];
    const { rows, faults } = readRows(table, ['id', 'thing', 'asset', 'labels', 'label.line', 'period_ms'], known);
    expect(rows).toEqual([
      { row: 2, body: { id: 'a', thing: 'pump', asset: 'h3', labels: { k: 'v', s: '夜', line: '7' }, period_ms: 500 } },
      { row: 5, body: { id: 'b', thing: 'pump', asset: '车间' } }, // two have that name: the server refuses it
    ]);
    expect(faults.map((f) => [f.row, f.column, f.code])).toEqual([[3, 'id', 'id_missing'], [4, 'id', 'duplicate_row'], [6, 'l', 'bad_labels'], [7, 'p', 'invalid_value']]);
  });
});

describe('comparison', () => {
  const one = (id: string, device: Partial<Device> | null, points: Record<string, unknown> = {}): Compared => ({
    id,
    device: device ? { id, state: 'online', ...device } : null,
    latest: { device: id, points: Object.fromEntries(Object.entries(points).map(([p, value]) => [p, { time: 0, quality: 192, value: value as number }])) },
    thing: null,
  });
  test('what differs is marked; one that is not there does not count', () => {
    const rows = compareRows([
      one('a', { asset: 'h', labels: { line: '1' } }, { flow: 1, text: 'x' }),
      one('b', { asset: 'h', labels: { line: '2' } }, { flow: 1, text: 'x' }),
      one('c', null),
    ]);
    const of = (key: string) => rows.find((r) => r.key === key);
    expect(of('asset')).toMatchObject({ values: ['h', 'h', ''], differs: false });
    expect(of('label line')).toMatchObject({ values: ['1', '2', ''], differs: true });
    expect(of('point flow')).toMatchObject({ differs: false, property: 'flow' });
    expect(of('point text')?.property).toBeUndefined();
    expect(of('description')).toBeUndefined(); // nobody has one
  });
  test('ids stand in the address, whatever they hold', () => {
    const ids = ['a,b', '泵/1', 'c d', '100%'];
    const query = new URL(comparePath(ids), 'http://x').searchParams.get('devices');
    expect(comparedIds(query)).toEqual(ids);
    expect(comparedIds('a,a,b')).toEqual(['a', 'b']);
    expect(comparedIds('1,2,3,4,5,6,7')).toHaveLength(6);
  });
});

describe('asset tree', () => {
  const a = (id: string, kind: string, parent: string | null = null) => ({ id, kind, name: id, parent }) as Asset;
  const assets = [a('e', 'enterprise'), a('s', 'site', 'e'), a('l', 'line', 's'), a('s2', 'site', 'e')];
  test('where an asset may stand', () => {
    const to = (id: string) => assets.find((x) => x.id === id) ?? null;
    expect(mayStand(assets, 'l', to('s2'))).toBe(true);
    expect(mayStand(assets, 'l', to('s'))).toBe(false); // it is there
    expect(mayStand(assets, 's', to('l'))).toBe(false);
    expect(mayStand(assets, 's', to('s2'))).toBe(false);
    expect(mayStand(assets, 'l', null)).toBe(true);
    expect(mayStand(assets, 'e', null)).toBe(false);
    expect(kindsBelow(to('l'))).toEqual(['cell']);
  });
  test('what is below a closed one is hidden', () => {
    expect(treeRows(assets, new Set(['s'])).map((r) => [r.asset.id, r.depth, r.parent])).toEqual([['e', 0, true], ['s', 1, true], ['s2', 1, false]]);
    expect(treeRows(assets, new Set(['e'])).map((r) => r.asset.id)).toEqual(['e']);
  });
});

describe('a series of devices', () => {
  test('by the numbers in braces, as wide as they are written', () => {
    const series = seriesOf('pump-{08..11}-a') as Series;
    expect(idsOf(series)).toEqual(['pump-08-a', 'pump-09-a', 'pump-10-a', 'pump-11-a']);
    expect(idsOf(seriesOf('p{9..11}') as Series)).toEqual(['p9', 'p10', 'p11']);
    expect(seriesOf('pump-1')).toBeNull();
    for (const bad of ['p{3..1}', 'p{a..b}', 'p{1..2}{1..2}', 'p{1..}', 'p}', '{']) expect(seriesOf(bad)).toBe('series.malformed');
    expect(idsOf(seriesOf('{1..1000}') as Series)).toHaveLength(1000);
    expect(seriesOf('{1..1001}')).toBe('series.tooMany');
  });
  test('texts have the number of each', () => {
    expect(numbered({ name: '{n}号泵', labels: 'no:{n}', lat: 1 }, '07')).toEqual({ name: '07号泵', labels: 'no:07', lat: 1, location: undefined, description: undefined });
  });
});

describe('a template', () => {
  test('keeps what no form shows, and nothing that is empty', () => {
    const device = { id: 'a', name: 'A', thing: 'pump', driver: 'modbus', period_ms: 500, labels: { line: '2' }, location: { lat: 1, lon: 2, alt: 3 } } as unknown as Device;
    expect(templateDevice(deviceFields(device), device)).toEqual({
      name: 'A',
      thing: 'pump',
      driver: 'modbus',
      period_ms: 500,
      labels: { line: '2' },
      location: { lat: 1, lon: 2, alt: 3 },
    });
  });
});
