// Security keys and passkeys of the account: registered by the browser, named, taken away.
import { App, Button, Input } from 'antd';
import { useState } from 'react';
import { remove, seg } from '../../api/client';
import { addKey, keysPossible, type KeyAdded } from '../../api/webauthn';
import { useSession } from '../../app/session';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { t } from '../../i18n';
import { moment } from '../../i18n/format';

const MOST = 4;

export function Keys({ onCodes }: { onCodes: (codes: string[]) => void }) {
  const { session, refresh } = useSession();
  const { modal } = App.useApp();
  const { busy, problem, run } = useAct();
  const [name, setName] = useState('');
  const keys = session?.keys ?? [];
  const drop = (id: string, called: string) =>
    modal.confirm({
      title: t('key.remove'),
      content: t('key.removeAsk', { name: called }),
      okText: t('key.remove'),
      cancelText: t('action.cancel'),
      okButtonProps: { danger: true },
      onOk: () =>
        run(async () => {
          await remove(`sessions/current/keys/${seg(id)}`);
          await refresh();
        }, t('key.removed')),
    });
  return (
    <section className="keys" aria-label={t('key.title')}>
      <h3>{t('key.title')}</h3>
      <p className="dim">{t('key.what')}</p>
      {keys.length > 0 ? (
        <ul>
          {keys.map((key) => (
            <li key={key.id}>
              <span>{key.name}</span>
              <span className="dim">{key.host}</span>
              <span className="dim">{key.used ? t('key.usedAt', { time: moment(key.used) }) : t('key.neverUsed')}</span>
              <Button size="small" type="text" danger onClick={() => drop(key.id, key.name)}>
                {t('action.remove')}
              </Button>
            </li>
          ))}
        </ul>
      ) : null}
      <ProblemView problem={problem} />
      {!keysPossible() ? (
        <p className="dim">{t('key.notHere')}</p>
      ) : keys.length >= MOST ? null : (
        <form
          className="key-new"
          onSubmit={(e) => {
            e.preventDefault();
            void run(async () => {
              const made: KeyAdded = await addKey(name.trim());
              setName('');
              await refresh();
              if (made.recovery_codes) onCodes(made.recovery_codes);
            }, t('key.added'));
          }}
        >
          <Input
            aria-label={t('key.name')}
            placeholder={t('key.name')}
            maxLength={20}
            value={name}
            onChange={(e) => setName(e.target.value)}
          />
          <Button htmlType="submit" loading={busy}>
            {t('key.add')}
          </Button>
        </form>
      )}
    </section>
  );
}
