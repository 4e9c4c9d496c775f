// What the widgets of one page show: newest values, states, and the lines of charts. Widgets watch the
// names they show, so a value that comes redraws its own widget and no other.
import { post } from '../../api/client';
import type { DeviceEvent, LiveSample } from '../../api/stream';
import type { Cell, QueryAnswer } from '../../api/types';
import { measured } from '../../charts/lines';
import type { Data, DeviceInfo, PointInfo } from './model';

export interface Value {
  time: number;
  value: Cell;
  quality: number;
}
export interface Series {
  time: number[];
  value: (number | null)[];
}

type Listener = () => void;
type Sampler = (samples: LiveSample[]) => void;

const GROUP_MS = 20;
const GROUP_POINTS = 40;

interface Ask {
  point: string;
  done: (series: Series) => void;
  failed: (error: unknown) => void;
}

export class BoardStore {
  readonly info = new Map<string, PointInfo>();
  readonly devices = new Map<string, DeviceInfo>();
  private readonly values = new Map<string, Value>();
  private readonly listeners = new Map<string, Set<Listener>>();
  private readonly samplers = new Map<string, Set<Sampler>>();
  private readonly asks = new Map<string, Ask[]>();
  /** Names of devices lead to their pages; not on a wall panel. */
  readonly linked: boolean;
  private readonly restMs: number;
  private news = new Set<string>();
  private toldAt = -Infinity;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** restMs: values are drawn so often at most; more often than that nobody reads them. */
  constructor(linked = true, restMs = 400) {
    this.linked = linked;
    this.restMs = restMs;
  }

  value(point: string): Value | null {
    return this.values.get(point) ?? null;
  }

  /** key: a point's name, or "device:" and an id. */
  subscribe(keys: string[], listener: Listener): () => void {
    for (const key of keys) {
      const set = this.listeners.get(key) ?? new Set();
      this.listeners.set(key, set.add(listener));
    }
    return () => keys.forEach((key) => this.listeners.get(key)?.delete(listener));
  }

  follow(point: string, sampler: Sampler): () => void {
    const set = this.samplers.get(point) ?? new Set();
    this.samplers.set(point, set.add(sampler));
    return () => set.delete(sampler);
  }

  private tell(keys: Iterable<string>): void {
    const once = new Set<Listener>();
    for (const key of keys) this.listeners.get(key)?.forEach((l) => once.add(l));
    once.forEach((l) => l());
  }

  setData(data: Data, points: string[], devices: string[]): void {
    for (const name of points) {
      const info = data.points[name];
      if (!info) {
        this.info.delete(name);
        this.values.delete(name);
        continue;
      }
      this.info.set(name, info);
      if (info.masked) this.values.delete(name);
      const old = this.values.get(name);
      if (info.time !== undefined && (!old || old.time <= info.time)) {
        this.values.set(name, { time: info.time, value: info.value ?? null, quality: info.quality ?? 0 });
      }
    }
    for (const id of devices) {
      const device = data.devices[id];
      if (device) this.devices.set(id, device);
      else this.devices.delete(id);
    }
    this.tell([...points, ...devices.map((id) => `device:${id}`)]);
  }

  /** All points that are above one's clearance now; true: others than before, so everything is read again. */
  readonly onMasked = (points: string[]): boolean => {
    const hidden = new Set(points);
    return [...this.info].some(([name, info]) => (info.masked === true) !== hidden.has(name));
  };

  readonly onSamples = (samples: Record<string, LiveSample[]>): void => {
    const came: string[] = [];
    for (const [point, list] of Object.entries(samples)) {
      const last = list[list.length - 1];
      if (!last) continue;
      came.push(point);
      this.values.set(point, { time: last[0], value: last[1], quality: last[2] });
      this.samplers.get(point)?.forEach((s) => s(list));
    }
    this.tellLater(came);
  };

