import { describe, expect, test } from 'vitest';
import { cutEvents } from '../../src/api/fetchSource';
import { begun, changed, redone, undone } from '../../src/pages/dashboards/edits';
import { keyBox } from '../../src/pages/dashboards/Grid';
import { arranged, compacted, fitted, overlap, placed, readingOrder, without, type Box } from '../../src/pages/dashboards/layout';
import { blocks, safeLink } from '../../src/pages/dashboards/markdown';
import { added, allPoints, docFrom, fileOf, freeId, levelOf, twin, type Doc, type Widget } from '../../src/pages/dashboards/model';
import { panelPath } from '../../src/pages/dashboards/PanelLink';
import { BoardStore, Tail } from '../../src/pages/dashboards/store';
import { everyMs } from '../../src/pages/dashboards/widgets/Chart';
import { bands } from '../../src/pages/dashboards/widgets/Gauge';
import { ageWords } from '../../src/pages/dashboards/widgets/parts';

const box = (id: string, x: number, y: number, w: number, h: number): Box => ({ id, x, y, w, h });
const at = (boxes: Box[], id: string) => {
  const b = boxes.find((o) => o.id === id) as Box;
  return [b.x, b.y, b.w, b.h];
};
const crossing = (boxes: Box[]) => boxes.some((a, i) => boxes.slice(i + 1).some((b) => overlap(a, b)));

