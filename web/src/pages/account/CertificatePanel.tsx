// One's own certificates to sign in with: bound by signing a text once.
import { Button, Modal } from 'antd';
import { lazy, Suspense, useState } from 'react';
import { App } from 'antd';
import type { Door } from '../../api/outside';
import { useSession } from '../../app/session';
import { useCertificateDoors } from '../../components/Doors';
import { Loading } from '../../components/Loading';
import { Panel } from '../../components/Panel';
import { pick, t } from '../../i18n';

const CertificateSign = lazy(() => import('../../components/CertificateSign'));

export function CertificatePanel() {
  const { session, refresh } = useSession();
  const { message } = App.useApp();
  const doors = useCertificateDoors(session?.user.tenant ?? '');
  const [binding, setBinding] = useState<Door | null>(null);
  const linked = session?.providers ?? [];
  if (doors.length === 0) return null;
  const done = async () => {
    setBinding(null);
    void message.success(t('cert.bound'));
    await refresh();
  };
  return (
    <Panel title={t('cert.own')}>
      <p className="dim">{t('cert.ownWhat')}</p>
      <ul className="identities">
        {doors.map((door) => (
          <li key={door.id}>
            <strong>{pick(door, door.id)}</strong>{' '}
            {linked.includes(door.id) ? (
              <span className="mark" data-state="online">
                {t('cert.isBound')}
              </span>
            ) : null}
            <Button size="small" onClick={() => setBinding(door)}>
              {t('cert.bindWith', { name: pick(door, door.id) })}
            </Button>
          </li>
        ))}
      </ul>
      {binding ? (
        <Modal open title={t('cert.bindWith', { name: pick(binding, binding.id) })} footer={null} onCancel={() => setBinding(null)} width={680}>
          <Suspense fallback={<Loading />}>
            <CertificateSign door={binding} purpose="bind" onDone={done} />
          </Suspense>
        </Modal>
      ) : null}
    </Panel>
  );
}