  private tellLater(keys: string[]): void {
    keys.forEach((key) => this.news.add(key));
    if (this.timer !== undefined) return;
    const wait = this.toldAt + this.restMs - performance.now();
    const flush = () => {
      const { news } = this;
      this.timer = undefined;
      this.news = new Set();
      this.toldAt = performance.now();
      this.tell(news);
    };
    if (wait <= 0) flush();
    else this.timer = setTimeout(flush, wait);
  }

  readonly onDevice = (event: DeviceEvent): void => {
    const old = this.devices.get(event.device);
    if (!old) return;
    this.devices.set(event.device, { ...old, state: event.state, since: event.since });
    this.tell([`device:${event.device}`]);
  };

  /** A point's line; questions of the same range that come together go as one. */
  line(point: string, from: number, to: number, pixels: number): Promise<Series> {
    const key = `${from}|${to}|${pixels}`;
    return new Promise((done, failed) => {
      const group = this.asks.get(key);
      if (group) {
        group.push({ point, done, failed });
        return;
      }
      this.asks.set(key, [{ point, done, failed }]);
      setTimeout(() => {
        const all = this.asks.get(key) ?? [];
        this.asks.delete(key);
        for (let i = 0; i < all.length; i += GROUP_POINTS) void askHistory(all.slice(i, i + GROUP_POINTS), from, to, pixels);
      }, GROUP_MS);
    });
  }
}

async function askHistory(asks: Ask[], from: number, to: number, pixels: number): Promise<void> {
  try {
    const points = [...new Set(asks.map((a) => a.point))];
    const body = { points, from, to, time: 'ms', downsample: { method: 'minmax', points: pixels } };
    const answer = await post<QueryAnswer>('history/query', body);
    const of = new Map(answer.series.map((s) => [s.point, s]));
    for (const ask of asks) {
      const s = of.get(ask.point);
      const time = (s?.time ?? []).map(Number);
      ask.done({ time, value: time.map((_, i) => measured(s?.value?.[i], s?.quality?.[i])) });
    }
  } catch (error) {
    asks.forEach((ask) => ask.failed(error));
  }
}

/** A line that grows at its end and is cut at its beginning. Of the samples within one step (about a
 * pixel) the first, the lowest, the highest and the last stay, as a drawn line shows no more. */
export class Tail {
  time: number[] = [];
  value: (number | null)[] = [];
  private readonly step: number;
  private start = 0; // of the last step, in the arrays

  constructor(step: number) {
    this.step = Math.max(1, step);
  }

  begin(series: Series, since: Series): void {
    const end = series.time[series.time.length - 1] ?? -Infinity;
    this.time = [...series.time];
    this.value = [...series.value];
    this.start = this.time.length;
    since.time.forEach((at, i) => {
      if (at > end) this.add(at, since.value[i] ?? null);
    });
  }

  add(at: number, value: number | null): void {
    const { time, step } = this;
    const last = time[time.length - 1];
    if (last !== undefined && at <= last) return; // came late: history has it at the next reading
    if (this.start >= time.length || Math.floor(at / step) !== Math.floor((time[this.start] as number) / step)) this.start = time.length;
    time.push(at);
    this.value.push(value);
    if (time.length - this.start > 4) this.thin();
  }

  private thin(): void {
    const from = this.start;
    const part = this.value.slice(from);
    const end = part.length - 1;
    let low = 0;
    let high = 0;
    part.forEach((v, i) => {
      if (v !== null && (part[low] ?? Infinity) > v) low = i;
      if (v !== null && (part[high] ?? -Infinity) < v) high = i;
    });
    const keep = [...new Set([0, low, high, end])].sort((a, b) => a - b);
    const times = this.time.slice(from);
    this.time.splice(from, times.length, ...keep.map((i) => times[i] as number));
    this.value.splice(from, part.length, ...keep.map((i) => part[i] as number | null));
  }

  cut(before: number): void {
    let n = 0;
    while (n + 1 < this.time.length && (this.time[n + 1] as number) < before) n += 1; // one stays outside: the line comes in from there
    if (n > 50) {
      this.time.splice(0, n);
      this.value.splice(0, n);
      this.start = Math.max(0, this.start - n);
    }
  }
}