describe('the grid', () => {
  const three = [box('a', 0, 0, 6, 4), box('b', 6, 0, 6, 4), box('c', 0, 4, 12, 2)];
  test('what is moved pushes down what lies there, and gaps close', () => {
    const moved = arranged(three, 'a', { x: 3, y: 0 });
    expect(at(moved, 'a')).toEqual([3, 0, 6, 4]);
    expect(at(moved, 'b')).toEqual([6, 4, 6, 4]);
    expect(at(moved, 'c')).toEqual([0, 8, 12, 2]);
    expect(moved.map((b) => b.id)).toEqual(['a', 'b', 'c']);
    expect(at(arranged(moved, 'a', { x: 0 }), 'b')).toEqual([6, 0, 6, 4]);
  });
  test('a larger one pushes too; nothing leaves the grid', () => {
    const grown = arranged(three, 'a', { w: 9, h: 6 });
    expect(crossing(grown)).toBe(false);
    expect(at(grown, 'b')).toEqual([6, 6, 6, 4]);
    expect(fitted(box('z', 11, -3, 40, 99))).toEqual(box('z', 0, 0, 12, 40));
    expect(at(arranged(three, 'b', { x: 30 }), 'b')).toEqual([6, 0, 6, 4]);
    expect(arranged(three, 'none', { x: 1 })).toBe(three);
  });
  test('any row of moves leaves no two in one place and no hole above', () => {
    let boxes = Array.from({ length: 40 }, (_, i) => box(`w${i}`, (i * 3) % 12, Math.floor(i / 4) * 2, 3, 2));
    let seed = 7;
    const next = (n: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
    for (let i = 0; i < 60; i += 1) {
      boxes = arranged(boxes, `w${next(40)}`, { x: next(12), y: next(30), w: 1 + next(12), h: 1 + next(6) });
      expect(crossing(boxes)).toBe(false);
      expect(compacted(boxes)).toEqual(boxes);
    }
  });
  test('a new one takes the first free place; a removed one leaves none', () => {
    expect(placed(three, box('d', 0, 0, 3, 2))).toMatchObject({ x: 0, y: 6 });
    expect(placed(without(three, 'b'), box('d', 0, 0, 3, 2))).toMatchObject({ x: 6, y: 0 });
    expect(at(without(three, 'a'), 'c')).toEqual([0, 4, 12, 2]);
    expect(readingOrder([three[2] as Box, three[1] as Box, three[0] as Box]).map((b) => b.id)).toEqual(['a', 'b', 'c']);
  });
  test('keys move and resize by one cell', () => {
    expect(keyBox('ArrowLeft', false, box('a', 2, 3, 4, 5))).toEqual({ x: 1, y: 3 });
    expect(keyBox('ArrowUp', false, box('a', 2, 0, 4, 5))).toEqual({ x: 2, y: 0 });
    expect(keyBox('ArrowRight', true, box('a', 8, 3, 4, 5))).toEqual({ w: 4, h: 5 });
    expect(keyBox('ArrowUp', true, box('a', 8, 3, 4, 1))).toEqual({ w: 4, h: 1 });
    expect(keyBox('x', false, box('a', 0, 0, 1, 1))).toBeNull();
  });
});

describe('undo', () => {
  const doc = (name: string): Doc => ({ name, widgets: [] });
  test('goes back and forth; a new change ends what was undone', () => {
    let e = begun(doc('a'));
    e = changed(e, doc('b'));
    e = changed(e, doc('c'));
    e = undone(e);
    expect(e.now.name).toBe('b');
    expect(redone(e).now.name).toBe('c');
    e = changed(e, doc('d'));
    expect(redone(e)).toBe(e);
    expect(undone(undone(undone(e))).now.name).toBe('a');
  });
  test('typing is one step', () => {
    let e = begun(doc(''));
    'title'.split('').forEach((_, i) => (e = changed(e, doc('title'.slice(0, i + 1)), 'title w1', 1000 + i * 100)));
    expect(undone(e).now.name).toBe('');
    expect(changed(e, doc('x'), 'title w1', 9000).past).toHaveLength(2);
  });
});

describe('documents', () => {
  const widgets: Widget[] = [
    { ...box('w1', 0, 0, 3, 3), kind: 'value', points: ['p/f'] },
    { ...box('w2', 3, 0, 3, 3), kind: 'table', devices: ['p', 'q'], properties: ['f', 'g'] },
  ];
  test('name what they show once', () => {
    expect(allPoints(widgets)).toEqual(['p/f', 'p/g', 'q/f', 'q/g']);
    expect(freeId(widgets)).toBe('w3');
    const made = added({ name: 'x', widgets }, 'chart');
    expect(made.doc.widgets[2]).toMatchObject({ id: 'w3', kind: 'chart', points: [], x: 6, y: 0 });
    expect(twin(made.doc, 'w1').doc.widgets[3]).toMatchObject({ id: 'w4', points: ['p/f'] });
  });
  test('files come back as they went; what is no dashboard is refused', () => {
    const doc: Doc = { name: 'x', description: 'y', shared: true, range: '8h', widgets };
    expect(docFrom(fileOf(doc))).toEqual({ ...doc, shared: false });
    for (const text of ['', '[]', '{"name":"x"}', 'null', '{"widgets":[]}']) expect(docFrom(text)).toBeNull();
  });
  test('the highest threshold that is reached counts, in whatever order', () => {
    const th = [{ at: 80, level: 'bad' }, { at: 0, level: 'good' }, { at: 60, level: 'warning' }] as const;
    expect([-1, 0, 59.9, 60, 80, 1e9, null].map((v) => levelOf(v, [...th]))).toEqual([null, 'good', 'good', 'warning', 'bad', 'bad', null]);
    expect(bands([...th], 0, 100)).toEqual([
      { from: 0, to: 0.6, level: 'good' }, { from: 0.6, to: 0.8, level: 'warning' }, { from: 0.8, to: 1, level: 'bad' },
    ]);
  });
});

describe('text', () => {
  test('is cut into blocks', () => {
    expect(blocks('# a\nb\nc\n\n- d\n- e\n1. f\n---\ng').map((b) => [b.kind, b.lines])).toEqual([
      ['h1', ['a']], ['p', ['b', 'c']], ['ul', ['d', 'e']], ['ol', ['f']], ['hr', ['']], ['p', ['g']],
    ]);
  });
  test('links lead to the web or into the console, nowhere else', () => {
    expect(safeLink('https://a.example/x')).toBe('https://a.example/x');
    expect(safeLink('/devices/a')).toBe('/devices/a');
    for (const bad of ['javascript:alert(1)', 'data:text/html,x', '//evil.example', '/\\evil.example', 'http://', ' https://x', 'ftp://x']) expect(safeLink(bad)).toBeNull();
  });
});

describe('live values', () => {
  test('tell those who show them and nobody else', () => {
    const store = new BoardStore(true, 0);
    const told: string[] = [];
    store.subscribe(['a/x', 'a/y'], () => told.push('both'));
    const stop = store.subscribe(['b/x'], () => told.push('b'));
    store.onSamples({ 'a/x': [[1000, 1, 192]], 'a/y': [[1000, 2, 192]] });
    expect(told).toEqual(['both']);
    store.onSamples({ 'b/x': [[1000, 3, 192]] });
    stop();
    store.onSamples({ 'b/x': [[2000, 4, 192]] });
    expect(told).toEqual(['both', 'b']);
    expect(store.value('b/x')).toEqual({ time: 2000, value: 4, quality: 192 });
  });
  test('an older answer does not put a newer value back', () => {
    const store = new BoardStore();
    store.onSamples({ 'a/x': [[2000, 7, 192]] });
    const info = { device: 'a', property: 'x', type: 'f64', unit: '' };
    store.setData({ points: { 'a/x': { ...info, time: 1000, value: 1, quality: 192 } }, devices: {} }, ['a/x', 'a/gone'], []);
    expect(store.value('a/x')?.value).toBe(7);
    expect([store.info.has('a/x'), store.info.has('a/gone')]).toEqual([true, false]);
  });
  test('a line joins history and what came meanwhile, and stays as fine as is seen', () => {
    const tail = new Tail(1000);
    tail.begin({ time: [0, 1000], value: [1, 2] }, { time: [900, 1000, 1100], value: [9, 9, 3] });
    expect([tail.time, tail.value]).toEqual([[0, 1000, 1100], [1, 2, 3]]);
    for (let i = 0; i < 1000; i += 1) tail.add(2000 + i * 10, i === 500 ? 99 : i === 501 ? -99 : 5);
    expect(tail.time.length).toBeLessThan(3 + 4 * 11);
    expect([Math.max(...(tail.value as number[])), Math.min(...(tail.value as number[]))]).toEqual([99, -99]);
    expect([...tail.time].sort((a, b) => a - b)).toEqual(tail.time);
    tail.add(500, 1);
    expect(tail.time[tail.time.length - 1]).toBe(11_990);
  });
  test('a chart is drawn when a pixel has passed, once a second at most', () => {
    expect([everyMs(900_000, 600), everyMs(60_000, 600), everyMs(86_400_000, 600)]).toEqual([1500, 1000, 10_000]);
  });
  test('a fresh value does not flicker', () => {
    expect(ageWords(1000, 9000)).toBe(ageWords(5000, 9000));
    expect(ageWords(0, 60_000)).not.toBe(ageWords(0, 9000));
  });
});

describe('a panel', () => {
  test('reads events however they are cut', () => {
    const all = 'event: samples\ndata: {"a":1}\n\n: a remark\n\nevent: ping\r\ndata: {}\r\n\r\ndata: x\ndata: y\n\nevent: half\nda';
    expect(cutEvents(all)).toEqual({
      events: [{ name: 'samples', data: '{"a":1}' }, { name: 'ping', data: '{}' }, { name: 'message', data: 'x\ny' }],
      rest: 'event: half\nda',
    });
    const got: { name: string; data: string }[] = [];
    let text = '';
    for (const c of all) {
      const { events, rest } = cutEvents(text + c);
      got.push(...events);
      text = rest;
    }
    expect(got.map((e) => e.data)).toEqual(['{"a":1}', '{}', 'x\ny']);
  });
  test('has its token behind #, where no server sees it', () => {
    const url = new URL(panelPath('a b', 'sht_x', 'dark', 'zh'), 'http://host');
    expect([url.pathname, url.search, url.hash]).toEqual(['/panel/a%20b', '?look=dark&lang=zh', '#sht_x']);
  });
});
