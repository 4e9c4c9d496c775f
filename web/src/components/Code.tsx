import { Form, Input } from 'antd';
import { t } from '../i18n';

/** The field of a one-time or recovery code; inside a form. */
export function Code({ autoFocus = false, hint = true }: { autoFocus?: boolean; hint?: boolean }) {
  return (
    <Form.Item
      name="code"
      label={t('code.label')}
      extra={hint ? t('code.hint') : undefined}
      rules={[{ required: true, whitespace: true, message: t('code.missing') }]}
    >
      <Input size="large" className="code-input" autoComplete="one-time-code" autoFocus={autoFocus} maxLength={16} />
    </Form.Item>
  );
}
