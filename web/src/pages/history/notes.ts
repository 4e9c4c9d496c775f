// Notes on the history as the server keeps them, and what the chart and the list make of them.
import type { Mark, Range } from '../../charts/lines';
import { t, type WordKey } from '../../i18n';
import { moment, toMs, who } from '../../i18n/format';

export const categories = ['maintenance', 'fault', 'process', 'other'] as const;
export type Category = (typeof categories)[number];
export const categoryWord = (category: Category) => `note.${category}` as WordKey;

export interface Note {
  id: string;
  from: string;
  /** The same as from: a moment. */
  to: string;
  category: Category;
  text: string;
  /** On what is above one's clearance: the text says that, and it cannot be changed. */
  masked?: boolean;
  by: string;
  time: string;
  points: string[];
  devices: string[];
  assets: string[];
  edited?: { by: string; time: string };
  mine: boolean;
}
export interface NotePage {
  items: Note[];
  next: string | null;
  total: number;
}
export interface NoteBody {
  from: number;
  to: number | null;
  category: Category;
  text: string;
  points: string[];
  devices: string[];
  assets: string[];
}

export const targetsOf = (note: Note) => [...note.points, ...note.devices, ...note.assets];
export const spanOf = (note: Note) => (note.to === note.from ? moment(note.from) : `${moment(note.from)} – ${moment(note.to)}`);

/** Marks of the notes that lie in the range: a line at a moment, a band over a time. */
export function noteMarks(notes: Note[], range: Range): Mark[] {
  return notes.flatMap((note) => {
    const [from, to] = [toMs(note.from) ?? 0, toMs(note.to) ?? 0];
    if (to < range.from || from > range.to) return [];
    const words = `${t(categoryWord(note.category))} · ${spanOf(note)}\n${note.text}\n${targetsOf(note).join(', ')} (${who(note.by)})`;
    return [{ time: Math.max(from, range.from), to: to > from ? Math.min(to, range.to) : undefined, words, tone: note.category }];
  });
}

/** What a new note may be on: the points, their devices; assets are told by the devices. */
export function devicesOf(points: string[]): string[] {
  return [...new Set(points.flatMap((p) => (p.includes('/') ? [p.slice(0, p.lastIndexOf('/'))] : [])))];
}

/** "p:pump-1/flow", "d:pump-1", "a:line-1" as the choice of a form, and the body's lists. */
export function splitTargets(keys: string[]): Pick<NoteBody, 'points' | 'devices' | 'assets'> {
  const of = (kind: string) => keys.filter((k) => k.startsWith(kind)).map((k) => k.slice(2));
  return { points: of('p:'), devices: of('d:'), assets: of('a:') };
}
export const keysOf = (on: Pick<NoteBody, 'points' | 'devices' | 'assets'>) => [
  ...on.points.map((p) => `p:${p}`), ...on.devices.map((d) => `d:${d}`), ...on.assets.map((a) => `a:${a}`),
];

/** A note fits what is chosen above the list. */
export function fits(note: Note, hidden: readonly Category[], words: string): boolean {
  const text = `${note.text} ${note.by} ${targetsOf(note).join(' ')}`.toLowerCase();
  return !hidden.includes(note.category) && text.includes(words.trim().toLowerCase());
}
