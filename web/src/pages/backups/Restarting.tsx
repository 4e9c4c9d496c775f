// While the node goes down and comes up with other data: nothing else can be done here.
import { Modal } from 'antd';
import { useEffect, useState } from 'react';
import type { Backups } from '../../api/backupTypes';
import { csrfHeader } from '../../api/client';
import { t } from '../../i18n';

const TURN_MS = 700;
const LONG_MS = 60_000;

/** Has it come up with other data, or back with its own? Not by the client, which would show its own words for each refusal. */
async function over(before: string): Promise<boolean> {
  try {
    const answer = await fetch('/api/v1/backups', { headers: csrfHeader(), cache: 'no-store' });
    if (answer.status === 401) return true;
    if (!answer.ok) return false;
    const { restore } = (await answer.json()) as Backups;
    return (restore.brought_back?.time ?? '') !== before;
  } catch {
    return false; // nobody listens at the moment
  }
}

/** before: when it came back last, as known until now; '' = never. */
export function Restarting({ before }: { before: string }) {
  const [long, setLong] = useState(false);
  useEffect(() => {
    let ended = false;
    const began = Date.now();
    const turn = async () => {
      if (ended) return;
      if (await over(before)) {
        window.location.assign('/backups');
        return;
      }
      setLong(Date.now() - began > LONG_MS);
      if (!ended) setTimeout(() => void turn(), TURN_MS);
    };
    void turn();
    return () => {
      ended = true;
    };
  }, [before]);
  return (
    <Modal open closable={false} keyboard={false} maskClosable={false} footer={null} title={t('restore.restarting')}>
      <div role="status">
        <progress aria-label={t('restore.restarting')} />
        <p>{t('restore.restartingWhat')}</p>
        {long ? <p>{t('restore.restartingLong')}</p> : null}
      </div>
    </Modal>
  );
}
