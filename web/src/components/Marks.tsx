// Small marks that say one thing the same way everywhere: device state, quality, demo, age.
import { useEffect, useState } from 'react';
import { qualityClass } from '../api/quality';
import type { DeviceState } from '../api/types';
import { t, type WordKey } from '../i18n';
import { ago, moment, toMs } from '../i18n/format';

export function StateMark({ state }: { state: DeviceState }) {
  return (
    <span className="mark" data-state={state}>
      {t(`device.${state}`)}
    </span>
  );
}

export function DemoMark() {
  return (
    <span className="demo" title={t('demo.hint')}>
      {t('demo.mark')}
    </span>
  );
}

/** OPC quality byte: class in the two high bits, reason below (DESIGN of the value module). */
const reasons: Record<number, WordKey> = {
  4: 'quality.config',
  8: 'quality.notConnected',
  12: 'quality.device',
  16: 'quality.sensor',
  20: 'quality.lastKnown',
  24: 'quality.comm',
  28: 'quality.outOfService',
  68: 'quality.lastUsable',
  80: 'quality.sensorAccuracy',
  84: 'quality.range',
  88: 'quality.time',
  216: 'quality.override',
};

export function qualityWords(quality: number): string {
  const base = t(`quality.${qualityClass(quality)}`);
  const reason = reasons[quality & 0xfc];
  return reason ? `${base} · ${t(reason)}` : base;
}

export function QualityMark({ quality }: { quality: number }) {
  return (
    <span className="mark" data-quality={qualityClass(quality)}>
      {qualityWords(quality)}
    </span>
  );
}

/** How long ago, counted on while it is shown. */
export function Age({ time }: { time: string | number | null | undefined }) {
  const [, tick] = useState(0);
  const ms = toMs(time);
  useEffect(() => {
    if (ms === null) return undefined;
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [ms === null]);
  if (ms === null) return <span className="dim">–</span>;
  return (
    <time dateTime={new Date(ms).toISOString()} title={moment(ms, true)}>
      {ago(ms)}
    </time>
  );
}
