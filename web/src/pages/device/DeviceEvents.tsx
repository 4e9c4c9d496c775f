// Past events of a device, newest first; looked for anew every ten seconds.
import { Input } from 'antd';
import { useMemo, useState } from 'react';
import { seg } from '../../api/client';
import type { DeviceEvent } from '../../api/types';
import { useList } from '../../api/useList';
import { useResource } from '../../api/useResource';
import { DataTable, type Column } from '../../components/DataTable';
import { EmptyState } from '../../components/EmptyState';
import { useDelayed } from '../../components/useDelayed';
import { useEvery } from '../../components/useEvery';
import { t, useLanguage } from '../../i18n';
import { count, moment, span, toMs } from '../../i18n/format';

const RELOAD_MS = 10_000;

interface Late {
  from: string;
  to: string;
  samples: number;
  delay: number;
}
/** What the platform itself notes: samples that came long after their time. */
function lateOf(e: DeviceEvent): Late | null {
  const late = e.data as Partial<Late> | null;
  return e.event === 'late-data' && typeof late?.from === 'string' && typeof late.to === 'string' && typeof late.delay === 'number' ? (late as Late) : null;
}

function words(e: DeviceEvent): string {
  const late = lateOf(e);
  if (late) {
    return t('event.late', { n: count(late.samples), from: moment(toMs(late.from)), to: moment(toMs(late.to)), span: span(late.delay) });
  }
  return typeof e.data === 'string' ? e.data : JSON.stringify(e.data);
}

function columnsOf(): Column<DeviceEvent>[] {
  return [
    { key: 'time', title: t('event.time'), width: 180, render: (e) => moment(e.time) },
    { key: 'event', title: t('event.id'), width: '20%', render: (e) => <code>{e.event}</code> },
    { key: 'data', title: t('event.data'), render: (e) => <span title={words(e)}>{words(e)}</span> },
  ];
}

export function DeviceEvents({ device }: { device: string }) {
  const lang = useLanguage();
  const [only, setOnly] = useState('');
  const event = useDelayed(only.trim(), 250);
  const list = useList<DeviceEvent>(`devices/${seg(device)}/events`, { event: event || null });
  const hidden = useResource<{ masked?: string[] }>(`devices/${seg(device)}/events?limit=1`).data?.masked ?? [];
  useEvery(RELOAD_MS, () => {
    if (list.items.length <= 200) list.reload(); // not while the reader is deep in the past
  });
  const columns = useMemo(columnsOf, [lang]);
  return (
    <div className="device-history">
      <div className="toolbar" role="search">
        <Input
          allowClear
          style={{ width: 260 }}
          value={only}
          aria-label={t('event.only')}
          placeholder={t('event.only')}
          onChange={(e) => setOnly(e.target.value)}
        />
        {hidden.length > 0 ? <span className="dim">{t('data.eventsMasked', { events: hidden.join(', ') })}</span> : null}
      </div>
      <DataTable
        fill
        label={t('device.events')}
        columns={columns}
        rows={list.items}
        rowKey={(e) => `${e.time} ${e.event}`}
        total={list.total}
        more={list.more}
        loading={list.loading}
        problem={list.problem}
        retry={list.reload}
        onEnd={list.loadMore}
        empty={<EmptyState title={t('event.none')} hint={t('event.noneHint')} />}
      />
    </div>
  );
}
