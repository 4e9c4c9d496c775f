// What a sum over time is called: m3/h adds up to m3, kW to kW.h. UCUM codes.

export interface Integral {
  /** Unit of the sum. */
  unit: string;
  /** Seconds of the unit's time: value x seconds / this is the sum. */
  seconds: number;
}

const TIMES: Record<string, number> = { s: 1, min: 60, h: 3600, d: 86_400 };
const BY_HOUR = new Set(['W', 'kW', 'MW', 'GW', 'VA', 'kVA', 'MVA', 'var', 'kvar', 'Mvar', 'A', 'mA', 'kA']);

/** Null where a sum over time says nothing (a temperature, a level). */
export function integralOf(unit: string | undefined): Integral | null {
  if (!unit) return null;
  if (BY_HOUR.has(unit)) return { unit: `${unit}.h`, seconds: 3600 };
  const rate = /^(.*)\/(s|min|h|d)$/.exec(unit);
  const seconds = TIMES[rate?.[2] ?? ''];
  return rate && seconds ? { unit: rate[1] || '1', seconds } : null;
}
