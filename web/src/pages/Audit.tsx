import { Button, Checkbox, Input } from 'antd';
import { useMemo, useState } from 'react';
import { apiUrl } from '../api/client';
import type { AuditEntry } from '../api/types';
import { useList } from '../api/useList';
import { setQuery, usePlace } from '../app/router';
import { useSession } from '../app/session';
import { DataTable, type Column } from '../components/DataTable';
import { EmptyState } from '../components/EmptyState';
import { PageHeader } from '../components/PageHeader';
import { useDelayed } from '../components/useDelayed';
import { t, useLanguage } from '../i18n';
import { moment, who } from '../i18n/format';
import { fromInput, toInput } from './history/range';

function columnsOf(): Column<AuditEntry>[] {
  return [
    { key: 'seq', title: t('audit.seq'), width: 80, align: 'right', render: (e) => e.seq },
    { key: 'time', title: t('audit.time'), width: 160, render: (e) => moment(e.time) },
    { key: 'principal', title: t('audit.who'), width: '14%', render: (e) => who(e.principal) },
    { key: 'act', title: t('audit.act'), width: '14%', render: (e) => <code>{e.act}</code> },
    { key: 'object', title: t('audit.object'), width: '20%', render: (e) => e.object },
    {
      key: 'result',
      title: t('audit.result'),
      width: 110,
      render: (e) => <span className={e.result && e.result !== 'ok' ? 'bad' : ''}>{e.result}</span>,
    },
    { key: 'detail', title: t('audit.detail'), render: (e) => <span title={e.hash}>{e.detail}</span> },
  ];
}

/** A time of the address (ms), as the field shows it. */
function Time({ name, label }: { name: 'from' | 'to'; label: string }) {
  const { query } = usePlace();
  const ms = Number(query.get(name));
  return (
    <label className="inline">
      {label}
      <input
        type="datetime-local"
        value={ms ? toInput(ms) : ''}
        onChange={(e) => setQuery({ [name]: e.target.value ? String(fromInput(e.target.value)) : null })}
      />
    </label>
  );
}

/** Everything asked for is in the address, so that it can be kept and sent on. */
export default function Audit() {
  const lang = useLanguage();
  const { query } = usePlace();
  const { session } = useSession();
  const [search, setSearch] = useState(query.get('q') ?? '');
  const [person, setPerson] = useState(query.get('who') ?? '');
  const q = useDelayed(search.trim(), 250);
  const name = useDelayed(person.trim(), 250);
  const asked = {
    q,
    who: name,
    from: query.get('from') ?? '',
    to: query.get('to') ?? '',
    refused: query.get('refused') === 'true' ? 'true' : '',
  };
  const list = useList<AuditEntry>('audit', asked);
  const columns = useMemo(columnsOf, [lang]);
  const filtered = Object.values(asked).some(Boolean);
  return (
    <div className="page-fill">
      <PageHeader
        title={t('nav.audit')}
        note={t('audit.what')}
        actions={
          <>
            {session?.user.tenant ? null : (
              <Button href={apiUrl('audit/checkpoint')} download="songhua-checkpoint.json" title={t('audit.checkpointHint')}>
                {t('audit.checkpoint')}
              </Button>
            )}
            <Button href={apiUrl('audit/export', asked)} download="audit.csv">
              {t('audit.export')}
            </Button>
          </>
        }
      />
      <div className="toolbar" role="search">
        <Input
          allowClear
          style={{ width: 240 }}
          value={search}
          aria-label={t('audit.search')}
          placeholder={t('audit.search')}
          onChange={(e) => {
            setSearch(e.target.value);
            setQuery({ q: e.target.value.trim() || null });
          }}
        />
        <Input
          allowClear
          style={{ width: 150 }}
          value={person}
          aria-label={t('audit.who')}
          placeholder={t('audit.who')}
          onChange={(e) => {
            setPerson(e.target.value);
            setQuery({ who: e.target.value.trim() || null });
          }}
        />
        <Time name="from" label={t('audit.from')} />
        <Time name="to" label={t('audit.to')} />
        <Checkbox checked={asked.refused !== ''} onChange={(e) => setQuery({ refused: e.target.checked ? 'true' : null })}>
          {t('audit.refused')}
        </Checkbox>
      </div>
      <DataTable
        fill
        label={t('nav.audit')}
        columns={columns}
        rows={list.items}
        rowKey={(e) => e.seq}
        total={list.total}
        more={list.more}
        loading={list.loading}
        problem={list.problem}
        retry={list.reload}
        onEnd={list.loadMore}
        empty={
          <EmptyState
            title={t(filtered ? 'audit.noneSuch' : 'audit.none')}
            hint={t(filtered ? 'audit.noneSuchHint' : 'audit.noneHint')}
          />
        }
      />
    </div>
  );
}
