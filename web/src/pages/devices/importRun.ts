// An import in calls of some thousand rows: progress, a stop, and the rows of the file in what was refused.
import { call, Problem } from '../../api/client';
import type { ImportReport } from '../../api/types';
import type { Row, RowFault } from './mapping';

const CALL_ROWS = 2000;
const CALL_BYTES = 4_000_000; // the server takes bodies of 8 MiB

export interface Progress {
  created: number;
  updated: number;
  done: number;
  faults: RowFault[];
  stopped: boolean;
}

/** `existing`: rows of devices that are there change them, or are refused. */
export async function runImport(
  rows: Row[],
  dryRun: boolean,
  onProgress: (p: Progress) => void,
  signal: AbortSignal,
  existing: 'update' | 'refuse' = 'update',
  unitsCorrected = false,
): Promise<Progress> {
  const p: Progress = { created: 0, updated: 0, done: 0, faults: [], stopped: false };
  while (p.done < rows.length) {
    if (signal.aborted) return { ...p, stopped: true };
    const texts: string[] = [];
    let size = 0;
    while (p.done + texts.length < rows.length && texts.length < CALL_ROWS && size < CALL_BYTES) {
      const text = JSON.stringify((rows[p.done + texts.length] as Row).body);
      texts.push(text);
      size += text.length * 2;
    }
    const { data } = await call<ImportReport>('POST', 'devices/import', {
      query: {
        format: 'json',
        encoding: 'utf-8',
        dry_run: dryRun,
        existing: existing === 'refuse' ? existing : null,
        units: unitsCorrected ? 'corrected' : null,
      },
      body: `[${texts.join(',')}]`,
      headers: { 'Content-Type': 'application/json' },
      signal: dryRun ? signal : undefined, // what is being stored is not cut off
    }).catch((error: unknown) => {
      if (signal.aborted) return { data: null };
      throw error instanceof Problem ? error : new Problem(0, { title: String(error) });
    });
    if (!data) return { ...p, stopped: true };
    p.created += data.created ?? 0;
    p.updated += data.updated ?? 0;
    for (const fault of data.rejected ?? []) {
      p.faults.push({ ...fault, code: fault.code ?? '', row: rows[p.done + (fault.row ?? 1) - 1]?.row ?? 0 });
    }
    p.done += texts.length;
    onProgress({ ...p });
  }
  return p;
}
