// The bell: problems that stand, new ones counted until they were seen; and long work, with its progress and a stop.
import { BellOutlined } from '@ant-design/icons';
import { Badge, Button } from 'antd';
import { lazy, Suspense, useEffect, useState } from 'react';
import type { Trouble } from '../api/types';
import { troubleKey } from '../components/Troubles';
import { t } from '../i18n';
import { useTasks } from './tasks';
import { viewedTenant } from './tenant';

const NoticesDrawer = lazy(() => import('./NoticesDrawer'));
const SEEN = 'songhua.seen';
const SEEN_MAX = 200;

/** Problems that were seen, of each tenant looked at. */
function readSeen(): string[] {
  try {
    const all = JSON.parse(localStorage.getItem(`${SEEN}.${viewedTenant()}`) ?? '[]') as unknown;
    return Array.isArray(all) ? all.filter((x): x is string => typeof x === 'string') : [];
  } catch {
    return [];
  }
}
function writeSeen(keys: string[]): void {
  try {
    localStorage.setItem(`${SEEN}.${viewedTenant()}`, JSON.stringify(keys.slice(0, SEEN_MAX)));
  } catch {
    // a browser that keeps nothing shows them as new again
  }
}

/** What is not seen yet; a problem that went away and comes back is new again. */
export function unseenOf(problems: Trouble[], seen: string[]): { unseen: number; kept: string[] } {
  const now = problems.map(troubleKey);
  return { unseen: now.filter((key) => !seen.includes(key)).length, kept: seen.filter((key) => now.includes(key)) };
}

/** told: null before the first word of the server. */
export function Notices({ told }: { told: Trouble[] | null }) {
  const problems = told ?? [];
  const tasks = useTasks();
  const [open, setOpen] = useState(false);
  const [wanted, setWanted] = useState(false);
  const [seen, setSeen] = useState(readSeen);
  const { unseen } = unseenOf(problems, seen);
  const running = tasks.filter((task) => task.state === 'running');
  const sure = running.length > 0 && running.every((task) => task.total > 0);
  const share = sure ? Math.round((100 * running.reduce((n, task) => n + task.done, 0)) / running.reduce((n, task) => n + task.total, 0)) : 0;
  useEffect(() => {
    if (!told) return;
    const { kept } = unseenOf(problems, seen);
    const all = open ? problems.map(troubleKey) : kept;
    if (all.length === seen.length && all.every((key) => seen.includes(key))) return;
    setSeen(all);
    writeSeen(all);
  }, [open, told]);
  const label = [
    t('notices.title'),
    unseen ? t('notices.unseen', { n: unseen }) : '',
    running.length ? t('notices.running', { n: running.length }) : '',
  ].filter(Boolean).join(', ');
  return (
    <>
      <Button type="text" size="small" aria-label={label} title={label} onClick={() => (setOpen(true), setWanted(true))}>
        <Badge count={unseen} size="small" offset={[4, -2]}>
          <BellOutlined aria-hidden />
        </Badge>
        {running.length ? <span className="task-share">{sure ? `${share} %` : '…'}</span> : null}
      </Button>
      {wanted ? (
        <Suspense fallback={null}>
          <NoticesDrawer open={open} onClose={() => setOpen(false)} problems={problems} tasks={tasks} />
        </Suspense>
      ) : null}
    </>
  );
}
