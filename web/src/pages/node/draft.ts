// Changes of settings that are typed and not yet applied, and what the server says of them.
import { useEffect, useState } from 'react';
import { post } from '../../api/client';
import type { Setting, SettingsCheck } from '../../api/types';

/** key -> new text; null: no longer set in the console. */
export type Draft = Record<string, string | null>;

const CHECK_MS = 350;

/** The draft with one more change; what changes nothing is left out. */
export function withChange(draft: Draft, s: Setting, value: string | null): Draft {
  const next = { ...draft };
  if (value === s.console || (value !== null && s.console === null && value === (s.next ?? s.value))) delete next[s.key];
  else next[s.key] = value;
  return next;
}

/** What the form shows. */
export function shownValue(s: Setting, draft: Draft): string {
  const changed = draft[s.key];
  if (typeof changed === 'string') return changed;
  if (changed === null) return s.default;
  return s.console ?? s.next ?? s.value;
}

/** Asked a moment after the last change. */
export function useCheck(draft: Draft, revision: number | undefined): SettingsCheck | null {
  const [check, setCheck] = useState<SettingsCheck | null>(null);
  useEffect(() => {
    setCheck(null);
    if (Object.keys(draft).length === 0) return undefined;
    const abort = new AbortController();
    const timer = setTimeout(() => {
      post<SettingsCheck>('config/check', { set: draft }, { signal: abort.signal }).then(setCheck, () => setCheck(null));
    }, CHECK_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [draft, revision]);
  return check;
}

/** The first part of a key is its group: "http.listen" -> "http"; "loops" -> "general". */
export function groupOf(key: string): string {
  const dot = key.indexOf('.');
  if (dot > 0) return key.slice(0, dot);
  return key === 'data' ? 'data' : 'general';
}

export function groupsOf(items: Setting[]): [string, Setting[]][] {
  const groups = new Map<string, Setting[]>();
  for (const s of items) {
    const group = groupOf(s.key);
    groups.set(group, [...(groups.get(group) ?? []), s]);
  }
  return [...groups];
}
