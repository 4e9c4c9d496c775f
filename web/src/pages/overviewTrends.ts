// The last minutes of the overview's figures, kept while one looks at other pages.
import { useSyncExternalStore } from 'react';
import type { Overview } from '../api/types';
import type { SparkPoint } from '../charts/Sparkline';

export const TRENDS_MS = 5 * 60_000;

export interface OverviewTrends {
  samples: SparkPoint[];
  mqtt: SparkPoint[];
  commit: SparkPoint[];
}

let kept: OverviewTrends = { samples: [], mqtt: [], commit: [] };
const listeners = new Set<() => void>();

function appended(old: SparkPoint[], at: number, value: number | undefined): SparkPoint[] {
  return value === undefined ? old : [...old.filter(([time]) => time > at - TRENDS_MS), [at, value]];
}

/** Takes one overview of the live stream. */
export function keepTrends(data: Partial<Overview>, at = Date.now()): void {
  kept = {
    samples: appended(kept.samples, at, data.samples?.per_second),
    mqtt: appended(kept.mqtt, at, data.mqtt?.in_per_second),
    commit: appended(kept.commit, at, data.journal?.commit_ms),
  };
  listeners.forEach((listener) => listener());
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
