// Asks for the password once more when the server wants it for a dangerous act; the act goes on then.
import { Form, Input, Modal } from 'antd';
import { lazy, Suspense, useEffect, useRef, useState } from 'react';
import { post, Problem, whenConfirmNeeded } from '../api/client';
import { startAt, whenConfirmed, type Door } from '../api/outside';
import { useSession } from '../app/session';
import type { Assertion } from '../api/webauthn';
import { t } from '../i18n';
import { Doors, useCertificateDoors, useDoors } from './Doors';
import { Loading } from './Loading';
import { OutsideCode } from './OutsideCode';
import { ProblemView } from './ProblemView';
import { factorsOf, SecondFactor } from './SecondFactor';
import { useAct } from './useAct';

const CertificateSign = lazy(() => import('./CertificateSign'));

interface Values {
  password: string;
  code?: string;
}

export function ConfirmIdentity() {
  const { session } = useSession();
  const linked = session?.providers ?? [];
  const doors = useDoors(session?.user.tenant ?? '').filter((door) => linked.includes(door.id));
  const certificates = useCertificateDoors(session?.user.tenant ?? '').filter((door) => linked.includes(door.id));
  const [badge, setBadge] = useState<Door | 'code' | null>(null);
  const directory = (session?.directories ?? []).length > 0;
  const password = session?.password !== false || directory;
  const [open, setOpen] = useState(false);
  const [factors, setFactors] = useState<('totp' | 'key')[] | null>(null);
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
    const has = factorsOf(problem);
    if (has) setFactors(has);
  }, [problem]);

  const end = (yes: boolean) => {
    setOpen(false);
    setFactors(null);
    setBadge(null);
    setProblem(null);
    waiting.current.splice(0).forEach((resolve) => resolve(yes));
  };
  const endRef = useRef(end);
  endRef.current = end;
  useEffect(() => (open ? whenConfirmed(() => endRef.current(true)) : undefined), [open]);
  const goTo = (door: Door) => {
    const opened = window.open(startAt(door.id, { for: 'confirm' }), '_blank', 'width=520,height=680');
    if (!opened) setProblem(new Problem(403, { title: t('outside.blocked') }));
  };
  const submit = async (values: Values & { assertion?: Assertion }) => {
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
      okButtonProps={{ style: password && !badge ? undefined : { display: 'none' } }}
      onCancel={() => end(false)}
      destroyOnHidden
      afterOpenChange={(shown) => shown && (form.getFieldInstance('password') as { focus?: () => void } | undefined)?.focus?.()}
      width={badge ? 680 : 420}
      zIndex={2000}
    >
      <p>{t('confirm.what')}</p>
      {doors.length > 0 ? (
        <>
          <p className="dim">{t('outside.confirmWhat')}</p>
          <Doors doors={doors} word="outside.confirm" onPick={goTo} />
        </>
      ) : null}
      {badge === 'code' ? <OutsideCode onDone={() => end(true)} /> : null}
      {badge && badge !== 'code' ? (
        <Suspense fallback={<Loading />}>
          <CertificateSign door={badge} purpose="confirm" onDone={() => end(true)} onCode={() => setBadge('code')} />
        </Suspense>
      ) : (
        <Doors doors={badge ? [] : certificates} word="outside.confirm" onPick={setBadge} />
      )}
      {password && !badge ? (
      <Form<Values> form={form} layout="vertical" requiredMark={false} preserve={false} onFinish={(v) => void submit(v)}>
        <Form.Item
          name="password"
          label={t('signIn.password')}
          extra={directory ? t('directory.confirm') : undefined}
          rules={[{ required: true, message: t('signIn.passwordMissing') }]}
        >
          <Input.Password autoComplete="current-password" />
        </Form.Item>
        {factors ? (
          <SecondFactor
            factors={factors}
            onAssertion={(assertion) => void submit({ password: form.getFieldValue('password') as string, assertion })}
          />
        ) : null}
      </Form>
      ) : null}
      <ProblemView problem={problem?.code === 'code_needed' ? null : problem} />
    </Modal>
  );
}
