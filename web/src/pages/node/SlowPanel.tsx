// Requests and statements that took longer than api.slow: which, how long, who, what was asked.
import { Button, Modal } from 'antd';
import { useState, type ReactNode } from 'react';
import type { SlowItem, SlowPage } from '../../api/slowTypes';
import { useResource } from '../../api/useResource';
import { useSession } from '../../app/session';
import { viewedTenant } from '../../app/tenant';
import { CodeBlock } from '../../components/CodeBlock';
import { DataTable, type Column } from '../../components/DataTable';
import { EmptyState } from '../../components/EmptyState';
import { Loading } from '../../components/Loading';
import { Panel } from '../../components/Panel';
import { ProblemView } from '../../components/ProblemView';
import { useEvery } from '../../components/useEvery';
import { t } from '../../i18n';
import { bytes, count, moment, who } from '../../i18n/format';
import { duration, explorerOf, sorted } from './slow';
import './node.css';

const EVERY_MS = 10_000;
const MOST = 256;

/** How long, beside the others; the pale part is the time before a worker was free. */
function Took({ item, longest }: { item: SlowItem; longest: number }) {
  const waited = item.waited_ms ?? 0;
  return (
    <span className="slow-took" title={item.waited_ms === null ? undefined : t('slow.waited', { n: duration(waited) })}>
      <span className="slow-bar" aria-hidden="true">
        <span data-waited="" style={{ width: `${(100 * waited) / longest}%` }} />
        <span style={{ width: `${(100 * (item.ms - waited)) / longest}%` }} />
      </span>
      <span>{duration(item.ms)}</span>
    </span>
  );
}

function What({ item }: { item: SlowItem }) {
  const text = item.text ?? '';
  return (
    <span className="slow-what" title={text || item.route}>
      <code>{`${item.method} ${item.route.replace('/api/v1/', '')}`}</code>
      <span className="dim">{text}</span>
    </span>
  );
}

function Details({ item, onClose }: { item: SlowItem; onClose: () => void }) {
  const facts: [string, ReactNode][] = [
    [t('slow.time'), moment(item.time, true)],
    [t('slow.took'), duration(item.ms) + (item.streamed ? ` · ${t('slow.streamed')}` : '')],
    [t('slow.waiting'), item.waited_ms === null ? t('slow.unknown') : duration(item.waited_ms)],
    [t('slow.route'), <code key="route">{`${item.method} ${item.route}`}</code>],
    [t('slow.status'), item.status ?? '–'],
    [t('slow.who'), who(item.who) || '–'],
    [t('slow.tenant'), item.tenant || t('slow.root')],
    [t('slow.rows'), item.rows === null ? t('slow.unknown') : count(item.rows)],
    [t('slow.bytes'), item.bytes === null ? t('slow.unknown') : bytes(item.bytes)],
  ];
  return (
    <Modal open title={t('slow.one')} onCancel={onClose} footer={null} width={720}>
      <dl className="facts">
        {facts.map(([name, value]) => (
          <div key={name} className="fact">
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {item.text ? <CodeBlock label={t('slow.question')} text={item.text} /> : null}
      {item.cut ? <p className="dim">{t('slow.cut')}</p> : null}
      {item.masked ? <p className="dim">{t('slow.masked')}</p> : null}
    </Modal>
  );
}

function columnsOf(longest: number, here: string, show: (item: SlowItem) => void): Column<SlowItem>[] {
  return [
    { key: 'time', title: t('slow.time'), width: 155, sortable: true, render: (i) => moment(i.time) },
    { key: 'ms', title: t('slow.took'), width: 160, sortable: true, render: (i) => <Took item={i} longest={longest} /> },
    { key: 'what', title: t('slow.what'), render: (i) => <What item={i} /> },
    { key: 'who', title: t('slow.who'), width: 110, render: (i) => (i.tenant === here ? who(i.who) : `${who(i.who)} · ${i.tenant}`) },
    { key: 'rows', title: t('slow.rows'), width: 80, align: 'right', sortable: true, render: (i) => (i.rows === null ? '–' : count(i.rows)) },
    { key: 'bytes', title: t('slow.bytes'), width: 80, align: 'right', sortable: true, render: (i) => (i.bytes === null ? '–' : bytes(i.bytes)) },
    {
      key: 'actions',
      title: '',
      width: 155,
      align: 'right',
      render: (i) => {
        const again = i.tenant === here ? explorerOf(i) : null;
        return (
          <span className="row-actions">
            {again ? <a href={again}>{t('slow.again')}</a> : null}
            <Button size="small" type="text" onClick={() => show(i)}>
              {t('slow.show')}
            </Button>
          </span>
        );
      },
    },
  ];
}

function Nothing({ page, maySet }: { page: SlowPage; maySet: boolean }) {
  const link = <a href="/settings?q=api.slow">{t('slow.change')}</a>;
  if (page.over_ms === 0) {
    return <EmptyState title={t('slow.off')} hint={t('slow.offHint')} action={maySet ? link : null} />;
  }
  return <EmptyState title={t('slow.none', { n: duration(page.over_ms), since: moment(page.since) })} hint={t('slow.noneHint')} action={maySet ? link : null} />;
}

export function SlowPanel() {
  const { data, problem, reload } = useResource<SlowPage>('slow', { limit: MOST });
  const { may, session } = useSession();
  const [sort, setSort] = useState('-time');
  const [shown, setShown] = useState<SlowItem | null>(null);
  useEvery(EVERY_MS, reload);
  const here = viewedTenant() || session?.user.tenant || '';
  const maySet = may('config.read') && !here;
  const items = data ? sorted(data.items, sort) : [];
  const lately = data ? data.routes.reduce((n, r) => n + r.lately, 0) : 0;
  const longest = items.reduce((n, i) => Math.max(n, i.ms), 1);
  return (
    <Panel
      title={t('nav.slow')}
      className="table-panel slow-panel"
      extra={data && data.over_ms > 0 ? <span className="dim">{t('slow.lately', { n: count(lately), over: duration(data.over_ms) })}</span> : null}
    >
      <ProblemView problem={problem} retry={reload} />
      {!data && !problem ? <Loading /> : null}
      {data && items.length === 0 ? <Nothing page={data} maySet={maySet} /> : null}
      {items.length > 0 ? (
        <DataTable label={t('nav.slow')} columns={columnsOf(longest, here, setShown)} rows={items} rowKey={(i) => i.id} sort={sort} onSort={setSort} />
      ) : null}
      {shown ? <Details item={shown} onClose={() => setShown(null)} /> : null}
    </Panel>
  );
}
