// What the bell opens: problems that stand, and long work. Loaded when it is opened for the first time.
import { CloseOutlined } from '@ant-design/icons';
import { Button, Drawer, Progress } from 'antd';
import type { Trouble } from '../api/types';
import { ProblemView } from '../components/ProblemView';
import { Troubles } from '../components/Troubles';
import { t } from '../i18n';
import { count } from '../i18n/format';
import { clearEnded, type Task } from './tasks';

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

interface Props {
  open: boolean;
  onClose: () => void;
  problems: Trouble[];
  tasks: readonly Task[];
}

export default function NoticesDrawer({ open, onClose, problems, tasks }: Props) {
  return (
    <Drawer
      open={open}
      onClose={onClose}
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
  );
}
