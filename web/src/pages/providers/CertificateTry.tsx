// A provider of certificates, step by step: what it trusts, and with a certificate and a signature who would come in.
import { Button, Form, Modal } from 'antd';
import { useState } from 'react';
import { post, seg } from '../../api/client';
import type { CertificateProvider, CertificateTrial } from '../../api/outside';
import { SignFields, ToSign } from '../../components/CertificateText';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { isWord, pick, t } from '../../i18n';
import { moment } from '../../i18n/format';

const states = { ok: 'online', failed: 'offline', skipped: 'unknown' } as const;
const stepWord = (step: string) => {
  const key = `certStep.${step}`;
  return isWord(key) ? t(key) : step;
};

function Found({ found }: { found: NonNullable<CertificateTrial['found']> }) {
  return (
    <dl className="facts">
      <dt>{t('cert.foundSubject')}</dt>
      <dd>
        <code>{found.subject}</code>
      </dd>
      <dt>{t('cert.foundIssuer')}</dt>
      <dd>
        <code>{found.issuer}</code>
      </dd>
      <dt>{t('cert.foundKey')}</dt>
      <dd>{found.key}</dd>
      <dt>{t('cert.foundUntil')}</dt>
      <dd>
        {moment(found.from)} – {moment(found.until)}
      </dd>
      <dt>{t('cert.foundSha256')}</dt>
      <dd>
        <code className="block">{found.sha256}</code>
      </dd>
      <dt>{t('cert.foundSm3')}</dt>
      <dd>
        <code className="block">{found.sm3}</code>
      </dd>
      <dt>{t('directory.foundName')}</dt>
      <dd>
        {found.name || t('directory.foundNone')} {found.display ? <span className="dim">{found.display}</span> : null}
      </dd>
      <dt>{t('directory.foundGroups')}</dt>
      <dd>{found.groups.length === 0 ? t('directory.foundNone') : found.groups.join(', ')}</dd>
      <dt>{t('directory.foundRoles')}</dt>
      <dd>{found.roles.length === 0 ? t('directory.foundNone') : found.roles.join(', ')}</dd>
      <dt>{t('directory.foundPerson')}</dt>
      <dd>{found.person ?? t('directory.foundNobody')}</dd>
    </dl>
  );
}

export default function CertificateTry({ provider, onClose }: { provider: CertificateProvider; onClose: () => void }) {
  const { busy, problem, run } = useAct();
  const [trial, setTrial] = useState<CertificateTrial | null>(null);
  const [message] = useState(() => `Songhua trial\nprovider: ${provider.id}\ntime: ${new Date().toISOString()}\n`);
  const ask = (values: { certificate?: string; signature?: string }) =>
    run(async () => setTrial(await post<CertificateTrial>(`identity-providers/${seg(provider.id)}/try`, { message, ...values })));
  return (
    <Modal
      open
      title={`${t('provider.try')} · ${pick(provider, provider.id)}`}
      footer={<Button onClick={onClose}>{t('action.close')}</Button>}
      onCancel={onClose}
      afterOpenChange={(shown) => void (shown && ask({}))}
      width={720}
    >
      <p className="dim">{t('cert.tryHint')}</p>
      <Form layout="vertical" requiredMark={false} onFinish={(v: { certificate?: string; signature?: string }) => void ask(v)}>
        <ToSign text={message} distid={provider.distid} once={false} />
        <SignFields needed={false} />
        <Button htmlType="submit" loading={busy}>
          {t('cert.try')}
        </Button>
      </Form>
      {trial ? (
        <>
          <p role="status">{t(trial.good ? 'directory.good' : 'directory.notGood')}</p>
          <ol className="trial">
            {trial.steps.map((s) => (
              <li key={s.step}>
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
