import { describe, expect, test } from 'vitest';
import { cluster, radiusOf, type Spot } from '../../src/pages/plant/cluster';
import { begin, keyOf, planBody, reduce, type Marker } from '../../src/pages/plant/planEdit';
import {
  boxOf, degrees, fitMap, gcjToWgs, graticuleStep, pixelsOf, placeOf, scaleBar, tilesOf, toScreen, toWorld, wgsToGcj, worldOf, zoomMap,
} from '../../src/pages/plant/projection';
import { fit, fractionAt, panBy, pinch, zoomAt } from '../../src/pages/plant/viewport';
import { placeFields, placeOf as placeOfForm } from '../../src/pages/devices/DeviceFields';

const size = { width: 1000, height: 800 };

describe('projection', () => {
  test('known places of EPSG:3857, and back', () => {
    expect(worldOf(0, 0)).toEqual([0.5, 0.5]);
    expect(worldOf(85.051129, -180)[1]).toBeCloseTo(0, 7);
    const [x, y] = worldOf(45.75, 126.65);
    expect((x - 0.5) * 40_075_016.686).toBeCloseTo((126.65 * Math.PI * 6_378_137) / 180, 2);
    expect((0.5 - y) * 40_075_016.686).toBeCloseTo(Math.log(Math.tan(Math.PI / 4 + (45.75 * Math.PI) / 360)) * 6_378_137, 3);
    for (const [lat, lon] of [[45.75, 126.65], [-33.9, 18.4], [0.001, -179.9]] as const) {
      const back = placeOf(...worldOf(lat, lon));
      expect(back[0]).toBeCloseTo(lat, 9);
      expect(back[1]).toBeCloseTo(lon, 9);
    }
  });
  test('what is below the pointer stays there while zooming', () => {
    const view = { x: 0.7, y: 0.3, zoom: 5 };
    const before = toWorld(view, size, 123, 456);
    const after = zoomMap(view, size, 2.5, 123, 456);
    expect(after.zoom).toBe(7.5);
    expect(toScreen(after, size, before)[0]).toBeCloseTo(123, 6);
    expect(toScreen(after, size, before)[1]).toBeCloseTo(456, 6);
    expect(zoomMap(view, size, 99).zoom).toBe(20);
    expect(zoomMap(view, size, -99).zoom).toBe(1);
  });
  test('all of a box is in view; a single place is not too near', () => {
    const view = fitMap([116, 39, 127, 46], size);
    const box = boxOf(view, size);
    expect(box[0]).toBeLessThan(116);
    expect(box[1]).toBeLessThan(39);
    expect(box[2]).toBeGreaterThan(127);
    expect(box[3]).toBeGreaterThan(46);
    expect(fitMap([126, 45, 126, 45], size).zoom).toBe(16);
  });
  test('tiles cover the screen and are not beyond the world', () => {
    const view = { x: 0.5, y: 0.5, zoom: 3.2 };
    const tiles = tilesOf(view, size);
    expect(tiles.every((t) => t.z === 3 && t.x >= 0 && t.x < 8 && t.y >= 0 && t.y < 8)).toBe(true);
    const area = tiles.reduce((sum, t) => sum + t.side * t.side, 0);
    expect(area).toBeGreaterThanOrEqual(size.width * size.height);
    expect(tilesOf({ x: 0, y: 0, zoom: 1 }, size).length).toBe(4);
    expect(tilesOf({ x: 0.5, y: 0.5, zoom: 20 }, size)[0]?.z).toBe(19);
  });
});

describe('GCJ-02', () => {
  test('a few hundred metres within China, nothing outside', () => {
    const metres = (a: readonly [number, number], b: readonly [number, number]) =>
      Math.hypot((a[0] - b[0]) * 111_195, (a[1] - b[1]) * 111_195 * Math.cos((a[0] * Math.PI) / 180));
    for (const place of [[39.9087, 116.3975], [45.75, 126.65], [31.23, 121.47], [22.54, 114.06]] as const) {
      const moved = metres(place, wgsToGcj(place[0], place[1]));
      expect(moved).toBeGreaterThan(100);
      expect(moved).toBeLessThan(800);
      expect(metres(place, gcjToWgs(...wgsToGcj(place[0], place[1])))).toBeLessThan(0.001);
    }
    expect(wgsToGcj(48.85, 2.35)).toEqual([48.85, 2.35]);
    expect(gcjToWgs(-33.9, 18.4)).toEqual([-33.9, 18.4]);
  });
  test('a pair of coordinates that is known: the middle of Beijing', () => {
    const [lat, lon] = wgsToGcj(39.907333, 116.391083);
    expect(lat).toBeCloseTo(39.908737, 4);
    expect(lon).toBeCloseTo(116.397327, 4);
  });
});

describe('scale bar and graticule', () => {
  test('a round length, as long as fits', () => {
    for (let zoom = 1; zoom <= 20; zoom += 0.37) {
      const { metres, pixels } = scaleBar({ x: 0.85, y: 0.36, zoom }, 140);
      expect(pixels).toBeLessThanOrEqual(140);
      expect(pixels).toBeGreaterThan(50);
      expect(['1', '2', '5']).toContain(metres.toExponential(6)[0]);
    }
    const { metres, pixels } = scaleBar({ x: 0.5, y: 0.5, zoom: 10 }, 140);
    expect(metres / pixels).toBeCloseTo(40_075_016.686 / pixelsOf(10), 6);
  });
  test('lines about 120 pixels apart, with as many digits as they need', () => {
    expect(graticuleStep({ x: 0.5, y: 0.5, zoom: 1 })).toBe(30);
    expect(graticuleStep({ x: 0.5, y: 0.5, zoom: 12 })).toBe(0.05);
    expect(degrees(126.65, 0.05, ['E', 'W'])).toBe('126.65°E');
    expect(degrees(-33.9, 0.1, ['N', 'S'])).toBe('33.9°S');
    expect(degrees(-30, 10, ['E', 'W'])).toBe('30°W');
    expect(degrees(0, 10, ['N', 'S'])).toBe('0°');
  });
});

