import { useEffect } from 'react';

/** Calls `act` every `ms` while the component is shown. `act` should keep its identity. */
export function useEvery(ms: number, act: () => void): void {
  useEffect(() => {
    const timer = setInterval(act, ms);
    return () => clearInterval(timer);
  }, [ms, act]);
}
