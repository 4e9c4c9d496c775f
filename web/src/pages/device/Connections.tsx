import { seg } from '../../api/client';
import type { Connection, Page } from '../../api/types';
import { useResource } from '../../api/useResource';
import { DataTable, type Column } from '../../components/DataTable';
import { EmptyState } from '../../components/EmptyState';
import { Age } from '../../components/Marks';
import { useEvery } from '../../components/useEvery';
import { t } from '../../i18n';
import { count } from '../../i18n/format';

const EVERY_MS = 3000;

function columnsOf(): Column<Connection>[] {
  return [
    { key: 'kind', title: t('conn.kind'), width: 130, render: (c) => c.kind },
    { key: 'state', title: t('conn.state'), width: 130, render: (c) => c.state },
    { key: 'since', title: t('conn.since'), width: 130, render: (c) => <Age time={c.since} /> },
    {
      key: 'rtt',
      title: t('conn.rtt'),
      width: 110,
      align: 'right',
      render: (c) => (c.rtt_ms === undefined ? '–' : `${Number(c.rtt_ms.toPrecision(3))} ms`),
    },
    { key: 'ok', title: t('conn.ok'), width: 110, align: 'right', render: (c) => count(c.ok) },
    {
      key: 'errors',
      title: t('conn.errors'),
      width: 100,
      align: 'right',
      render: (c) => <span className={c.errors ? 'bad' : ''}>{count(c.errors)}</span>,
    },
    { key: 'last', title: t('conn.lastError'), render: (c) => c.last_error || <span className="dim">–</span> },
  ];
}

/** Counters of each way to the device. The server answers one, a list, or {"items"}. */
export function Connections({ device }: { device: string }) {
  const { data, loading, problem, reload } = useResource<Connection | Connection[] | Page<Connection>>(
    `devices/${seg(device)}/connection`,
  );
  useEvery(EVERY_MS, reload);
  const all = !data ? [] : Array.isArray(data) ? data : 'items' in data ? data.items : [data];
  const rows = all.filter((c) => c.kind !== 'none');
  return (
    <DataTable
      label={t('device.connection')}
      columns={columnsOf()}
      rows={rows}
      rowKey={(c) => c.kind}
      loading={loading}
      problem={problem}
      retry={reload}
      empty={<EmptyState title={t('conn.none')} hint={t('conn.noneHint')} />}
    />
  );
}