const spot = (id: string, x: number, y: number, state: Spot['state'] = 'online'): Spot => ({ id, name: '', state, x, y, lat: 0, lon: 0 });

describe('devices that lie upon each other', () => {
  test('nobody is lost or counted twice; one alone keeps its device', () => {
    const marks = cluster([spot('a', 0.101, 0.1), spot('b', 0.102, 0.1, 'offline'), spot('c', 0.103, 0.1, 'never'), spot('d', 0.9, 0.9)], 0.01);
    expect(marks.map((m) => [m.n, m.online, m.offline, m.never, m.spot?.id ?? null])).toEqual([
      [3, 1, 1, 1, null],
      [1, 1, 0, 0, 'd'],
    ]);
    expect(marks[0]?.x).toBeCloseTo(0.102, 9);
  });
  test('20,000 in a moment', () => {
    const spots = Array.from({ length: 20_000 }, (_, i) => spot(String(i), (i % 200) / 200, Math.floor(i / 200) / 100));
    const began = performance.now();
    const marks = cluster(spots, 0.02);
    expect(performance.now() - began).toBeLessThan(400);
    expect(marks.reduce((n, m) => n + m.n, 0)).toBe(20_000);
    expect(radiusOf(10)).toBeLessThan(radiusOf(10_000));
  });
});

describe('pan and zoom of a picture', () => {
  const world = { width: 2000, height: 1000 };
  test('all of it, in the middle', () => {
    const view = fit(world, size);
    expect(view.scale).toBeCloseTo(0.488, 3);
    expect(fractionAt(view, world, 500, 400)).toEqual([0.5, 0.5]);
    expect(fractionAt(view, world, -9999, 9999)).toEqual([0, 1]);
  });
  test('zoom keeps the point, pan keeps some of the picture', () => {
    const view = fit(world, size);
    const at = fractionAt(view, world, 700, 300);
    expect(fractionAt(zoomAt(view, 3, 700, 300, [0.1, 20]), world, 700, 300)).toEqual(at);
    expect(zoomAt(view, 1e9, 0, 0, [0.1, 20]).scale).toBe(20);
    const far = panBy(view, 1e6, -1e6, world, size);
    expect(far.x).toBe(size.width - 60);
    expect(far.y).toBeCloseTo(60 - world.height * view.scale, 6);
  });
  test('two fingers', () => {
    const view = { scale: 1, x: 0, y: 0 };
    const next = pinch(view, [[100, 100], [200, 100]], [[100, 100], [300, 100]], [0.1, 20]);
    expect(next.scale).toBe(2);
    expect(fractionAt(next, world, 200, 100)[0]).toBeCloseTo(fractionAt(view, world, 150, 100)[0], 6);
  });
});

describe('a plan while it is edited', () => {
  const a: Marker = { device: 'a', name: 'A', state: 'online', x: 0.1, y: 0.1 };
  test('placed, moved, given a point, removed; undone and done again', () => {
    let edit = begin({ markers: [a], file: 'f' });
    edit = reduce(edit, { do: 'place', marker: { asset: 'line', x: 0.5, y: 0.5 } });
    edit = reduce(edit, { do: 'move', key: keyOf(a), x: 0.2, y: 0.3 });
    edit = reduce(edit, { do: 'point', key: keyOf(a), point: 'flow' });
    expect(planBody(edit.now)).toEqual({
      file: 'f',
      markers: [
        { device: 'a', x: 0.2, y: 0.3, point: 'flow' },
        { asset: 'line', x: 0.5, y: 0.5 },
      ],
    });
    edit = reduce(edit, { do: 'remove', key: 'a:line' });
    expect(edit.now.markers.length).toBe(1);
    for (let i = 0; i < 9; i++) edit = reduce(edit, { do: 'undo' });
    expect(edit.now.markers).toEqual([a]);
    for (let i = 0; i < 9; i++) edit = reduce(edit, { do: 'redo' });
    expect(edit.now.markers.length).toBe(1);
    expect(edit.now.markers[0]?.point).toBe('flow');
    edit = reduce(reduce(edit, { do: 'undo' }), { do: 'picture', file: 'g' });
    expect(edit.future).toEqual([]);
    expect(edit.now.file).toBe('g');
  });
  test('placed twice is moved', () => {
    const edit = reduce(begin({ markers: [a], file: 'f' }), { do: 'place', marker: { ...a, x: 0.9 } });
    expect(edit.now.markers.map((m) => m.x)).toEqual([0.9]);
  });
});

describe('a place in the form of a device', () => {
  test('words, a position, both; a height stays', () => {
    expect(placeOfForm({ location: 'Hall' })).toBe('Hall');
    expect(placeOfForm({ lat: 1, lon: 2, location: 'Hall' }, { lat: 0, lon: 0, alt: 7 })).toEqual({ lat: 1, lon: 2, alt: 7, text: 'Hall' });
    expect(placeOfForm({})).toBeNull();
    expect(placeFields({ lat: 1, lon: 2, text: 'Hall' })).toEqual({ location: 'Hall', lat: 1, lon: 2 });
    expect(placeFields('Hall')).toEqual({ location: 'Hall' });
  });
});
