// Asks for the password once more when the server wants it for a dangerous act; the act goes on then.
import { Form, Input, Modal } from 'antd';
import { useEffect, useRef, useState } from 'react';
import { post, whenConfirmNeeded } from '../api/client';
import { t } from '../i18n';
import { Code } from './Code';
import { ProblemView } from './ProblemView';
import { useAct } from './useAct';

interface Values {
  password: string;
  code?: string;
}

export function ConfirmIdentity() {
  const [open, setOpen] = useState(false);
  const [needsCode, setNeedsCode] = useState(false);
  const waiting = useRef<((yes: boolean) => void)[]>([]);
  const [form] = Form.useForm<Values>();
  const { busy, problem, setProblem, run } = useAct();

  useEffect(() => {
    whenConfirmNeeded(
      () =>
        new Promise((resolve) => {
          waiting.current.push(resolve); // several acts at once are asked for once
          setOpen(true);
        }),
    );
    return () => whenConfirmNeeded(() => Promise.resolve(false));
  }, []);
  useEffect(() => {
    if (problem?.code === 'code_needed') setNeedsCode(true);
  }, [problem]);

  const end = (yes: boolean) => {
    setOpen(false);
    setNeedsCode(false);
    setProblem(null);
    waiting.current.splice(0).forEach((resolve) => resolve(yes));
  };
  const submit = async (values: Values) => {
    const done = await run(async () => {
      await post('sessions/current/confirm', values);
      return true;
    });
    if (done) end(true);
  };
  return (
    <Modal
      open={open}
      title={t('confirm.title')}
      okText={t('confirm.do')}
      cancelText={t('action.cancel')}
      confirmLoading={busy}
      onOk={() => form.submit()}
      onCancel={() => end(false)}
      destroyOnHidden
      afterOpenChange={(shown) => shown && (form.getFieldInstance('password') as { focus?: () => void } | undefined)?.focus?.()}
      width={420}
      zIndex={2000}
    >
      <p>{t('confirm.what')}</p>
      <Form<Values> form={form} layout="vertical" requiredMark={false} preserve={false} onFinish={(v) => void submit(v)}>
        <Form.Item
          name="password"
          label={t('signIn.password')}
          rules={[{ required: true, message: t('signIn.passwordMissing') }]}
        >
          <Input.Password autoComplete="current-password" />
        </Form.Item>
        {needsCode ? <Code autoFocus /> : null}
      </Form>
      <ProblemView problem={problem?.code === 'code_needed' ? null : problem} />
    </Modal>
  );
}
