import { useEffect, useRef } from 'react';
import type { Device } from '../../api/types';
import { useLive } from '../../api/useLive';

const REST_MS = 500;
type Event = Pick<Device, 'state' | 'since'> & { device: string };

/** New states of devices into the rows: many at once, twice a second at most. */
export function useStates(set: (change: (items: Device[]) => Device[]) => void): void {
  const news = useRef(new Map<string, Event>());
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  useEffect(
    () => () => {
      if (timer.current) clearTimeout(timer.current);
    },
    [],
  );
  useLive({
    onDevice: (event) => {
      news.current.set(event.device, event);
      timer.current ??= setTimeout(() => {
        const told = news.current;
        news.current = new Map();
        timer.current = null;
        set((items) =>
          items.some((d) => told.has(d.id))
            ? items.map((d) => {
                const e = told.get(d.id);
                return e ? { ...d, state: e.state, since: e.since } : d;
              })
            : items,
        );
      }, REST_MS);
    },
  });
}
