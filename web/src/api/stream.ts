// The live stream: one EventSource for the whole tab, shared by everything that watches.
//
// Invariants:
//  1. At most one EventSource is open. It asks for the union of what the watchers want.
//  2. A change of the union reopens it once, after REGROUP_MS, so a page with fifty points costs one.
//  3. Silence longer than SILENCE_MS (the server pings) or a closed source reopens with back-off.
import type { Cell, Overview } from './types';
import { apiUrl } from './client';

export type LiveSample = [timeMs: number, value: Cell, quality: number];
export type DeviceEvent = { device: string; state: 'never' | 'online' | 'offline'; since?: string };
export type LiveState = 'idle' | 'connecting' | 'live' | 'down';

export interface Watch {
  /** Points to follow. The list in the address is cut at commas: a name with one cannot be in it. */
  points?: string[];
  /** Devices of which every point is followed. */
  devices?: string[];
  /** A stored dashboard: all points it shows, without naming them in the address. One at a time. */
  dashboard?: string;
  /** Ask for the overview once a second. */
  overview?: boolean;
  onSamples?: (samples: Record<string, LiveSample[]>) => void;
  onDevice?: (event: DeviceEvent) => void;
  onOverview?: (overview: Partial<Overview>) => void;
  /** All points of the stream that are above one's clearance now. */
  onMasked?: (points: string[]) => void;
}

const REGROUP_MS = 60;
const SILENCE_MS = 40_000; // the server pings every 15 s
const BACKOFF_MAX_MS = 15_000;

export class LiveStream {
  private readonly watches = new Set<Watch>();
  private readonly listeners = new Set<() => void>();
  private source: EventSource | null = null;
  private openUrl = '';
  private status: LiveState = 'idle';
  private failures = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private silence: ReturnType<typeof setTimeout> | undefined;

  private open: (url: string) => EventSource;

  constructor(open: (url: string) => EventSource = (url) => new EventSource(url)) {
    this.open = open;
  }

  /** Another way to the server; before anything is watched. */
  openWith(open: (url: string) => EventSource): void {
    this.open = open;
  }

  watch(watch: Watch): () => void {
    this.watches.add(watch);
    this.plan(REGROUP_MS);
    return () => {
      this.watches.delete(watch);
      this.plan(REGROUP_MS);
    };
  }

  readonly state = (): LiveState => this.status;
  readonly onState = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  private url(): string | null {
    if (this.watches.size === 0) return null;
    const union = (pick: (w: Watch) => string[] | undefined) =>
      [...new Set([...this.watches].flatMap((w) => pick(w) ?? []))].sort().join(',');
    const overview = [...this.watches].some((w) => w.overview);
    const points = union((w) => w.points?.filter((p) => !p.includes(',')));
    return apiUrl('stream', {
      points,
      // One that is gone does not take the others with it.
      missing: points ? 'skip' : null,
      dashboard: [...this.watches].find((w) => w.dashboard)?.dashboard,
      devices: union((w) => w.devices),
      overview: overview ? 1 : null,
    });
  }

  private plan(delay: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.connect(), delay);
  }

  private set(status: LiveState): void {
    if (status === this.status) return;
    this.status = status;
    this.listeners.forEach((listener) => listener());
  }

  private close(): void {
    clearTimeout(this.silence);
    this.source?.close();
    this.source = null;
    this.openUrl = '';
  }

  private connect(): void {
    const url = this.url();
    if (url === null) {
      this.close();
      this.set('idle');
      return;
    }
    if (this.source && url === this.openUrl) return;
    this.close();
    if (this.status !== 'live') this.set('connecting');
    const source = this.open(url);
    this.source = source;
    this.openUrl = url;
    source.onopen = () => this.heard();
    source.onerror = () => this.failed(source);
    source.addEventListener('ping', () => this.heard());
    this.route(source, 'samples', (watch, data) =>
      watch.onSamples?.(data as Record<string, LiveSample[]>),
    );
    this.route(source, 'masked', (watch, data) => watch.onMasked?.((data as { points: string[] }).points));
    this.route(source, 'device', (watch, data) => watch.onDevice?.(data as DeviceEvent));
    this.route(source, 'overview', (watch, data) => watch.onOverview?.(data as Partial<Overview>));
    this.listen();
  }

  private route(
    source: EventSource,
    name: string,
    give: (watch: Watch, data: unknown) => void,
  ): void {
    source.addEventListener(name, (event) => {
      if (source !== this.source) return;
      this.heard();
      const data: unknown = JSON.parse((event as MessageEvent<string>).data);
      this.watches.forEach((watch) => give(watch, data));
    });
  }

  private heard(): void {
    this.failures = 0;
    this.set('live');
    this.listen();
  }

  private listen(): void {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.source && this.failed(this.source), SILENCE_MS);
  }

  private failed(source: EventSource): void {
    if (source !== this.source) return;
    this.close();
    this.set('down');
    this.failures += 1;
    this.plan(Math.min(BACKOFF_MAX_MS, 500 * 2 ** Math.min(this.failures, 5)));
  }
}

export const live = new LiveStream();
