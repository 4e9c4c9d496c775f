import { useEffect, useRef, useSyncExternalStore } from 'react';
import { live, type LiveState, type Watch } from './stream';

/** Watches the live stream while the component is shown. Handlers may change at every render. */
export function useLive(watch: Watch): void {
  const handlers = useRef(watch);
  handlers.current = watch;
  const points = (watch.points ?? []).join(',');
  const devices = (watch.devices ?? []).join(',');
  const overview = watch.overview ?? false;
  const dashboard = watch.dashboard ?? '';
  useEffect(
    () =>
      live.watch({
        overview,
        dashboard: dashboard || undefined,
        points: points ? points.split(',') : [],
        devices: devices ? devices.split(',') : [],
        onSamples: (samples) => handlers.current.onSamples?.(samples),
        onDevice: (event) => handlers.current.onDevice?.(event),
        onOverview: (overview) => handlers.current.onOverview?.(overview),
        onMasked: (masked) => handlers.current.onMasked?.(masked),
      }),
    [points, devices, overview, dashboard],
  );
}

export function useLiveState(): LiveState {
  return useSyncExternalStore(live.onState, live.state);
}
