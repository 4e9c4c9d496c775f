// Fills the store of a page: what is there at first, then the live stream alone. Nothing is polled;
// when the stream comes back after a break, everything is read once more and the lines have no holes.
import { useCallback, useEffect, useRef, useState } from 'react';
import { asProblem, post, type Problem } from '../../api/client';
import { useLive, useLiveState } from '../../api/useLive';
import { allDevices, allPoints, type Data, type Widget } from './model';
import { BoardStore } from './store';

interface Board {
  store: BoardStore;
  /** Grows when the stream is back after a break. */
  epoch: number;
  /** When the stream was cut; null while it is there. */
  cutAt: number | null;
  loaded: boolean;
  problem: Problem | null;
  reload: () => void;
}

interface Options {
  /** The stored dashboard that the stream is asked for; null: by names only. */
  id: string | null;
  widgets: Widget[];
  /** Points of the stored one: others are named in the address of the stream. */
  stored: Widget[];
  linked?: boolean;
  /** The stream is back. */
  onBack?: () => void;
}

const NONE: string[] = [];

export function useBoard({ id, widgets, stored, linked = true, onBack }: Options): Board {
  const [store] = useState(() => new BoardStore(linked));
  const [epoch, setEpoch] = useState(0);
  const [loaded, setLoaded] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [cutAt, setCutAt] = useState<number | null>(null);
  const points = allPoints(widgets);
  const devices = allDevices(widgets);
  const key = JSON.stringify([points, devices]);
  const known = new Set(allPoints(stored));
  const extra = id === null ? points : points.filter((p) => !known.has(p));

  const read = useCallback(async () => {
    const [names, ids] = JSON.parse(key) as [string[], string[]];
    try {
      const data = names.length + ids.length > 0 ? await post<Data>('dashboards/data', { points: names, devices: ids }) : { points: {}, devices: {} };
      store.setData(data, names, ids);
      setProblem(null);
      setLoaded(true);
    } catch (error) {
      setProblem(asProblem(error));
    }
  }, [store, key]);

  useEffect(() => void read(), [read]);

  const state = useLiveState();
  const before = useRef(state);
  const wasLive = useRef(state === 'live');
  const back = useRef(onBack);
  back.current = onBack;
  useEffect(() => {
    if (state === 'down') setCutAt((at) => at ?? Date.now());
    if (state === 'live') setCutAt(null);
    const cut = before.current === 'down' || before.current === 'connecting';
    if (state === 'live' && cut && before.current !== state && wasLive.current) {
      back.current?.();
      void read().then(() => setEpoch((n) => n + 1));
    }
    if (state === 'live') wasLive.current = true;
    before.current = state;
  }, [state, read]);

  useLive({
    dashboard: id ?? undefined,
    points: extra.length > 0 ? extra : NONE,
    onSamples: store.onSamples,
    onMasked: (names) => {
      if (store.onMasked(names)) void read();
    },
    onDevice: store.onDevice,
  });
  return { store, epoch, cutAt, loaded, problem, reload: () => void read() };
}
