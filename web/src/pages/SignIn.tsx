import { Button, Form, Input } from 'antd';
import { lazy, Suspense, useEffect, useState } from 'react';
import { LookButtons } from '../app/Shell';
import { useSession } from '../app/session';
import { outsideProblem, outsideReturn, startAt, type Door } from '../api/outside';
import { Doors, useCertificateDoors, useDirectories, useDoors } from '../components/Doors';
import { Loading } from '../components/Loading';
import { OutsideCode } from '../components/OutsideCode';
import { ProblemView } from '../components/ProblemView';
import { factorsOf, SecondFactor } from '../components/SecondFactor';
import { useAct } from '../components/useAct';
import { pick, t } from '../i18n';

const CertificateSign = lazy(() => import('../components/CertificateSign'));

interface Values {
  user: string;
  password: string;
  code?: string;
}

export function SignIn() {
  const { signIn, refresh, problem: linkProblem } = useSession();
  const tenant = new URLSearchParams(location.search).get('tenant') ?? '';
  const doors = useDoors(tenant);
  const directories = useDirectories(tenant);
  const certificates = useCertificateDoors(tenant);
  const [badge, setBadge] = useState<Door | null>(null);
  const [why, setWhy] = useState(outsideReturn?.why ?? '');
  const { busy, problem, run } = useAct();
  const [form] = Form.useForm<Values>();
  const [asked, setAsked] = useState('');
  const [factors, setFactors] = useState<('totp' | 'key')[]>([]);
  const user = Form.useWatch('user', form)?.trim() ?? '';
  // The password was right, and the person has a second factor.
  const needsCode = asked !== '' && asked === user;
  useEffect(() => {
    const has = factorsOf(problem);
    if (has) {
      setAsked((form.getFieldValue('user') as string).trim());
      setFactors(has);
    }
  }, [problem, form]);
  useEffect(() => {
    document.title = `${t('signIn.title')} · ${t('app.name')}`;
  });
  return (
    <div className="sign-in">
      <header className="sign-in-top">
        <LookButtons />
      </header>
      <main className={badge ? 'sign-in-box roomy' : 'sign-in-box'}>
        <img src="/icon.svg" alt="" width={44} height={44} />
        <h1>{t('app.name')}</h1>
        <p className="dim">{t('app.what')}</p>
        {why === 'code' ? (
          <>
            <OutsideCode onDone={refresh} />
            <Button type="link" onClick={() => setWhy('')}>
              {t('outside.again')}
            </Button>
          </>
        ) : badge ? (
          <>
            <h2>{t('cert.title')} · {pick(badge, badge.id)}</h2>
            <Suspense fallback={<Loading />}>
              <CertificateSign
                door={badge}
                purpose="sign-in"
                onDone={refresh}
                onCode={() => {
                  setBadge(null);
                  setWhy('code');
                }}
              />
            </Suspense>
            <Button type="link" onClick={() => setBadge(null)}>
              {t('outside.again')}
            </Button>
          </>
        ) : (
        <Form<Values>
          form={form}
          layout="vertical"
          requiredMark={false}
          onFinish={({ user, password, code }) => void run(() => signIn(user.trim(), password, code?.trim()))}
        >
          <Form.Item
            name="user"
            label={t('signIn.user')}
            rules={[{ required: true, message: t('signIn.userMissing') }]}
          >
            <Input size="large" autoComplete="username" autoFocus placeholder={t('signIn.userHint')} />
          </Form.Item>
          <Form.Item
            name="password"
            label={t('signIn.password')}
            rules={[{ required: true, message: t('signIn.passwordMissing') }]}
          >
            <Input.Password size="large" autoComplete="current-password" />
          </Form.Item>
          {directories.length > 0 ? (
            <p className="dim">{t('directory.signIn', { names: directories.map((d) => pick(d, d.id)).join(t('directory.comma')) })}</p>
          ) : null}
          {needsCode ? (
            <SecondFactor
              factors={factors}
              who={() => ({ user, password: form.getFieldValue('password') as string })}
              onAssertion={(assertion) =>
                void run(() => signIn(user, form.getFieldValue('password') as string, undefined, assertion))
              }
            />
          ) : null}
          {why === 'signed_out' && !problem ? <p role="status">{t('outside.signedOut')}</p> : null}
          <ProblemView
            problem={problem?.code === 'code_needed' ? null : (problem ?? linkProblem ?? (why && why !== 'signed_out' ? outsideProblem(why) : null))}
          />
          <Button type="primary" size="large" htmlType="submit" block loading={busy}>
            {t('signIn.do')}
          </Button>
        </Form>
        )}
        {why !== 'code' && !badge && doors.length + certificates.length > 0 ? (
          <>
            <p className="or dim">{t('outside.or')}</p>
            <Doors
              doors={doors}
              word="outside.enter"
              onPick={(door) => location.assign(startAt(door.id, { back: location.pathname + location.search }))}
            />
            <Doors doors={certificates} word="outside.enter" onPick={setBadge} />
          </>
        ) : null}
        <details>
          <summary>{t('signIn.lost')}</summary>
          <p>{t('signIn.lostHow')}</p>
          <pre>songhua passwd --data DIR --link</pre>
        </details>
      </main>
    </div>
  );
}
