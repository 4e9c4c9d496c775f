import { useEffect, useRef } from 'react';

/** Calls the newest `act` every `ms` while the component is shown, however often it is drawn anew. */
export function useEvery(ms: number, act: () => void): void {
  const newest = useRef(act);
  newest.current = act;
  useEffect(() => {
    const timer = setInterval(() => newest.current(), ms);
    return () => clearInterval(timer);
  }, [ms]);
}
