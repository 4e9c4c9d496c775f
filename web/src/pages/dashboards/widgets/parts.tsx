// What the widgets share: watching the store, names of points, numbers, ages.
import { createContext, useContext, useEffect, useMemo, useReducer, useSyncExternalStore } from 'react';
import { splitPoint } from '../../../api/points';
import { readable } from '../../../api/quality';
import { useLiveState } from '../../../api/useLive';
import { pick, t } from '../../../i18n';
import { ago, cell, moment } from '../../../i18n/format';
import { measured } from '../../../charts/lines';
import { STALE_S } from '../model';
import type { BoardStore, Value } from '../store';

export const StoreContext = createContext<BoardStore | null>(null);

export function useStore(): BoardStore {
  const store = useContext(StoreContext);
  if (!store) throw new Error('a widget outside of a dashboard');
  return store;
}

/** Draws again when one of the names has news. */
export function useNews(keys: string[]): BoardStore {
  const store = useStore();
  const [, again] = useReducer((n: number) => n + 1, 0);
  const key = keys.join('\n');
  useEffect(() => store.subscribe(key ? key.split('\n') : [], again), [store, key]);
  return store;
}

/** A name for people: that of the model, else the property; with the device when asked. */
export function pointWords(store: BoardStore, point: string, withDevice: boolean): string {
  const info = store.info.get(point);
  const { device, property } = info ?? splitPoint(point);
  const name = pick(info?.name, property);
  return withDevice && device ? `${device} · ${name}` : name;
}

export function valueWords(store: BoardStore, point: string, value: Value | null, decimals?: number): string {
  if (!value || !readable(value.quality)) return '–';
  const info = store.info.get(point);
  const word = info?.enum?.[String(typeof value.value === 'boolean' ? Number(value.value) : value.value)];
  if (word) return pick(word, cell(value.value));
  if (typeof value.value === 'number' && decimals !== undefined && Number.isFinite(value.value)) return value.value.toFixed(decimals);
  return cell(value.value);
}

export function numberOf(value: Value | null): number | null {
  return value ? measured(value.value, value.quality) : null;
}

// One clock for all ages of a page.
const clockListeners = new Set<() => void>();
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
function onClock(listener: () => void): () => void {
  clockListeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    clockListeners.forEach((l) => l());
  }, 1000);
  return () => {
    clockListeners.delete(listener);
    if (clockListeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

const FRESH_MS = 10_000;

/** What is younger than ten seconds is "now": the text does not flicker with each value. */
export function ageWords(time: number, at = Date.now()): string {
  return at - time < FRESH_MS ? t('span.now') : ago(time, at);
}

export function Ago({ time }: { time: number }) {
  // The snapshot is the text: a second that does not change it draws nothing.
  const words = useSyncExternalStore(onClock, () => ageWords(time, Math.max(now, Date.now() - 1000)));
  return (
    <time dateTime={new Date(time).toISOString()} title={moment(time, true)}>
      {words}
    </time>
  );
}

/** Old: longer ago than it may be, or the stream is cut, so that nobody knows. */
export function useStale(time: number | null, seconds: number | undefined): boolean {
  const live = useLiveState();
  const old = useSyncExternalStore(onClock, () => time !== null && Date.now() - time > 1000 * (seconds ?? STALE_S));
  return old || live === 'down';
}

/** Nothing to show: why. */
export function Nothing({ point }: { point?: string }) {
  const store = useStore();
  const words = point === undefined ? t('board.choose') : store.info.has(point) ? t('board.noValue') : t('board.noPoint');
  return (
    <p className="widget-nothing" title={point}>
      {words}
    </p>
  );
}

export function useKeys(points: string[]): string[] {
  const key = points.join('\n');
  return useMemo(() => (key ? key.split('\n') : []), [key]);
}
