import { Form, Input } from 'antd';
import { t } from '../i18n';

interface Props {
  autoFocus?: boolean;
  hint?: boolean;
  /** There are no one-time codes: a recovery code only. */
  recovery?: boolean;
}

/** The field of a one-time or recovery code; inside a form. */
export function Code({ autoFocus = false, hint = true, recovery = false }: Props) {
  return (
    <Form.Item
      name="code"
      label={t(recovery ? 'code.recovery' : 'code.label')}
      extra={hint && !recovery ? t('code.hint') : undefined}
      rules={[{ required: true, whitespace: true, message: t('code.missing') }]}
    >
      <Input size="large" className="code-input" autoComplete="one-time-code" autoFocus={autoFocus} maxLength={16} />
    </Form.Item>
  );
}
