// Numbers, sizes and times as people read them, in the user's language.
import { language, t } from '.';
import type { Cell } from '../api/types';

const locale = () => (language() === 'zh' ? 'zh-CN' : 'en-GB');

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : value.toLocaleString(locale());
}

/** 1 234 567 as 1.23 M: three digits that count. */
export function compact(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  const steps: [number, string][] = [
    [1e12, 'T'],
    [1e9, 'G'],
    [1e6, 'M'],
    [1e4, 'k'],
  ];
  for (const [size, letter] of steps) {
    const unit = letter === 'k' ? 1e3 : size;
    if (Math.abs(value) >= size) return `${Number((value / unit).toPrecision(3))} ${letter}`;
  }
  return Number.isInteger(value) ? count(value) : String(Number(value.toPrecision(3)));
}

export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let rest = value;
  let unit = 0;
  while (rest >= 1024 && unit < units.length - 1) {
    rest /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? rest : Number(rest.toPrecision(3))} ${units[unit]}`;
}

export function percent(part: number, whole: number): string {
  return whole > 0 ? `${((100 * part) / whole).toFixed(1)} %` : '–';
}

/** A value as it was measured: at most `digits` that count, words for true and false. */
export function cell(value: Cell | undefined, digits = 7): string {
  if (value === null || value === undefined) return '–';
  if (typeof value === 'boolean') return t(value ? 'value.true' : 'value.false');
  if (typeof value === 'string') return value;
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 1e9 || size < 1e-4) return value.toExponential(4);
  return String(Number(value.toPrecision(digits)));
}

export function toMs(time: string | number | null | undefined): number | null {
  if (time === null || time === undefined) return null;
  const ms = typeof time === 'number' ? time : Date.parse(time);
  return Number.isFinite(ms) ? ms : null;
}

const pad = (n: number, width = 2) => String(n).padStart(width, '0');

export function day(time: string | number | null | undefined): string {
  const ms = toMs(time);
  if (ms === null) return '–';
  const d = new Date(ms);
  return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}`;
}

/** 2026-05-04 12:03:08 in the browser's zone: the same in both languages, and it sorts. */
export function moment(time: string | number | null | undefined, withMs = false): string {
  const ms = toMs(time);
  if (ms === null) return '–';
  const d = new Date(ms);
  const clock = `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}`;
  return `${day(ms)} ${clock}${withMs ? `.${pad(d.getMilliseconds(), 3)}` : ''}`;
}

export function span(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return t('span.seconds', { n: s });
  if (s < 3600) return t('span.minutes', { n: Math.floor(s / 60) });
  if (s < 172_800) return t('span.hours', { n: Math.floor(s / 3600) });
  return t('span.days', { n: Math.floor(s / 86_400) });
}

export function ago(time: string | number | null | undefined, now = Date.now()): string {
  const ms = toMs(time);
  if (ms === null) return '–';
  const seconds = (now - ms) / 1000;
  return seconds < 1 ? t('span.now') : t('span.ago', { span: span(seconds) });
}

const unitSigns: Record<string, string> = {
  Cel: '°C',
  '[degF]': '°F',
  deg: '°',
  Ohm: 'Ω',
  um: 'µm',
  '[pH]': 'pH',
  '1': '',
};

/** A UCUM code as people write it: m3/h as m³/h, kW.h as kWh. */
export function unit(code: string | undefined): string {
  if (!code) return '';
  return (
    unitSigns[code] ??
    code
      .replace(/Cel/g, '°C')
      .replace(/([a-zA-Z])2(?=$|[/.])/g, '$1²')
      .replace(/([a-zA-Z])3(?=$|[/.])/g, '$1³')
      .replaceAll('kW.h', 'kWh')
      .replaceAll('.', '·')
  );
}

/** "person:admin" as people say it: the name alone; tokens and devices keep their kind. */
export function who(principal: string): string {
  return principal.replace(/^person:/, '');
}
