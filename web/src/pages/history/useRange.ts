import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { setQuery, usePlace } from '../../app/router';
import type { Range } from '../../charts/lines';
import { choiceFrom, followEveryMs, type Choice } from './range';

const ADDRESS_MS = 250; // the address follows when the hand rests: browsers throttle its changes

/** The range of the address, following the clock while it says last=. */
export function useRange(fallback: string): {
  choice: Choice;
  home: Range;
  setRange: (range: Range) => void;
  setLast: (name: string) => void;
} {
  const { query } = usePlace();
  const [now, setNow] = useState(() => Date.now());
  const [held, setHeld] = useState<Range | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const key = `${query.get('last')}|${query.get('from')}|${query.get('to')}`;
  const homeName = query.get('home') ?? query.get('last') ?? fallback;

  const fromAddress = useMemo(() => choiceFrom(query, now, fallback), [key, now, fallback]);
  const choice: Choice = held ? { range: held, last: null } : fromAddress;
  const home = useMemo(
    () => choiceFrom(new URLSearchParams({ last: homeName }), now, fallback).range,
    [homeName, now, fallback],
  );

  useEffect(() => setHeld(null), [key]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const last = choice.last;
  useEffect(() => {
    if (last === null) return undefined;
    setNow(Date.now());
    const tick = setInterval(() => setNow(Date.now()), followEveryMs(last));
    return () => clearInterval(tick);
  }, [last]);

  const setRange = useCallback(
    (range: Range) => {
      const next = { from: Math.round(range.from), to: Math.round(range.to) };
      setHeld(next);
      clearTimeout(timer.current);
      timer.current = setTimeout(
        () => setQuery({ from: String(next.from), to: String(next.to), last: null, home: homeName }),
        ADDRESS_MS,
      );
    },
    [homeName],
  );
  const setLast = useCallback((name: string) => {
    clearTimeout(timer.current);
    setHeld(null);
    setQuery({ last: name, home: null, from: null, to: null });
  }, []);
  return { choice, home, setRange, setLast };
}
