// Changes of many devices: calls of some thousand each, so that there is progress and a stop, and the way back.
import { asProblem, post, type Problem } from '../../api/client';
import type { Chosen } from './selection';

export type Filter = Record<string, string | null>;
export type Target = { ids: string[] } | { filter: Record<string, string>; except: string[] };
export interface Change {
  labels?: Record<string, string | null>;
  thing?: string | null;
  asset?: string | null;
  archived?: boolean | null;
}
export interface Refused {
  id: string;
  code: string;
  detail?: string;
}
export interface Undo {
  ids: string[];
  change: Change;
  units?: 'corrected';
}
interface Answer {
  matched: number;
  changed: number;
  unchanged: number;
  refused: Refused[];
  refused_total: number;
  undo: Undo[] | null;
  next: string | null;
}
export interface Report {
  changed: number;
  unchanged: number;
  refused: Refused[];
  refusedTotal: number;
  undo: Undo[];
  stopped: boolean;
  problem: Problem | null;
}

const CALL = 5000;

export function targetOf(chosen: Chosen, filter: Filter): Target {
  if (!chosen.all) return { ids: [...chosen.ids] };
  const said = Object.entries(filter).filter((pair): pair is [string, string] => Boolean(pair[1]));
  return { filter: Object.fromEntries(said), except: [...chosen.ids] };
}

function add(report: Report, answer: Answer): void {
  report.changed += answer.changed;
  report.unchanged += answer.unchanged;
  report.refused.push(...answer.refused);
  report.refusedTotal += answer.refused_total;
  report.undo.push(...(answer.undo ?? []));
}

/** Does it in calls; what was done before a fault or a stop is in the report as well. */
export async function runBulk(
  target: Target,
  change: Change | null,
  onProgress: (done: number) => void,
  signal: AbortSignal,
  unitsCorrected = false,
): Promise<Report> {
  const report: Report = { changed: 0, unchanged: 0, refused: [], refusedTotal: 0, undo: [], stopped: false, problem: null };
  const path = change ? 'devices/bulk' : 'devices/bulk/delete';
  let done = 0;
  let cursor: string | null = null;
  try {
    for (;;) {
      if (signal.aborted) {
        report.stopped = true;
        break;
      }
      const some: object = 'ids' in target
        ? { ids: target.ids.slice(done, done + CALL) }
        : { ...target, limit: CALL, ...(cursor ? { cursor } : {}) };
      const answer: Answer = await post<Answer>(path, change ? { ...some, change, ...(unitsCorrected ? { units: 'corrected' } : {}) } : some);
      add(report, answer);
      done += 'ids' in target ? Math.min(CALL, target.ids.length - done) : answer.matched;
      cursor = answer.next;
      onProgress(done);
      if ('ids' in target ? done >= target.ids.length : !cursor) break;
    }
  } catch (error) {
    report.problem = asProblem(error);
  }
  return report;
}

/** Tries a change: the devices that it would be refused for, the first thousand of each call, and how many there are. */
export async function tryBulk(target: Target, change: Change): Promise<{ refused: Refused[]; total: number }> {
  const parts = 'ids' in target
    ? Array.from({ length: Math.ceil(target.ids.length / CALL) }, (_, i) => ({ ids: target.ids.slice(i * CALL, (i + 1) * CALL) }))
    : [target];
  const found = { refused: [] as Refused[], total: 0 };
  for (const part of parts) {
    const answer = await post<Answer>('devices/bulk', { ...part, change, dry_run: true });
    found.refused.push(...answer.refused);
    found.total += answer.refused_total;
  }
  return found;
}

/** Puts back what a report says how to. */
export async function runUndo(undo: Undo[]): Promise<number> {
  let changed = 0;
  for (const { ids, ...how } of undo) {
    for (let at = 0; at < ids.length; at += CALL) {
      changed += (await post<Answer>('devices/bulk', { ids: ids.slice(at, at + CALL), ...how })).changed;
    }
  }
  return changed;
}
