// Devices of the filter with a position: all of them once when they are few enough, else what the box holds, gathered by the server.
import { useCallback, useEffect, useRef, useState } from 'react';
import { asProblem, get, type Problem } from '../../api/client';
import type { DeviceState } from '../../api/types';
import { useLive } from '../../api/useLive';
import type { Filter } from '../devices/bulk';
import type { Mark, Spot } from './cluster';
import { worldOf, type Box } from './projection';

export interface MapAnswer {
  items: [id: string, name: string, lat: number, lon: number, state: DeviceState][];
  clusters: [lat: number, lon: number, online: number, offline: number, never: number][];
  extent: Box | null;
  total: number;
  placed: number;
  within: number;
}
export interface MapData {
  spots: Spot[];
  /** Gathered by the server: then there are no spots. */
  marks: Mark[];
  extent: Box | null;
  total: number;
  placed: number;
}
type Shift = (lat: number, lon: number) => [number, number];

const REST_MS = 250;
const STATES_MS = 400;
const AGAIN_MS = 5000;

function dataOf(a: MapAnswer, shift: Shift): MapData {
  const at = (lat: number, lon: number) => worldOf(...shift(lat, lon));
  return {
    spots: a.items.map(([id, name, lat, lon, state]) => {
      const [x, y] = at(lat, lon);
      return { id, name, state, x, y, lat, lon };
    }),
    marks: a.clusters.map(([lat, lon, online, offline, never]) => {
      const [x, y] = at(lat, lon);
      return { x, y, n: online + offline + never, online, offline, never, spot: null };
    }),
    extent: a.extent,
    total: a.total,
    placed: a.placed,
  };
}

export function useMapData(filter: Filter, shift: Shift) {
  const key = JSON.stringify(filter);
  const [data, setData] = useState<MapData | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [turn, setTurn] = useState(0);
  const box = useRef<Box | null>(null);
  const partial = useRef(false); // the last answer was of a box
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  const abort = useRef<AbortController | null>(null);
  const gathered = useRef(false);

  const read = useCallback(
    async (where: Box | null) => {
      abort.current?.abort();
      const mine = new AbortController();
      abort.current = mine;
      try {
        const query = { ...(JSON.parse(key) as Filter), box: where?.map((v) => v.toFixed(6)).join(',') };
        const answer = await get<MapAnswer>('devices/map', query, mine.signal);
        partial.current = where !== null;
        gathered.current = answer.clusters.length > 0;
        setData(dataOf(answer, shift));
        setProblem(null);
      } catch (error) {
        if (!mine.signal.aborted) setProblem(asProblem(error));
      }
    },
    [key, shift],
  );
  useEffect(() => {
    setData(null);
    box.current = null;
    void read(null);
    return () => {
      abort.current?.abort();
      if (timer.current) clearTimeout(timer.current);
    };
  }, [read, turn]);

  /** The map was moved: asks anew only when not everything is here. */
  const moved = useCallback(
    (next: Box) => {
      box.current = next;
      if (!gathered.current && !partial.current) return;
      if (timer.current) clearTimeout(timer.current);
      timer.current = setTimeout(() => void read(next), REST_MS);
    },
    [read],
  );

  const news = useRef(new Map<string, DeviceState>());
  const told = useRef<ReturnType<typeof setTimeout> | null>(null);
  useEffect(
    () => () => {
      if (told.current) clearTimeout(told.current);
    },
    [],
  );
  useLive({
    onDevice: (event) => {
      news.current.set(event.device, event.state);
      told.current ??= setTimeout(
        () => {
          const states = news.current;
          news.current = new Map();
          told.current = null;
          if (gathered.current) void read(box.current); // whose square it is only the server knows
          else
            setData((old) =>
              old?.spots.some((s) => states.has(s.id) && states.get(s.id) !== s.state)
                ? { ...old, spots: old.spots.map((s) => (states.has(s.id) ? { ...s, state: states.get(s.id) ?? s.state } : s)) }
                : old,
            );
        },
        gathered.current ? AGAIN_MS : STATES_MS,
      );
    },
  });
  return { data, problem, moved, reload: () => setTurn((n) => n + 1) };
}
