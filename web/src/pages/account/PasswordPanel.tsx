import { Button, Form, Input } from 'antd';
import { put } from '../../api/client';
import { useSession } from '../../app/session';
import { Panel } from '../../components/Panel';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { t } from '../../i18n';
import { moment } from '../../i18n/format';

interface Values {
  old: string;
  new: string;
}

export function PasswordPanel() {
  const { session, refresh } = useSession();
  const [form] = Form.useForm<Values>();
  const { busy, problem, run } = useAct();
  const change = (values: Values) =>
    run(async () => {
      await put('sessions/current/password', { old: values.old, new: values.new });
      form.resetFields();
      await refresh();
    }, t('account.changed'));
  return (
    <Panel title={t('account.password')}>
      <dl className="facts">
        <dt>{t('account.passwordSet')}</dt>
        <dd>{session?.password_set ? moment(session.password_set) : t('account.unknown')}</dd>
        <dt>{t('account.passwordExpires')}</dt>
        <dd>{session?.password_expires ? moment(session.password_expires) : t('account.noExpiry')}</dd>
      </dl>
      <Form<Values> form={form} layout="vertical" requiredMark={false} onFinish={(v) => void change(v)}>
        <Form.Item name="old" label={t('account.old')} rules={[{ required: true, message: t('signIn.passwordMissing') }]}>
          <Input.Password autoComplete="current-password" />
        </Form.Item>
        <Form.Item name="new" label={t('account.new')} rules={[{ required: true, message: t('account.newMissing') }]}>
          <Input.Password autoComplete="new-password" />
        </Form.Item>
        <Form.Item
          name="again"
          label={t('account.again')}
          dependencies={['new']}
          rules={[
            ({ getFieldValue }) => ({
              validator: (_, value?: string) =>
                value === getFieldValue('new') ? Promise.resolve() : Promise.reject(new Error(t('account.differ'))),
            }),
          ]}
        >
          <Input.Password autoComplete="new-password" />
        </Form.Item>
        <ProblemView problem={problem} />
        <Button type="primary" htmlType="submit" loading={busy}>
          {t('account.change')}
        </Button>
      </Form>
    </Panel>
  );
}
