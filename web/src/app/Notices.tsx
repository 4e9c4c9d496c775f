// The bell: problems that stand, new ones counted until they were seen; and long work, with its progress and a stop.
import { BellOutlined, CloseOutlined } from '@ant-design/icons';
import { Badge, Button, Drawer, Progress } from 'antd';
import { useEffect, useState } from 'react';
import type { Trouble } from '../api/types';
import { ProblemView } from '../components/ProblemView';
import { troubleKey, Troubles } from '../components/Troubles';
import { t } from '../i18n';
import { count } from '../i18n/format';
import { clearEnded, useTasks, type Task } from './tasks';
import { viewedTenant } from './tenant';

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

function TaskRow({ task }: { task: Task }) {
  const share = task.total > 0 ? Math.round((100 * task.done) / task.total) : 0;
  return (
    <li className="task" data-state={task.state}>
      <div className="task-head">
        <strong>{task.title}</strong>
        {task.state === 'running' && task.stop ? (
          <Button size="small" onClick={task.stop}>
            {t('tasks.stop')}
          </Button>
        ) : (
          <span className="dim">{t(`tasks.${task.state}`)}</span>
        )}
      </div>
      {task.state === 'running' ? (
        <>
          {task.total > 0 ? <Progress percent={share} size="small" aria-label={task.title} /> : null}
          <span className="dim">
            {task.note || task.total > 0 ? task.note || t('tasks.of', { done: count(task.done), total: count(task.total) }) : t('tasks.running')}
          </span>
        </>
      ) : null}
      {task.result ? <div>{task.result}</div> : null}
      <ProblemView problem={task.problem} />
    </li>
  );
}

function Tasks({ tasks }: { tasks: readonly Task[] }) {
  return (
    <section aria-label={t('tasks.title')}>
      <div className="panel-head">
        <h2>{t('tasks.title')}</h2>
        {tasks.some((task) => task.state !== 'running') ? (
          <Button size="small" type="text" onClick={clearEnded}>
            {t('tasks.clear')}
          </Button>
        ) : null}
      </div>
      {tasks.length === 0 ? <p className="dim">{t('tasks.none')}</p> : null}
      <ul className="tasks">
        {tasks.map((task) => (
          <TaskRow key={task.id} task={task} />
        ))}
      </ul>
    </section>
  );
}

/** told: null before the first word of the server. */
export function Notices({ told }: { told: Trouble[] | null }) {
  const problems = told ?? [];
  const tasks = useTasks();
  const [open, setOpen] = useState(false);
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
      <Button type="text" size="small" aria-label={label} title={label} onClick={() => setOpen(true)}>
        <Badge count={unseen} size="small" offset={[4, -2]}>
          <BellOutlined aria-hidden />
        </Badge>
        {running.length ? <span className="task-share">{sure ? `${share} %` : '…'}</span> : null}
      </Button>
      <Drawer
        open={open}
        onClose={() => setOpen(false)}
        title={t('notices.title')}
        size={420}
        closeIcon={<CloseOutlined aria-label={t('action.close')} />}
      >
        <section aria-label={t('overview.problems')}>
          <div className="panel-head">
            <h2>{t('overview.problems')}</h2>
          </div>
          <Troubles problems={problems} />
        </section>
        <Tasks tasks={tasks} />
      </Drawer>
    </>
  );
}
