// The fields of an event, the parameters or the results of a service: a table of their own.
import { Button, Checkbox, Modal } from 'antd';
import { useState } from 'react';
import type { Field } from '../../api/types';
import { t } from '../../i18n';
import { MemberTable, type EditColumn } from './MemberTable';
import { fieldColumns } from './members';
import { checkIds } from './model';

interface Props {
  fields: Field[] | undefined;
  title: string;
  label: string;
  /** Parameters may be needed; what comes from the device is as it is. */
  required: boolean;
  disabled?: boolean;
  onChange: (fields: Field[]) => void;
}

const requiredColumn = (): EditColumn<Field> => ({
  title: t('thing.required'),
  attr: 'required',
  width: 84,
  edit: (row, change, label) => (
    <Checkbox checked={row.required ?? false} aria-label={label} onChange={(e) => change({ required: e.target.checked || undefined })} />
  ),
});

export function fieldsText(fields: Field[] | undefined): string {
  return (fields ?? []).map((f) => [f.id, f.unit].filter(Boolean).join(' ')).join(', ');
}

export function FieldsEditor({ fields, title, label, required, disabled, onChange }: Props) {
  const [rows, setRows] = useState<Field[] | null>(null);
  const faults = checkIds(rows ?? [], '');
  return (
    <>
      <Button size="small" type="text" className="enum-button" disabled={disabled} aria-label={label} onClick={() => setRows(fields ?? [])}>
        {fieldsText(fields) || t('thing.noFields')}
      </Button>
      <Modal
        open={rows !== null}
        width={920}
        title={title}
        okText={t('action.apply')}
        cancelText={t('action.cancel')}
        okButtonProps={{ disabled: faults.length > 0 }}
        onCancel={() => setRows(null)}
        onOk={() => {
          onChange(rows ?? []);
          setRows(null);
        }}
      >
        {rows ? (
          <MemberTable
            label={title}
            rows={rows}
            columns={required ? [...fieldColumns(), requiredColumn()] : fieldColumns()}
            fresh={(): Field => ({ id: '', type: 'f64' })}
            addWord={t('thing.addField')}
            narrow
            onChange={setRows}
          />
        ) : null}
        {faults.length > 0 ? <p className="bad">{t(`fault.${faults[0]?.kind ?? 'noId'}`)}</p> : null}
      </Modal>
    </>
  );
}
