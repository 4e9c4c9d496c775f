// Newest values of the markers' points, by the live stream: written into the page without drawing anything else anew.
import { useEffect, useMemo, useRef } from 'react';
import { post } from '../../api/client';
import type { Cell } from '../../api/types';
import { useLive } from '../../api/useLive';
import { cell, unit } from '../../i18n/format';
import type { Marker } from './planEdit';

interface Known {
  points: Record<string, { unit?: string; value?: Cell }>;
}

/** Gives the function that a marker hands its text element to. */
export function useMarkerValues(markers: readonly Marker[]) {
  const names = useMemo(
    () => [...new Set(markers.filter((m) => m.device !== undefined && m.point).map((m) => `${m.device}/${m.point}`))].slice(0, 2000),
    [markers],
  );
  const wanted = names.join('\n');
  const texts = useRef(new Map<string, Set<HTMLElement>>());
  const units = useRef(new Map<string, string>());
  const values = useRef(new Map<string, Cell>());

  const write = (name: string) => {
    const value = values.current.get(name);
    const words = value === undefined ? '–' : `${cell(value, 5)} ${unit(units.current.get(name))}`.trim();
    texts.current.get(name)?.forEach((el) => {
      el.textContent = words;
    });
  };
  useEffect(() => {
    if (!wanted) return undefined;
    const abort = new AbortController();
    const points = wanted.split('\n');
    post<Known>('dashboards/data', { points, devices: [] }, { signal: abort.signal }).then(
      (known) => {
        for (const [name, p] of Object.entries(known.points)) {
          units.current.set(name, p.unit ?? '');
          if (p.value !== undefined && !values.current.has(name)) values.current.set(name, p.value);
          write(name);
        }
      },
      () => {}, // the stream brings them
    );
    return () => abort.abort();
  }, [wanted]);
  useLive({
    points: names,
    onSamples: (samples) => {
      for (const [name, rows] of Object.entries(samples)) {
        const last = rows.at(-1);
        if (last) {
          values.current.set(name, last[1] as Cell);
          write(name);
        }
      }
    },
  });
  return (marker: Marker) => (el: HTMLElement | null) => {
    if (!el || !marker.point) return undefined;
    const name = `${marker.device}/${marker.point}`;
    const set = texts.current.get(name) ?? new Set();
    texts.current.set(name, set.add(el));
    write(name);
    return () => void set.delete(el);
  };
}
