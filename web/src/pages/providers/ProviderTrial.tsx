// Is a provider of sign-in set up as it should be? A directory is asked step by step, also as a person.
import { Button, Form, Input, Modal } from 'antd';
import { lazy, Suspense, useState } from 'react';
import { post, seg, type Problem } from '../../api/client';
import { outsideProblem, type DirectoryTrial, type Provider } from '../../api/outside';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { isWord, pick, t } from '../../i18n';

const CertificateTry = lazy(() => import('./CertificateTry'));

interface Props {
  provider: Provider;
  onClose: () => void;
}

const states = { ok: 'online', failed: 'offline', skipped: 'unknown' } as const;
const stepWord = (step: string) => {
  const key = `directoryStep.${step}`;
  return isWord(key) ? t(key) : step;
};

function Found({ found }: { found: NonNullable<DirectoryTrial['found']> }) {
  return (
    <dl className="facts">
      <dt>{t('directory.foundName')}</dt>
      <dd>
        {found.name} {found.display ? <span className="dim">{found.display}</span> : null}
      </dd>
      <dt>{t('directory.foundDn')}</dt>
      <dd>
        <code>{found.dn}</code>
      </dd>
      <dt>{t('directory.foundGroups')}</dt>
      <dd>{found.groups.length === 0 ? t('directory.foundNone') : found.groups.map((g) => <code key={g} className="block">{g}</code>)}</dd>
      <dt>{t('directory.foundRoles')}</dt>
      <dd>{found.roles.length === 0 ? t('directory.foundNone') : found.roles.join(', ')}</dd>
      <dt>{t('directory.foundPerson')}</dt>
      <dd>{found.person ?? t('directory.foundNobody')}</dd>
    </dl>
  );
}

function DirectoryTry({ provider, onClose }: Props) {
  const { busy, problem, run } = useAct();
  const [trial, setTrial] = useState<DirectoryTrial | null>(null);
  const ask = (values: { user?: string; password?: string }) =>
    run(async () => setTrial(await post<DirectoryTrial>(`identity-providers/${seg(provider.id)}/try`, values)));
  return (
    <Modal
      open
      title={`${t('provider.try')} · ${pick(provider, provider.id)}`}
      footer={<Button onClick={onClose}>{t('action.close')}</Button>}
      onCancel={onClose}
      afterOpenChange={(shown) => void (shown && ask({}))}
      width={640}
    >
      <p className="dim">{t('directory.tryHint')}</p>
      <Form layout="inline" requiredMark={false} onFinish={(v: { user?: string; password?: string }) => void ask(v)}>
        <Form.Item name="user">
          <Input aria-label={t('signIn.user')} placeholder={t('signIn.user')} autoComplete="off" />
        </Form.Item>
        <Form.Item name="password">
          <Input.Password aria-label={t('signIn.password')} placeholder={t('signIn.password')} autoComplete="new-password" />
        </Form.Item>
        <Button htmlType="submit" loading={busy}>
          {t('provider.try')}
        </Button>
      </Form>
      {trial ? (
        <>
          <p role="status">{t(trial.good ? 'directory.good' : 'directory.notGood')}</p>
          <ol className="trial">
            {trial.steps.map((s, i) => (
              <li key={i}>
                <span className="mark" data-state={states[s.result]}>
                  {stepWord(s.step)} · {t(`directoryResult.${s.result}`)}
                </span>
                {s.detail ? <code className="block">{s.detail}</code> : null}
              </li>
            ))}
          </ol>
          {trial.found ? <Found found={trial.found} /> : null}
        </>
      ) : null}
      <ProblemView problem={problem} />
    </Modal>
  );
}

function OidcTry({ provider, onClose }: Props) {
  const { busy, problem, run } = useAct();
  const [answer, setAnswer] = useState<{ good: boolean; fault: Problem | null } | null>(null);
  const ask = () =>
    run(async () => {
      const got = await post<{ good: boolean; code: string | null; detail: string | null }>(
        `identity-providers/${seg(provider.id)}/try`,
      );
      setAnswer({ good: got.good, fault: got.good ? null : outsideProblem(got.code ?? '', got.detail ?? '') });
    });
  return (
    <Modal
      open
      title={`${t('provider.try')} · ${pick(provider, provider.id)}`}
      okText={t('provider.try')}
      cancelText={t('action.close')}
      confirmLoading={busy}
      onOk={() => void ask()}
      onCancel={onClose}
      afterOpenChange={(shown) => void (shown && ask())}
    >
      {answer?.good ? <p role="status">{t('provider.good')}</p> : null}
      <ProblemView problem={problem ?? answer?.fault} />
    </Modal>
  );
}

export function ProviderTrial(props: Props) {
  if (props.provider.kind === 'certificate') {
    return (
      <Suspense fallback={null}>
        <CertificateTry provider={props.provider} onClose={props.onClose} />
      </Suspense>
    );
  }
  return props.provider.kind === 'ldap' ? <DirectoryTry {...props} /> : <OidcTry {...props} />;
}
