// The class of data: a small mark, what stands in the place of a value that is above one's clearance, a choice
// of class and level, and what of it is on the screen, for the watermark.
import { Select } from 'antd';
import { useEffect, useSyncExternalStore } from 'react';
import type { Classed, DataClassName } from '../api/types';
import { t } from '../i18n';
import './dataClass.css';

const names: DataClassName[] = ['general', 'important', 'core'];
const levels = [1, 2, 3] as const;

export function classWords(of: Classed): string {
  return `${t(`data.${of.data_class ?? 'general'}`)} · ${t(`data.level${of.data_level ?? 1}`)}`;
}

/** Above general at level 1: worth a mark. */
export function isClassed(of: Classed | undefined | null): of is Classed {
  return !!of && ((of.data_class ?? 'general') !== 'general' || (of.data_level ?? 1) > 1);
}

// ---- what is on the screen

const shown = { general: 0, important: 0, core: 0 };
const listeners = new Set<() => void>();

function count(name: DataClassName, by: number): void {
  shown[name] += by;
  listeners.forEach((l) => l());
}

/** Values of this class are on the screen while the caller is. */
export function useShown(of: Classed | undefined | null, masked: boolean | undefined): void {
  const name = masked || !of ? null : (of.data_class ?? 'general');
  useEffect(() => {
    if (!name) return undefined;
    count(name, 1);
    return () => count(name, -1);
  }, [name]);
}

/** Is something at or above this class on the screen? */
export function useAnyShown(from: DataClassName): boolean {
  return useSyncExternalStore(
    (l) => {
      listeners.add(l);
      return () => listeners.delete(l);
    },
    () => names.slice(names.indexOf(from)).some((n) => shown[n] > 0),
  );
}

// ---- marks

/** Nothing for what is general at level 1. */
export function ClassMark({ of, masked }: { of: Classed | undefined | null; masked?: boolean }) {
  useShown(of, masked);
  if (!isClassed(of)) return null;
  return (
    <span className="data-class" data-class={of.data_class ?? 'general'} title={t('data.class')}>
      {classWords(of)}
    </span>
  );
}

/** For what shows values without a mark of their class. */
export function Shown({ of, masked }: { of: Classed | undefined | null; masked?: boolean }) {
  useShown(of, masked);
  return null;
}

export function Masked({ of }: { of: Classed }) {
  const why = t('data.maskedWhy', { class: classWords(of) });
  return (
    <span className="masked" tabIndex={0} title={why} aria-label={`${t('data.masked')}: ${why}`}>
      <span aria-hidden="true">•••</span> {t('data.masked')}
    </span>
  );
}

// ---- choices

const text = (of: Classed) => (of.data_class || of.data_level ? `${of.data_class ?? 'general'}/${of.data_level ?? 1}` : '');

export function fromText(value: string | undefined): Classed {
  const [name, level] = (value ?? '').split('/');
  return name ? { data_class: name as DataClassName, data_level: Number(level) as 1 | 2 | 3 } : {};
}

export const classOptions = (none: string | null) => [
  ...(none ? [{ value: '', label: none }] : []),
  ...names.flatMap((name) =>
    levels.map((level) => ({ value: `${name}/${level}`, label: classWords({ data_class: name, data_level: level }) })),
  ),
];

interface ChoiceProps {
  value?: Classed;
  onChange?: (value: Classed) => void;
  /** What not to say it means; null: it has to be said. */
  none: string | null;
  label?: string;
  id?: string;
  small?: boolean;
}
/** Class and level in one choice; fits a form. */
export function ClassChoice({ value, onChange, none, label, id, small }: ChoiceProps) {
  return (
    <Select<string>
      id={id}
      size={small ? 'small' : undefined}
      style={{ width: '100%', minWidth: 96 }}
      popupMatchSelectWidth={false}
      value={text(value ?? {}) || (none ? '' : undefined)}
      aria-label={label ?? t('data.class')}
      options={classOptions(none)}
      onChange={(next) => onChange?.(fromText(next))}
    />
  );
}
