import { Form, Input } from 'antd';
import { t } from '../i18n';

interface Props {
  value: string;
  onChange: (text: string) => void;
  /** Where a form asks for more than one thing of that name. */
  id?: string;
  placeholder?: string;
}

/** Why something is done: kept in the audit. Inside a form. */
export function Reason({ value, onChange, id = 'reason', placeholder }: Props) {
  return (
    <Form.Item label={t('edit.reason')} htmlFor={id} required>
      <Input id={id} value={value} maxLength={500} placeholder={placeholder} onChange={(e) => onChange(e.target.value)} />
    </Form.Item>
  );
}
