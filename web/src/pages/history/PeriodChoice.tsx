// The other period whose lines are drawn dashed under those of the range.
import { InputNumber, Select } from 'antd';
import { setQuery } from '../../app/router';
import { t } from '../../i18n';
import { offsetFrom, offsetUnits, periods, type OffsetUnit } from './period';

export function PeriodChoice({ vs }: { vs: string | null }) {
  const offset = offsetFrom(vs);
  const preset = periods.find((p) => p === vs);
  const set = (n: number, unit: OffsetUnit) => setQuery({ vs: `${n}${unit}` });
  return (
    <span className="button-row">
      <Select<string>
        size="small"
        value={offset ? (preset ?? 'free') : ''}
        aria-label={t('period.label')}
        popupMatchSelectWidth={false}
        style={{ minWidth: 112 }}
        onChange={(next) => setQuery({ vs: next === 'free' ? '2h' : next || null })}
        options={[
          { value: '', label: t('period.none') },
          ...periods.map((p) => ({ value: p as string, label: t(`period.${p}`) })),
          { value: 'free', label: t('period.free') },
        ]}
      />
      {offset && !preset ? (
        <>
          <InputNumber<number>
            size="small"
            min={1}
            max={99999}
            precision={0}
            value={offset.n}
            aria-label={t('period.n')}
            style={{ width: 70 }}
            onChange={(n) => n && set(n, offset.unit)}
          />
          <Select<OffsetUnit>
            size="small"
            value={offset.unit}
            aria-label={t('period.unit')}
            popupMatchSelectWidth={false}
            style={{ minWidth: 76 }}
            onChange={(unit) => set(offset.n, unit)}
            options={offsetUnits.map((u) => ({ value: u, label: t(`period.unit.${u}`) }))}
          />
        </>
      ) : null}
    </span>
  );
}
