// A phone in the hand: one narrow column, fingers instead of a pointer. The same width stands in styles.css.
import { useSyncExternalStore } from 'react';

const narrow = window.matchMedia('(max-width: 600px)');

export function usePhone(): boolean {
  return useSyncExternalStore(
    (listener) => {
      narrow.addEventListener('change', listener);
      return () => narrow.removeEventListener('change', listener);
    },
    () => narrow.matches,
  );
}
