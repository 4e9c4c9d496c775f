import { App, Button, Modal, Tabs } from 'antd';
import { remove, seg } from '../../api/client';
import type { Person } from '../../api/types';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { t } from '../../i18n';
import { Identities } from './Identities';
import { RightsTable } from './Rights';
import { SessionTable } from './SessionTable';

/** Where a person is signed in, and what to do about a lost phone. */
export function PersonAccess({ person, mayWrite, onClose }: { person: Person; mayWrite: boolean; onClose: () => void }) {
  const { modal } = App.useApp();
  const { problem, run } = useAct();
  const reset = () =>
    modal.confirm({
      title: t('factor.reset'),
      content: t('factor.resetAsk', { name: person.name }),
      okText: t('factor.reset'),
      cancelText: t('action.cancel'),
      okButtonProps: { danger: true },
      onOk: () =>
        run(async () => {
          await remove(`people/${seg(person.name)}/second-factor`);
          onClose();
        }, t('factor.removed')),
    });
  return (
    <Modal open title={`${t('people.access')} · ${person.name}`} onCancel={onClose} footer={null} width={760}>
      <Tabs
        items={[
          {
            key: 'sessions',
            label: t('account.sessions'),
            children: (
              <>
                <SessionTable path={`people/${seg(person.name)}/sessions`} mayEnd={mayWrite} />
                <ProblemView problem={problem} />
                <p className="access-factor">
                  {t('factor.title')}: {t(person.second_factor ? 'factor.on' : 'factor.off')}{' '}
                  {person.second_factor && mayWrite ? (
                    <Button size="small" danger onClick={reset}>
                      {t('factor.reset')}
                    </Button>
                  ) : null}
                </p>
              </>
            ),
          },
          {
            key: 'identities',
            label: t('identity.title'),
            children: <Identities person={person.name} mayWrite={mayWrite} />,
          },
          {
            key: 'rights',
            label: t('rights.title'),
            children: <RightsTable path={`people/${seg(person.name)}/rights`} />,
          },
        ]}
      />
    </Modal>
  );
}
