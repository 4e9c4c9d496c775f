import { useCallback, useEffect, useState } from 'react';
import { asProblem, get, type Problem } from '../../api/client';
import type { Range } from '../../charts/lines';
import { t } from '../../i18n';
import type { Note, NotePage } from './notes';

export interface Notes {
  rows: Note[];
  total: number;
  problem: Problem | null;
  loading: boolean;
  changed: () => void;
}

const LIMIT = 500;
const nothing = { rows: [] as Note[], total: 0, problem: null as Problem | null, loading: false };

const readable = (note: Note): Note => (note.masked ? { ...note, text: `••• ${t('data.masked')}` } : note);

/** Notes on the points, their devices and assets that touch the range (null: of any time), the newest first. */
export function useNotes(points: string[], range: Range | null, on: boolean): Notes {
  const [version, setVersion] = useState(0);
  const [state, setState] = useState(nothing);
  const key = on && points.length > 0
    ? JSON.stringify({ points: points.join(','), limit: LIMIT, ...(range ? { from: Math.floor(range.from), to: Math.ceil(range.to) } : {}) })
    : '';
  useEffect(() => {
    if (!key) {
      setState(nothing);
      return undefined;
    }
    let gone = false;
    const timer = setTimeout(() => {
      setState((old) => ({ ...old, loading: true }));
      get<NotePage>('notes', JSON.parse(key) as Record<string, string | number>).then(
        (page) => !gone && setState({ rows: page.items.map(readable), total: page.total, problem: null, loading: false }),
        (error: unknown) => !gone && setState({ ...nothing, problem: asProblem(error) }),
      );
    }, 120);
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [key, version]);
  return { ...state, changed: useCallback(() => setVersion((n) => n + 1), []) };
}
