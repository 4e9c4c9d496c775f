import { AutoComplete } from 'antd';
import { useState } from 'react';
import { t } from '../../i18n';
import { findUnits } from './units';

interface Props {
  value: string | undefined;
  label: string;
  onChange: (unit: string) => void;
}

/** A UCUM code: found by its words, or typed. */
export function UnitInput({ value, label, onChange }: Props) {
  const [typed, setTyped] = useState<string | null>(null);
  const options = findUnits(typed ?? '')
    .slice(0, 40)
    .map((unit) => ({
      value: unit.code,
      label: (
        <span className="unit-choice">
          <span className="mono">{unit.code}</span> <span className="dim">{unit.words}</span>
        </span>
      ),
    }));
  return (
    <AutoComplete
      size="small"
      style={{ width: '100%' }}
      value={value ?? ''}
      aria-label={label}
      title={t('thing.unitHint')}
      defaultActiveFirstOption={false}
      popupMatchSelectWidth={300}
      options={options}
      onSearch={setTyped}
      onBlur={() => setTyped(null)}
      onChange={(unit: string) => onChange((unit ?? '').trim())}
    />
  );
}
