// The conscious word that an old unit was a mistake: what is kept is then read in the new one.
import { Checkbox } from 'antd';
import { t } from '../i18n';

/** The code of what is refused without it. */
export const UNITS = 'unit_changes_history';

export function UnitsCorrected({ checked, onChange }: { checked: boolean; onChange: (checked: boolean) => void }) {
  return (
    <Checkbox checked={checked} onChange={(e) => onChange(e.target.checked)}>
      {t('thing.unitsCorrected')}
    </Checkbox>
  );
}
