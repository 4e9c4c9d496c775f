// Corrections and deletions of samples: what a rule makes of a value, and the list over several points.
import type { Cell, Classed, ValueType } from '../../api/types';
import type { Mark, Range } from '../../charts/lines';
import { t } from '../../i18n';
import { moment, toMs, who } from '../../i18n/format';

export interface Edit extends Classed {
  id: number;
  kind: 'correction' | 'deletion';
  from: string;
  to: string;
  /** Corrected samples; null of a deletion. */
  samples: number | null;
  by: string | null;
  time: string | null;
  reason: string | null;
  masked?: boolean;
}
export interface EditRow extends Edit {
  points: string[];
}

/** One row an edit, newest first, with the shown points it concerns. */
export function joinEdits(lists: [point: string, edits: Edit[]][]): EditRow[] {
  const rows = new Map<number, EditRow>();
  for (const [point, edits] of lists) {
    for (const edit of edits) {
      const known = rows.get(edit.id);
      if (known) known.points.push(point);
      else rows.set(edit.id, { ...edit, points: [point] });
    }
  }
  return [...rows.values()].sort((a, b) => b.id - a.id);
}

export function editWords(edit: EditRow): string {
  const what = t(edit.kind === 'correction' ? 'edit.correction' : 'edit.deletion');
  return `${moment(edit.from)} ${what} ${edit.points.join(', ')}: ${edit.reason ?? '–'} (${who(edit.by ?? '–')})`;
}

/** Marks of the edits that begin within the range. */
export function editMarks(rows: EditRow[], range: Range): Mark[] {
  return rows.flatMap((edit) => {
    const time = toMs(edit.from);
    return time !== null && time >= range.from && time < range.to ? [{ time, words: editWords(edit) }] : [];
  });
}

export const rules = ['set', 'add', 'multiply'] as const;
export type Rule = (typeof rules)[number];

/** What can be done with values of a type. */
export function rulesFor(type: ValueType | string): Rule[] {
  return type === 'f64' || type === 'i64' ? [...rules] : ['set'];
}

/** What was typed as a value of the type; null: it is none. */
export function typed(text: string, type: ValueType | string): Cell {
  if (type === 'text') return text;
  if (type === 'bool') return text === 'true' ? true : text === 'false' ? false : null;
  const n = Number(text.trim());
  return text.trim() === '' || !Number.isFinite(n) ? null : n;
}

/** The value after the rule; null: the sample stays as it is (it has no number, or the sum fits no integer). */
export function applied(rule: Rule, by: Cell, value: Cell, type: ValueType | string): Cell {
  let next: Cell = by;
  if (rule !== 'set') {
    if (typeof value !== 'number' || typeof by !== 'number') return null;
    next = rule === 'add' ? value + by : value * by;
  }
  if (typeof next !== 'number' || type !== 'i64') return next;
  return Number.isSafeInteger(Math.round(next)) ? Math.round(next) : null;
}
