import { App, Button } from 'antd';
import { useMemo, useState } from 'react';
import { get, post, remove, seg, type Problem } from '../api/client';
import { runTask, type Ending } from '../app/tasks';
import type { Backup, BackupCopy, Backups as State, Kept, Prepared } from '../api/backupTypes';
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
import { Restarting } from './backups/Restarting';
import { ApplyDialog, BackDialog, PrepareDialog } from './backups/RestoreDialogs';
import { RestorePanel } from './backups/RestorePanel';
import './backups/backups.css';

const BUSY_MS = 1500;
const IDLE_MS = 15_000;
const idle = () => undefined;

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

const REMOTE = {
  copied: 'backups.remoteCopied',
  waiting: 'backups.remoteWaiting',
  failed: 'backups.remoteFailed',
  none: 'backups.remoteNone',
} as const;

/** Where the copy on the SFTP server stands. */
function Remote({ row }: { row: Backup }) {
  const r = row.remote;
  if (!r) return null;
  if (r.state === 'copied') return <span title={r.time ? moment(r.time) : undefined}>{t(REMOTE.copied)}</span>;
  return <span className={r.state === 'failed' ? 'bad' : 'dim'}>{t(REMOTE[r.state])}</span>;
}

interface Acts {
  drop: (row: Backup) => void;
  copy: (row: Backup) => void;
  restore: (row: Backup) => void;
}

function columnsOf(remote: boolean, acts: Acts | null): Column<Backup>[] {
  const columns: Column<Backup>[] = [
    { key: 'time', title: t('backups.time'), width: 160, render: (x) => <span title={x.version}>{moment(x.time)}</span> },
    { key: 'id', title: t('backups.id'), width: remote ? 210 : undefined, render: (x) => <code>{x.id}</code> },
    {
      key: 'bytes',
      title: t('backups.size'),
      width: 100,
      align: 'right',
      render: (x) => <span title={`${t('backups.new')} ${bytes(x.copied)}`}>{bytes(x.bytes)}</span>,
    },
    { key: 'samples', title: t('backups.samples'), width: 90, align: 'right', render: (x) => compact(x.samples) },
    {
      key: 'keys',
      title: t('backups.keys'),
      width: 110,
      render: (x) => t(x.keys ? 'backups.withKeys' : 'backups.withoutKeys'),
    },
    { key: 'rehearsal', title: t('backups.rehearsed'), width: remote ? undefined : '20%', render: (x) => <Rehearsed row={x} /> },
  ];
  if (!remote) columns.splice(3, 0, { key: 'copied', title: t('backups.new'), width: 100, align: 'right', render: (x) => bytes(x.copied) });
  if (remote) columns.push({ key: 'remote', title: t('backups.remote'), width: 110, render: (x) => <Remote row={x} /> });
  if (acts) {
    columns.push({
      key: 'actions',
      title: '',
      align: 'right',
      width: remote ? 210 : 150,
      render: (row) => (
        <>
          <Button size="small" type="text" onClick={() => acts.restore(row)}>
            {t('restore.open')}
          </Button>
          {row.remote && row.remote.state !== 'copied' ? (
            <Button size="small" type="text" onClick={() => acts.copy(row)}>
              {t('backups.copyNow')}
            </Button>
          ) : null}
          <Button size="small" type="text" danger onClick={() => acts.drop(row)}>
            {t('action.delete')}
          </Button>
        </>
      ),
    });
  }
  return columns;
}

/** What only the SFTP server holds: fetched from there. */
function Elsewhere({ state, busy, look, fetch }: { state: State; busy: boolean; look: () => void; fetch: (row: BackupCopy) => void }) {
  const lang = useLanguage();
  const columns = useMemo<Column<BackupCopy>[]>(
    () => [
      { key: 'id', title: t('backups.id'), render: (x) => <code>{x.id}</code> },
      { key: 'time', title: t('backups.copyTime'), width: 180, render: (x) => moment(x.time) },
      {
        key: 'actions',
        title: '',
        align: 'right',
        width: 100,
        render: (x) => (
          <Button size="small" type="text" disabled={busy} onClick={() => fetch(x)}>
            {t('backups.fetchNow')}
          </Button>
        ),
      },
    ],
    [lang, busy],
  );
  const remote = state.remote;
  if (!remote) return null;
  const rows = remote.items.filter((x) => !x.here);
  return (
    <Panel
      title={t('backups.elsewhere')}
      className="backups-state"
      extra={
        <Button size="small" disabled={busy} onClick={look}>
          {t('backups.lookNow')}
        </Button>
      }
    >
      {rows.length > 0 ? (
        <DataTable label={t('backups.elsewhere')} columns={columns} rows={rows} rowKey={(x) => x.id} empty={null} />
      ) : (
        <span className="dim">
          {remote.looked ? `${t('backups.allHere')} ${t('backups.looked', { time: moment(remote.looked) })}` : t('backups.neverLooked')}
        </span>
      )}
    </Panel>
  );
}

/** The server's address and how it goes there, among the facts. */
function Server({ remote }: { remote: State['remote'] }) {
  const failure = remote?.last_failure ?? null;
  return (
    <>
      <dt>{t('backups.server')}</dt>
      <dd>
        {remote ? (
          <>
            <code>{remote.url}</code> · {remote.keep ? t('backups.serverKeep', { n: remote.keep }) : t('backups.serverKeepAll')}
          </>
        ) : (
          <span className="dim">{t('backups.noServer')}</span>
        )}
      </dd>
      {failure ? (
        <>
          <dt>{t('backups.serverFailed')}</dt>
          <dd className="bad">
            <Age time={failure.time} /> · {failure.text}
            {failure.remedy ? ` (${failure.remedy})` : ''}
            {remote?.retry ? ` · ${t('backups.retry', { time: moment(remote.retry) })}` : ''}
          </dd>
        </>
      ) : null}
    </>
  );
}

