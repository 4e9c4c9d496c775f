import { App, Button } from 'antd';
import { useMemo } from 'react';
import { get, post, remove, seg, type Problem } from '../api/client';
import { runTask, type Ending } from '../app/tasks';
import type { Backup, Backups as State } from '../api/types';
import { useResource } from '../api/useResource';
import { DataTable, type Column } from '../components/DataTable';
import { EmptyState } from '../components/EmptyState';
import { Age } from '../components/Marks';
import { PageHeader } from '../components/PageHeader';
import { Panel } from '../components/Panel';
import { ProblemView } from '../components/ProblemView';
import { useAct } from '../components/useAct';
import { useEvery } from '../components/useEvery';
import { t, useLanguage } from '../i18n';
import { bytes, compact, moment, who } from '../i18n/format';

const BUSY_MS = 1500;
const IDLE_MS = 15_000;

/** Passed, failed with the reason, or not done. */
function Rehearsed({ row }: { row: Backup }) {
  const r = row.rehearsal;
  if (!r) return <span className="dim">{t('backups.none')}</span>;
  if (r.good) return <span title={moment(r.time)}>{t('backups.good', { n: compact(r.compared) })}</span>;
  return (
    <span className="bad" title={r.text}>
      {t('backups.bad')}
    </span>
  );
}

function columnsOf(drop: ((row: Backup) => void) | null): Column<Backup>[] {
  const columns: Column<Backup>[] = [
    { key: 'time', title: t('backups.time'), width: 160, render: (x) => <span title={x.version}>{moment(x.time)}</span> },
    { key: 'id', title: t('backups.id'), render: (x) => <code>{x.id}</code> },
    { key: 'bytes', title: t('backups.size'), width: 100, align: 'right', render: (x) => bytes(x.bytes) },
    { key: 'copied', title: t('backups.new'), width: 100, align: 'right', render: (x) => bytes(x.copied) },
    { key: 'samples', title: t('backups.samples'), width: 90, align: 'right', render: (x) => compact(x.samples) },
    {
      key: 'keys',
      title: t('backups.keys'),
      width: 110,
      render: (x) => t(x.keys ? 'backups.withKeys' : 'backups.withoutKeys'),
    },
    { key: 'rehearsal', title: t('backups.rehearsed'), width: '20%', render: (x) => <Rehearsed row={x} /> },
  ];
  if (drop) {
    columns.push({
      key: 'actions',
      title: '',
      align: 'right',
      width: 90,
      render: (row) => (
        <Button size="small" type="text" danger onClick={() => drop(row)}>
          {t('action.delete')}
        </Button>
      ),
    });
  }
  return columns;
}

function Running({ state }: { state: State }) {
  const r = state.running;
  if (!r) return <>{t('backups.idle')}</>;
  const figures = { done: bytes(r.done_bytes), total: bytes(r.total_bytes), files: r.files };
  return (
    <>
      {r.step === 'waiting' ? t('backups.waiting') : t(`backups.${r.step}`, figures)}{' '}
      <span className="dim">{t('backups.by', { who: who(r.by) })}</span>
      {r.step === 'waiting' ? null : (
        <progress
          aria-label={t('backups.state')}
          value={r.total_bytes > 0 ? Math.min(r.done_bytes, r.total_bytes) : undefined}
          max={r.total_bytes || undefined}
        />
      )}
    </>
  );
}

function Facts({ state }: { state: State }) {
  const failure = state.last_failure;
  return (
    <dl className="facts">
      <dt>{t('backups.state')}</dt>
      <dd>
        <span role="status">
          <Running state={state} />
        </span>
      </dd>
      <dt>{t('backups.folder')}</dt>
      <dd>
        <code>{state.folder}</code>
      </dd>
      <dt>{t('backups.due')}</dt>
      <dd>{state.due ? moment(state.due) : t('backups.byHand')}</dd>
      <dt>{t('backups.keep')}</dt>
      <dd>{state.keep || t('backups.keepAll')}</dd>
      {failure ? (
        <>
          <dt>{t('backups.failed')}</dt>
          <dd className="bad">
            <Age time={failure.time} /> · {failure.text}
            {failure.remedy ? ` (${failure.remedy})` : ''}
          </dd>
        </>
      ) : null}
    </dl>
  );
}

function Off({ problem, retry }: { problem: Problem; retry: () => void }) {
  if (problem.code !== 'state') return <ProblemView problem={problem} retry={retry} />;
  return <EmptyState title={t('backups.off')} hint={t('backups.offHint')} />;
}

/** The backup that runs, as a task: a stop there cancels it. */
async function follow(tell: (done: number, total?: number, note?: string) => void, signal: AbortSignal): Promise<Ending> {
  let asked = false;
  for (;;) {
    const state = await get<State>('backups');
    const r = state.running;
    if (!r) {
      const failure = state.last_failure;
      const newest = state.items[0];
      if (failure && (!newest || failure.time > newest.time)) return { stopped: asked, result: failure.text };
      return { stopped: asked, result: newest?.id ?? '' };
    }
    tell(r.done_bytes, r.total_bytes, t(`backups.${r.step}`, { done: bytes(r.done_bytes), total: bytes(r.total_bytes), files: r.files }));
    if (signal.aborted && !asked) {
      asked = true;
      await remove('backups/running').catch(() => undefined);
    }
    await new Promise((resolve) => setTimeout(resolve, BUSY_MS));
  }
}

export default function Backups() {
  const lang = useLanguage();
  const { modal } = App.useApp();
  const act = useAct();
  const { data, problem, loading, reload } = useResource<State>('backups');
  const running = data?.running ?? null;
  useEvery(running ? BUSY_MS : IDLE_MS, reload);

  const begin = () =>
    act.run(async () => {
      await post('backups');
      void runTask(t('backups.task'), follow).then(reload);
      reload();
    }, t('backups.begun'));
  const cancel = () =>
    act.run(async () => {
      await remove('backups/running');
      reload();
    }, t('backups.canceled'));
  const drop = (row: Backup) =>
    modal.confirm({
      title: t('action.delete'),
      content: t('backups.deleteHint', { name: row.id }),
      okText: t('action.delete'),
      cancelText: t('action.cancel'),
      okButtonProps: { danger: true },
      onOk: () =>
        act.run(async () => {
          await remove(`backups/${seg(row.id)}`);
          reload();
        }, t('state.deleted')),
    });
  const columns = useMemo(() => columnsOf(running ? null : drop), [lang, running === null]);
  return (
    <div className="page-fill">
      <PageHeader
        title={t('nav.backups')}
        note={t('backups.what')}
        actions={
          !data ? null : running ? (
            <Button disabled={act.busy} onClick={() => void cancel()}>
              {t('backups.cancel')}
            </Button>
          ) : (
            <Button type="primary" disabled={act.busy} onClick={() => void begin()}>
              {t('backups.create')}
            </Button>
          )
        }
      />
      <ProblemView problem={act.problem} />
      {problem && !data ? <Off problem={problem} retry={reload} /> : null}
      {data ? (
        <>
          <Panel title={t('backups.status')} className="backups-state">
            <Facts state={data} />
          </Panel>
          <DataTable
            fill
            label={t('nav.backups')}
            columns={columns}
            rows={data.items}
            rowKey={(x) => x.id}
            loading={loading && !data}
            empty={<EmptyState title={t('backups.empty')} hint={t('backups.emptyHint')} />}
          />
        </>
      ) : null}
    </div>
  );
}
