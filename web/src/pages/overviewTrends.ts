// The last minutes of the overview's figures, kept while one looks at other pages.
import { useSyncExternalStore } from 'react';
import type { Overview } from '../api/types';
import type { SparkPoint } from '../charts/Sparkline';

export const TRENDS_MS = 5 * 60_000;

export interface OverviewTrends {
  samples: SparkPoint[];
  mqttIn: SparkPoint[];
  mqttOut: SparkPoint[];
  commit: SparkPoint[];
}

let kept: OverviewTrends = { samples: [], mqttIn: [], mqttOut: [], commit: [] };
let counted: { at: number; mqtt: NonNullable<Overview['mqtt']> } | null = null;
const listeners = new Set<() => void>();

function appended(old: SparkPoint[], at: number, value: number | undefined): SparkPoint[] {
  return value === undefined ? old : [...old.filter(([time]) => time > at - TRENDS_MS), [at, value]];
}

/** Per second between two readings of a counter; undefined when there is no first one, or it began anew. */
export function rate(from: number | undefined, to: number | undefined, ms: number): number | undefined {
  if (from === undefined || to === undefined || to < from || ms < 100) return undefined;
  return ((to - from) * 1000) / ms;
}

/** Takes one overview of the live stream. */
export function keepTrends(data: Partial<Overview>, at = Date.now()): void {
  const { mqtt } = data;
  const ms = counted ? at - counted.at : 0;
  const inRate = mqtt?.in_per_second ?? rate(counted?.mqtt.publish_in, mqtt?.publish_in, ms);
  const outRate = mqtt?.out_per_second ?? rate(counted?.mqtt.publish_out, mqtt?.publish_out, ms);
  if (mqtt) counted = { at, mqtt };
  kept = {
    samples: appended(kept.samples, at, data.samples?.per_second),
    mqttIn: appended(kept.mqttIn, at, inRate),
    mqttOut: appended(kept.mqttOut, at, outRate),
    commit: appended(kept.commit, at, data.journal?.commit_ms),
  };
  listeners.forEach((listener) => listener());
}

/** The newest value of a line. */
export function newest(points: SparkPoint[]): number | null {
  return points[points.length - 1]?.[1] ?? null;
}

export function useOverviewTrends(): OverviewTrends {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => kept,
  );
}
