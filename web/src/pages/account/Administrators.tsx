// The three administrators of 等保 2.0: who they are, and the one act that makes them.
import { Button, Form, Input, Modal } from 'antd';
import { useState } from 'react';
import { post } from '../../api/client';
import { useResource } from '../../api/useResource';
import { useSession } from '../../app/session';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { t } from '../../i18n';

interface Administrators {
  separated: boolean;
  system: string[];
  security: string[];
  audit: string[];
}
interface One {
  name: string;
  password: string;
}
type Values = Record<'system' | 'security' | 'audit', One>;

const kinds = ['system', 'security', 'audit'] as const;

function Separate({ onClose }: { onClose: () => void }) {
  const [form] = Form.useForm<Values>();
  const { busy, problem, run } = useAct();
  const submit = (values: Values) =>
    run(async () => {
      await post('administrators', values);
      location.assign('/'); // this session is over
    });
  return (
    <Modal
      open
      title={t('three.title')}
      okText={t('three.do')}
      okButtonProps={{ danger: true }}
      cancelText={t('action.cancel')}
      confirmLoading={busy}
      onOk={() => form.submit()}
      onCancel={onClose}
      width={640}
    >
      <p>{t('three.what')}</p>
      <p className="strong">{t('three.warning')}</p>
      <Form<Values> form={form} layout="vertical" requiredMark={false} onFinish={(v) => void submit(v)}>
        {kinds.map((kind) => (
          <fieldset key={kind} className="three">
            <legend>
              {t(`three.${kind}`)} <span className="dim">{t(`three.${kind}May`)}</span>
            </legend>
            <Form.Item
              name={[kind, 'name']}
              label={t('people.name')}
              rules={[{ required: true, whitespace: true, message: t('people.nameMissing') }]}
            >
              <Input autoComplete="off" />
            </Form.Item>
            <Form.Item
              name={[kind, 'password']}
              label={t('three.password')}
              rules={[{ required: true, message: t('signIn.passwordMissing') }]}
            >
              <Input.Password autoComplete="new-password" />
            </Form.Item>
          </fieldset>
        ))}
      </Form>
      <ProblemView problem={problem} />
    </Modal>
  );
}

export function AdministratorsNote() {
  const { session, may } = useSession();
  const [open, setOpen] = useState(false);
  const root = (session?.user.tenant ?? '') === '';
  const { data } = useResource<Administrators>(root ? 'administrators' : null);
  if (!data) return null;
  const names = (kind: (typeof kinds)[number]) => data[kind].join('、') || '-';
  return (
    <>
      {data.separated ? (
        <span>
          {t('three.done')} {kinds.map((kind) => `${t(`three.${kind}`)}: ${names(kind)}`).join(' · ')}
        </span>
      ) : (
        <span>
          {t('three.notYet')}{' '}
          {may('rights.grant') && may('config.write') ? (
            <Button size="small" type="link" onClick={() => setOpen(true)}>
              {t('three.open')}
            </Button>
          ) : null}
        </span>
      )}
      {open ? <Separate onClose={() => setOpen(false)} /> : null}
    </>
  );
}
