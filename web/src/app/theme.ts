// Light and dark: the user's choice, else the system's. The look itself is in styles.css and antd.ts.
import { useSyncExternalStore } from 'react';

export type ThemeChoice = 'light' | 'dark' | 'auto';
export type Theme = 'light' | 'dark';

const STORE = 'songhua.theme';
const system = window.matchMedia('(prefers-color-scheme: dark)');
const listeners = new Set<() => void>();

export function themeChoice(): ThemeChoice {
  const kept = localStorage.getItem(STORE);
  return kept === 'light' || kept === 'dark' ? kept : 'auto';
}

let override: Theme | null = null;

function theme(): Theme {
  if (override) return override;
  const choice = themeChoice();
  if (choice !== 'auto') return choice;
  return system.matches ? 'dark' : 'light';
}

function apply(): void {
  document.documentElement.dataset.theme = theme();
  listeners.forEach((listener) => listener());
}

system.addEventListener('change', apply);
apply();

export function setTheme(choice: ThemeChoice): void {
  if (choice === 'auto') localStorage.removeItem(STORE);
  else localStorage.setItem(STORE, choice);
  apply();
}

/** For this page only, whatever was chosen. */
export function overrideTheme(next: Theme): void {
  override = next;
  apply();
}

export function useTheme(): Theme {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, theme);
}
