import { useSession } from '../../app/session';
import { PageHeader } from '../../components/PageHeader';
import { Panel } from '../../components/Panel';
import { t } from '../../i18n';
import { CertificatePanel } from './CertificatePanel';
import { FactorPanel } from './FactorPanel';
import { GrantTag } from './Grants';
import { PasswordPanel } from './PasswordPanel';
import { RightsTable } from './Rights';
import { SessionTable } from './SessionTable';

export default function Account() {
  const { session } = useSession();
  return (
    <div className="page">
      <PageHeader title={t('account.title')} />
      <div className="account">
        <div className="stack">
          <Panel title={t('account.who')}>
            <dl className="facts">
              <dt>{t('people.name')}</dt>
              <dd>{session?.user.name}</dd>
              <dt>{t('account.tenant')}</dt>
              <dd>{session?.user.tenant || t('account.root')}</dd>
              <dt>{t('people.roles')}</dt>
              <dd>
                {(session?.user.roles ?? []).map((role) => (
                  <span key={role} className="tag">
                    {role}
                  </span>
                ))}
                {(session?.user.grants ?? []).map((grant, i) => (
                  <GrantTag key={i} grant={grant} home={session?.user.tenant} />
                ))}
              </dd>
            </dl>
          </Panel>
          {session?.password === false ? (
            <Panel title={t('account.password')}>
              <p>{t((session.directories ?? []).length > 0 ? 'directory.noPassword' : 'outside.noPassword')}</p>
            </Panel>
          ) : (
            <PasswordPanel />
          )}
          <CertificatePanel />
        </div>
        <FactorPanel />
        <Panel title={t('account.sessions')} className="wide">
          <p className="dim">{t('account.sessionsWhat')}</p>
          <SessionTable path="sessions" mayEnd />
        </Panel>
        <Panel title={t('rights.title')} className="wide">
          <RightsTable path="sessions/current/rights" />
        </Panel>
      </div>
    </div>
  );
}
