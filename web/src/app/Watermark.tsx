// The reader's name over the screen, while data is on it that is to carry it (guard.watermark); on paper too.
// It takes no clicks and says nothing to screen readers.
import { useEffect, useState } from 'react';
import type { DataClassName } from '../api/types';
import { useAnyShown } from '../components/DataClass';
import { moment } from '../i18n/format';
import { useSession } from './session';

const COPIES = 60;

export function Watermark() {
  const { session } = useSession();
  const mark = session?.watermark ?? null;
  const [now, setNow] = useState(() => Date.now());
  const all = mark?.from === 'all';
  const some = useAnyShown((all ? 'general' : (mark?.from ?? 'core')) as DataClassName);
  useEffect(() => {
    if (!mark) return undefined;
    const timer = setInterval(() => setNow(Date.now()), 60_000);
    return () => clearInterval(timer);
  }, [mark !== null]);
  if (!mark || !(some || all)) return null;
  const words = `${mark.text} ${moment(now)}`;
  return (
    <div className="watermark" aria-hidden="true">
      {Array.from({ length: COPIES }, (_, i) => (
        <span key={i}>{words}</span>
      ))}
    </div>
  );
}
