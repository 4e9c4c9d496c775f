// Words of the console. Chinese is the first language; every word has both (words.ts). The browser gets those of one language:
// the build makes a table of each (vite.config.ts).
import { useSyncExternalStore } from 'react';
import type { WordKey } from './words';

export type Language = 'zh' | 'en';

const STORE = 'songhua.language';
const listeners = new Set<() => void>();

function firstLanguage(): Language {
  const kept = localStorage.getItem(STORE);
  if (kept === 'zh' || kept === 'en') return kept;
  const wanted = navigator.languages ?? [navigator.language];
  return wanted.some((l) => l.toLowerCase().startsWith('zh')) || wanted.length === 0 ? 'zh' : 'en';
}

let current: Language = firstLanguage();
let table: Record<string, string> = {};

/** The words of a language; called before anything is shown. */
export async function loadWords(of: Language): Promise<void> {
  table = (await (of === 'zh' ? import('virtual:words/zh') : import('virtual:words/en'))).default;
}

export function language(): Language {
  return current;
}

export function hasChosenLanguage(): boolean {
  return localStorage.getItem(STORE) !== null;
}

/** Rejects, and changes nothing, where its words cannot be had. */
export async function setLanguage(next: Language, keep = true): Promise<void> {
  await loadWords(next);
  current = next;
  if (keep) localStorage.setItem(STORE, next);
  document.documentElement.lang = next === 'zh' ? 'zh-CN' : 'en';
  listeners.forEach((listener) => listener());
}

export function useLanguage(): Language {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, language);
}

export type Params = Record<string, string | number>;

/** The word in the language of the user; {name} is replaced from `params`. */
export function t(key: WordKey, params?: Params): string {
  const word = table[key] ?? '';
  return params ? word.replace(/\{(\w+)\}/g, (_, name: string) => String(params[name] ?? '')) : word;
}

/** Is there a word for what the server says? */
export function isWord(key: string): key is WordKey {
  return key in table;
}

/** Words that are data ({"zh","en"}): the user's language, else the other, else `otherwise`. */
export function pick(data: { zh?: string; en?: string } | undefined, otherwise = ''): string {
  const other = current === 'zh' ? data?.en : data?.zh;
  return data?.[current] || other || otherwise;
}

export type { WordKey };