function Running({ state }: { state: State }) {
  const r = state.running;
  if (!r) return <>{t('backups.idle')}</>;
  const figures = { done: bytes(r.done_bytes), total: bytes(r.total_bytes), files: r.files };
  return (
    <>
      {r.step === 'waiting' ? t('backups.waiting') : t(`backups.${r.step}`, figures)}{' '}
      <span className="dim">{r.by === 'schedule' ? t('backups.byClock') : t('backups.by', { who: who(r.by) })}</span>
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
      <Server remote={state.remote} />
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

/** A copy that nobody asked for: it gives way to a backup. */
function givesWay(r: State['running']): boolean {
  return r?.step === 'copy' && r.by === 'schedule';
}

function madeBackup(state: State): string {
  const failure = state.last_failure;
  const newest = state.items[0];
  return failure && (!newest || failure.time > newest.time) ? failure.text : (newest?.id ?? '');
}

function madeReady(state: State): string {
  const { prepared, last_failure: failure } = state.restore;
  return failure?.text ?? (prepared ? t('restore.ofTime', { time: moment(prepared.backup_time) }) : '');
}

/** The backup that runs, or a restore that is made ready, as a task: a stop there cancels it. */
async function follow(
  became: (state: State) => string,
  tell: (done: number, total?: number, note?: string) => void,
  signal: AbortSignal,
): Promise<Ending> {
  let asked = false;
  for (;;) {
    const state = await get<State>('backups');
    const r = state.running;
    if (!r || givesWay(r)) return { stopped: asked, result: became(state) };
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
  const [restoring, setRestoring] = useState<Backup | null>(null);
  const [applying, setApplying] = useState<Prepared | null>(null);
  const [bringing, setBringing] = useState<Kept | null>(null);
  const [restarts, setRestarts] = useState<{ before: string } | null>(null);
  const restart = () => setRestarts({ before: data?.restore.brought_back?.time ?? '' });
  useEvery(running ? BUSY_MS : IDLE_MS, restarts ? idle : reload);

  const begin = () =>
    act.run(async () => {
      await post('backups');
      void runTask(t('backups.task'), (tell, signal) => follow(madeBackup, tell, signal)).then(reload);
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
  const ask = (path: string, said: string) =>
    act.run(async () => {
      await post(path);
      reload();
    }, said);
  const copy = (row: Backup) => void ask(`backups/${seg(row.id)}/copy`, t('backups.copyBegun'));
  const fetch = (row: BackupCopy) => void ask(`backups/${seg(row.id)}/fetch`, t('backups.fetchBegun'));
  const look = () => void ask('backups/copies', t('backups.looking'));
  const remote = Boolean(data?.remote);
  const columns = useMemo(() => columnsOf(remote, running ? null : { drop, copy, restore: setRestoring }), [lang, remote, running === null]);
  const prepares = () => {
    void runTask(t('restore.task'), (tell, signal) => follow(madeReady, tell, signal)).then(reload);
    reload();
  };
  const restores = {
    apply: setApplying,
    back: setBringing,
    discard: () =>
      void act.run(async () => {
        await remove('backups/prepared');
        reload();
      }, t('restore.discarded')),
    drop: (kept: Kept) =>
      void modal.confirm({
        title: t('action.delete'),
        content: t('restore.dropHint', { time: moment(kept.time) }),
        okText: t('action.delete'),
        cancelText: t('action.cancel'),
        okButtonProps: { danger: true },
        onOk: () =>
          act.run(async () => {
            await remove(`backups/${seg(kept.name)}`);
            reload();
          }, t('restore.dropping')),
      }),
  };
  return (
    <div className="page-fill backups-page">
      <PageHeader
        title={t('nav.backups')}
        note={t('backups.what')}
        actions={
          data ? (
            <>
              {running ? (
                <Button disabled={act.busy} onClick={() => void cancel()}>
                  {t('backups.cancel')}
                </Button>
              ) : null}
              {!running || givesWay(running) ? (
                <Button type="primary" disabled={act.busy} onClick={() => void begin()}>
                  {t('backups.create')}
                </Button>
              ) : null}
            </>
          ) : null
        }
      />
      <ProblemView problem={act.problem} />
      {restoring ? (
        <PrepareDialog row={restoring} again={Boolean(data?.restore.prepared)} onClose={() => setRestoring(null)} onDone={prepares} />
      ) : null}
      {applying ? <ApplyDialog prepared={applying} onClose={() => setApplying(null)} onDone={restart} /> : null}
      {bringing ? <BackDialog kept={bringing} onClose={() => setBringing(null)} onDone={restart} /> : null}
      {restarts ? <Restarting before={restarts.before} /> : null}
      {problem && !data ? <Off problem={problem} retry={reload} /> : null}
      {data ? (
        <>
          <div className="backups-top">
            <Panel title={t('backups.status')} className="backups-state">
              <Facts state={data} />
            </Panel>
            <RestorePanel state={data} busy={act.busy || running !== null} acts={restores} />
          </div>
          <Elsewhere state={data} busy={act.busy || running !== null} look={look} fetch={fetch} />
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
