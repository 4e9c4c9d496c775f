// Undo and redo: every change is a new document; changes of one kind in quick succession are one step.
import type { Doc } from './model';

const MERGE_MS = 900;
const STEPS = 100;

export interface Edits {
  now: Doc;
  past: Doc[];
  future: Doc[];
  /** What the last step was, and when: typing in one field is one step. */
  kind: string;
  at: number;
}

export function begun(doc: Doc): Edits {
  return { now: doc, past: [], future: [], kind: '', at: 0 };
}
export function changed(e: Edits, doc: Doc, kind = '', at = Date.now()): Edits {
  if (doc === e.now) return e;
  const merge = kind !== '' && kind === e.kind && at - e.at < MERGE_MS && e.past.length > 0;
  return { now: doc, past: merge ? e.past : [...e.past, e.now].slice(-STEPS), future: [], kind, at };
}
export function undone(e: Edits): Edits {
  const last = e.past[e.past.length - 1];
  return last ? { now: last, past: e.past.slice(0, -1), future: [e.now, ...e.future], kind: '', at: 0 } : e;
}
export function redone(e: Edits): Edits {
  const [next, ...rest] = e.future;
  return next ? { now: next, past: [...e.past, e.now], future: rest, kind: '', at: 0 } : e;
}
