// Tiles of an own server, when the settings name one; their datum says how places are moved onto them.
import { useMemo } from 'react';
import { useResource } from '../../api/useResource';
import { wgsToGcj } from './projection';

interface Settings {
  tiles: string;
  datum: 'wgs84' | 'gcj02';
  attribution: string;
}
const KEPT = 300; // pictures
const same = (lat: number, lon: number): [number, number] => [lat, lon];

class Store {
  private readonly kept = new Map<string, HTMLImageElement | 'bad'>();
  private readonly listeners = new Set<() => void>();

  constructor(private readonly template: string) {}

  get(z: number, x: number, y: number): HTMLImageElement | null {
    const key = `${z}/${x}/${y}`;
    const known = this.kept.get(key);
    if (known) {
      this.kept.delete(key); // the newest last
      this.kept.set(key, known);
      return known !== 'bad' && known.complete && known.naturalWidth > 0 ? known : null;
    }
    const image = new Image();
    image.decoding = 'async';
    image.referrerPolicy = 'no-referrer';
    image.onload = () => this.listeners.forEach((l) => l());
    image.onerror = () => this.kept.set(key, 'bad');
    image.src = this.template.replace('{z}', String(z)).replace('{x}', String(x)).replace('{y}', String(y));
    this.kept.set(key, image);
    if (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value ?? '');
    return null;
  }
  onLoad(fn: () => void): () => void {
    this.listeners.add(fn);
    return () => this.listeners.delete(fn);
  }
}

export function useTiles() {
  const { data } = useResource<Settings>('map/settings');
  const template = data?.tiles ?? '';
  const datum = data?.datum ?? 'wgs84';
  const attribution = data?.attribution ?? '';
  return useMemo(() => {
    const store = template ? new Store(template) : null;
    return {
      tile: store ? (z: number, x: number, y: number) => store.get(z, x, y) : null,
      onLoad: (fn: () => void) => store?.onLoad(fn) ?? (() => {}),
      shift: store && datum === 'gcj02' ? wgsToGcj : same,
      attribution,
    };
  }, [template, datum, attribution]);
}
