import { Input } from 'antd';
import { useEffect, useMemo, useState } from 'react';
import type { AuditEntry } from '../api/types';
import { useList } from '../api/useList';
import { setQuery, usePlace } from '../app/router';
import { DataTable, type Column } from '../components/DataTable';
import { EmptyState } from '../components/EmptyState';
import { PageHeader } from '../components/PageHeader';
import { useDelayed } from '../components/useDelayed';
import { t, useLanguage } from '../i18n';
import { moment, who } from '../i18n/format';

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

export default function Audit() {
  const lang = useLanguage();
  const { query } = usePlace();
  const [search, setSearch] = useState(query.get('q') ?? '');
  const q = useDelayed(search.trim(), 250);
  useEffect(() => setQuery({ q: q || null }), [q]);
  const list = useList<AuditEntry>('audit', { q });
  const columns = useMemo(columnsOf, [lang]);
  return (
    <div className="page-fill">
      <PageHeader title={t('nav.audit')} note={t('audit.what')} />
      <div className="toolbar" role="search">
        <Input
          allowClear
          style={{ width: 260 }}
          value={search}
          aria-label={t('audit.search')}
          placeholder={t('audit.search')}
          onChange={(e) => setSearch(e.target.value)}
        />
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
        empty={<EmptyState title={t('audit.none')} hint={t('audit.noneHint')} />}
      />
    </div>
  );
}
