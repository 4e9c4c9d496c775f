// Who did what to this device: the audit for those who may read it, and the changes of its description for all who may see it.
import { Button } from 'antd';
import { useMemo } from 'react';
import { seg } from '../../api/client';
import type { AuditEntry, DeviceChange } from '../../api/types';
import { useList } from '../../api/useList';
import { useSession } from '../../app/session';
import { DataTable, type Column } from '../../components/DataTable';
import { EmptyState } from '../../components/EmptyState';
import { Panel } from '../../components/Panel';
import { t, useLanguage, type WordKey } from '../../i18n';
import { moment, who } from '../../i18n/format';
import { valueText } from '../things/model';

const MEMBERS = ['name', 'thing', 'asset', 'labels', 'location', 'driver', 'period_ms', 'archived', 'demo', 'replaced', 'renamed'];
const memberWord = (name: string) =>
  name === 'description' ? t('changed.description_of') : MEMBERS.includes(name) ? t(`changed.${name}` as WordKey) : name;

/** What differs, in one line. */
function membersText(change: DeviceChange): string {
  return change.members
    .map((m) => {
      const values = m.before === undefined && m.after === undefined ? '' : ` ${valueText(m.before) || '–'} → ${valueText(m.after) || '–'}`;
      return memberWord(m.name) + values;
    })
    .join(' · ');
}

function More({ more, loading, load }: { more: boolean; loading: boolean; load: () => void }) {
  return more ? (
    <Button size="small" loading={loading} onClick={load}>
      {t('action.more')}
    </Button>
  ) : null;
}

function changeColumns(): Column<DeviceChange>[] {
  return [
    { key: 'time', title: t('audit.time'), width: 160, render: (c) => moment(c.time) },
    { key: 'by', title: t('audit.who'), width: 150, render: (c) => who(c.by) },
    { key: 'change', title: t('audit.act'), width: 90, render: (c) => t(`changed.${c.change}`) },
    { key: 'members', title: t('audit.detail'), render: (c) => <span title={membersText(c)}>{membersText(c)}</span> },
  ];
}

function auditColumns(): Column<AuditEntry>[] {
  return [
    { key: 'time', title: t('audit.time'), width: 160, render: (e) => moment(e.time) },
    { key: 'principal', title: t('audit.who'), width: 150, render: (e) => who(e.principal) },
    { key: 'act', title: t('audit.act'), width: 180, render: (e) => <code>{e.act}</code> },
    { key: 'result', title: t('audit.result'), width: 100, render: (e) => <span className={e.result && e.result !== 'ok' ? 'bad' : ''}>{e.result}</span> },
    { key: 'detail', title: t('audit.detail'), render: (e) => <span title={e.detail}>{e.detail}</span> },
  ];
}

function AuditOf({ device }: { device: string }) {
  const lang = useLanguage();
  const list = useList<AuditEntry>('audit', { device });
  const columns = useMemo(auditColumns, [lang]);
  return (
    <Panel title={t('changed.audit')} className="wide">
      <DataTable
        label={t('changed.audit')}
        columns={columns}
        rows={list.items}
        rowKey={(e) => e.seq}
        more={list.more}
        loading={list.loading}
        problem={list.problem}
        retry={list.reload}
        empty={<EmptyState title={t('changed.auditNone')} hint={t('changed.auditNoneHint')} />}
      />
      <More more={list.more} loading={list.loading} load={list.loadMore} />
    </Panel>
  );
}

export function DeviceChanges({ device }: { device: string }) {
  const lang = useLanguage();
  const { may } = useSession();
  const list = useList<DeviceChange>(`devices/${seg(device)}/changes`);
  const columns = useMemo(changeColumns, [lang]);
  return (
    <div className="device-changes">
      <Panel title={t('changed.description')} className="wide">
        <DataTable
          label={t('changed.description')}
          columns={columns}
          rows={list.items}
          rowKey={(c) => c.revision}
          more={list.more}
          loading={list.loading}
          problem={list.problem}
          retry={list.reload}
          empty={<EmptyState title={t('changed.none')} hint={t('changed.noneHint')} />}
        />
        <More more={list.more} loading={list.loading} load={list.loadMore} />
      </Panel>
      {may('audit.read') ? <AuditOf device={device} /> : <p className="dim">{t('changed.auditDenied')}</p>}
    </div>
  );
}
