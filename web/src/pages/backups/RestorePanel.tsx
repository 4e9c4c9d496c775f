// What a restore has made ready, where the data in use comes from, and what earlier ones left.
import { Alert, Button } from 'antd';
import { useMemo } from 'react';
import type { Backups as State, Kept, Prepared } from '../../api/backupTypes';
import { DataTable, type Column } from '../../components/DataTable';
import { Age } from '../../components/Marks';
import { Panel } from '../../components/Panel';
import { t, useLanguage } from '../../i18n';
import { bytes, moment, who } from '../../i18n/format';
import { figures } from './RestoreDialogs';

export interface RestoreActs {
  apply: (prepared: Prepared) => void;
  discard: () => void;
  back: (kept: Kept) => void;
  drop: (kept: Kept) => void;
}

const KEYS = { own: 'restore.keysOwn', backup: 'restore.keysBackup', new: 'restore.keysNew' } as const;

function Ready({ prepared, busy, acts }: { prepared: Prepared; busy: boolean; acts: RestoreActs }) {
  return (
    <>
      <dt>{t('restore.ready')}</dt>
      <dd>
        <div>
          {t('restore.ofTime', { time: moment(prepared.backup_time) })} · {figures(prepared)} ·{' '}
          <span className={prepared.keys === 'new' ? 'bad' : undefined}>{t(KEYS[prepared.keys])}</span>
        </div>
        <div className="dim">
          {t('restore.byWhom', { who: who(prepared.by), time: moment(prepared.time) })} · {prepared.reason}
        </div>
        <div className="page-actions">
          <Button type="primary" danger size="small" disabled={busy} onClick={() => acts.apply(prepared)}>
            {t('restore.applyNow')}
          </Button>
          <Button size="small" disabled={busy} onClick={acts.discard}>
            {t('restore.discard')}
          </Button>
        </div>
      </dd>
    </>
  );
}

function Origin({ origin }: { origin: Prepared }) {
  return (
    <>
      <dt>{t('restore.origin')}</dt>
      <dd>
        {t('restore.ofTime', { time: moment(origin.backup_time) })}{' '}
        <span className="dim">
          {t('restore.byWhom', { who: who(origin.by), time: moment(origin.time) })} · {origin.reason}
        </span>
      </dd>
    </>
  );
}

function KeptTable({ rows, busy, acts }: { rows: Kept[]; busy: boolean; acts: RestoreActs }) {
  const lang = useLanguage();
  const columns = useMemo<Column<Kept>[]>(
    () => [
      { key: 'time', title: t('restore.keptTime'), width: 160, render: (x) => moment(x.time) },
      { key: 'bytes', title: t('backups.size'), width: 90, align: 'right', render: (x) => bytes(x.bytes) },
      {
        key: 'state',
        title: t('backups.state'),
        render: (x) =>
          x.records_only ? (
            <span className="dim" title={t('restore.recordsUntil', { time: moment(x.records_until) })}>
              {t('restore.recordsOnly')}
            </span>
          ) : (
            <span title={x.name}>{t('restore.whole')}</span>
          ),
      },
      {
        key: 'actions',
        title: '',
        align: 'right',
        width: 150,
        render: (x) => (
          <>
            {x.records_only ? null : (
              <Button size="small" type="text" disabled={busy} onClick={() => acts.back(x)}>
                {t('restore.back')}
              </Button>
            )}
            {x.records_only && Date.parse(x.records_until) > Date.now() ? null : (
              <Button size="small" type="text" danger disabled={busy} onClick={() => acts.drop(x)}>
                {t('action.delete')}
              </Button>
            )}
          </>
        ),
      },
    ],
    [lang, busy, acts],
  );
  return <DataTable label={t('restore.kept')} columns={columns} rows={rows} rowKey={(x) => x.name} empty={null} />;
}

/** Nothing while there is nothing to tell. */
export function RestorePanel({ state, busy, acts }: { state: State; busy: boolean; acts: RestoreActs }) {
  const r = state.restore;
  const facts = r.prepared !== null || r.origin !== null || r.last_failure !== null;
  if (!facts && r.kept.length === 0 && r.brought_back === null) return null;
  return (
    <Panel title={t('restore.title')} className="backups-state">
      {r.brought_back ? (
        <Alert className="restore-alert" type="error" message={t('restore.broughtBack', { time: moment(r.brought_back.time) })} description={r.brought_back.text} />
      ) : null}
      {facts ? (
        <dl className="facts">
          {r.prepared ? <Ready prepared={r.prepared} busy={busy} acts={acts} /> : null}
          {r.origin ? <Origin origin={r.origin} /> : null}
          {r.last_failure ? (
            <>
              <dt>{t('backups.failed')}</dt>
              <dd className="bad">
                <Age time={r.last_failure.time} /> · {r.last_failure.text}
                {r.last_failure.remedy ? ` (${r.last_failure.remedy})` : ''}
              </dd>
            </>
          ) : null}
        </dl>
      ) : null}
      {r.kept.length > 0 ? (
        <>
          <p className="dim">{t('restore.keptWhat')}</p>
          <KeptTable rows={r.kept} busy={busy} acts={acts} />
        </>
      ) : null}
    </Panel>
  );
}
