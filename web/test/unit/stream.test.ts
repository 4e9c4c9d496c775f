import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LiveStream } from '../../src/api/stream';

class FakeSource {
  static all: FakeSource[] = [];
  closed = false;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  readonly url: string;
  private readonly handlers = new Map<string, (event: unknown) => void>();
  constructor(url: string) {
    this.url = url;
    FakeSource.all.push(this);
  }
  addEventListener(name: string, handler: (event: unknown) => void) {
    this.handlers.set(name, handler);
  }
  close() {
    this.closed = true;
  }
  emit(name: string, data: unknown) {
    this.handlers.get(name)?.({ data: JSON.stringify(data) });
  }
}

const last = () => FakeSource.all[FakeSource.all.length - 1] as FakeSource;
const open = () => FakeSource.all.filter((s) => !s.closed).length;
const fresh = () => new LiveStream((url) => new FakeSource(url) as unknown as EventSource);

beforeEach(() => {
  vi.useFakeTimers();
  FakeSource.all = [];
});
afterEach(() => vi.useRealTimers());

describe('live stream', () => {
  test('watchers share one source that asks for the union', () => {
    const stream = fresh();
    stream.watch({ points: ['b/y', 'a/x'] });
    stream.watch({ points: ['a/x'], devices: ['d'] });
    vi.advanceTimersByTime(100);
    expect(FakeSource.all).toHaveLength(1);
    expect(decodeURIComponent(last().url)).toBe('/api/v1/stream?points=a/x,b/y&missing=skip&devices=d');
  });
  test('a watcher that comes later reopens once, and one that goes too', () => {
    const stream = fresh();
    stream.watch({ points: ['a/x'] });
    vi.advanceTimersByTime(100);
    const stop = stream.watch({ points: ['b/y'] });
    vi.advanceTimersByTime(100);
    expect(open()).toBe(1);
    expect(FakeSource.all).toHaveLength(2);
    stop();
    vi.advanceTimersByTime(100);
    expect(open()).toBe(1);
    expect(last().url).not.toContain('b');
  });
  test('a dashboard stands by its id, not by its points', () => {
    const stream = fresh();
    stream.watch({ dashboard: 'd1' });
    stream.watch({ overview: true });
    vi.advanceTimersByTime(100);
    expect(last().url).toBe('/api/v1/stream?dashboard=d1&overview=1');
  });
  test('the overview is asked for by those who show it', () => {
    const stream = fresh();
    stream.watch({});
    stream.watch({ overview: true });
    vi.advanceTimersByTime(100);
    expect(last().url).toBe('/api/v1/stream?overview=1');
  });
  test('a point whose name holds a comma is left out, it would be cut in two', () => {
    const stream = fresh();
    stream.watch({ points: ['a,b/x', 'c/x'] });
    vi.advanceTimersByTime(100);
    expect(decodeURIComponent(last().url)).toBe('/api/v1/stream?points=c/x&missing=skip');
  });
  test('samples reach every watcher', () => {
    const stream = fresh();
    const got: unknown[] = [];
    stream.watch({ points: ['a/x'], onSamples: (s) => got.push(s) });
    vi.advanceTimersByTime(100);
    last().emit('samples', { 'a/x': [[1, 2, 192]] });
    expect(got).toEqual([{ 'a/x': [[1, 2, 192]] }]);
    expect(stream.state()).toBe('live');
  });
  test('a fault reopens with back-off', () => {
    const stream = fresh();
    stream.watch({ points: ['a/x'] });
    vi.advanceTimersByTime(100);
    last().onerror?.();
    expect(stream.state()).toBe('down');
    expect(open()).toBe(0);
    vi.advanceTimersByTime(1100);
    expect(open()).toBe(1);
    last().onerror?.();
    vi.advanceTimersByTime(1100);
    expect(open()).toBe(0);
    vi.advanceTimersByTime(1000);
    expect(open()).toBe(1);
  });
  test('silence counts as a fault', () => {
    const stream = fresh();
    stream.watch({ points: ['a/x'] });
    vi.advanceTimersByTime(100);
    last().onopen?.();
    vi.advanceTimersByTime(39_000);
    last().emit('ping', {});
    vi.advanceTimersByTime(39_000);
    expect(open()).toBe(1);
    vi.advanceTimersByTime(1_100);
    expect([open(), stream.state()]).toEqual([0, 'down']);
  });
  test('nobody watching closes it', () => {
    const stream = fresh();
    const stop = stream.watch({});
    vi.advanceTimersByTime(100);
    stop();
    vi.advanceTimersByTime(100);
    expect([open(), stream.state()]).toEqual([0, 'idle']);
  });
});
