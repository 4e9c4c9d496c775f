// Our second factor of somebody whom a provider has proved.
import { Button, Form } from 'antd';
import { useEffect, useState } from 'react';
import { asProblem, post, type Problem } from '../api/client';
import type { Assertion } from '../api/webauthn';
import { t } from '../i18n';
import { ProblemView } from './ProblemView';
import { factorsOf, SecondFactor } from './SecondFactor';
import { useAct } from './useAct';

export function OutsideCode({ onDone }: { onDone: () => void | Promise<void> }) {
  const [form] = Form.useForm<{ code?: string }>();
  const [factors, setFactors] = useState<('totp' | 'key')[]>(['totp']);
  const [first, setFirst] = useState<Problem | null>(null);
  const { busy, problem, run } = useAct();
  useEffect(() => {
    // without a code the server says which factors there are
    post('sign-in/code', {}).catch((error: unknown) => {
      const fault = asProblem(error);
      const has = factorsOf(fault);
      if (has) setFactors(has);
      else setFirst(fault);
    });
  }, []);
  const send = (body: { code?: string; assertion?: Assertion }) =>
    run(async () => {
      await post('sign-in/code', body);
      await onDone();
    });
  if (first) return <ProblemView problem={first} />;
  return (
    <Form form={form} layout="vertical" requiredMark={false} onFinish={({ code }) => void send({ code: code?.trim() })}>
      <p>{t('outside.codeWhat')}</p>
      <SecondFactor factors={factors} outside onAssertion={(assertion) => void send({ assertion })} />
      <ProblemView problem={problem?.code === 'code_needed' ? null : problem} />
      <Button type="primary" size="large" htmlType="submit" block loading={busy}>
        {t('signIn.do')}
      </Button>
    </Form>
  );
}
