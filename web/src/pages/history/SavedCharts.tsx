// Charts that were kept: records of the type "chart" {name, points, window, look}. Where the platform has
// no such type, or the user may not read records, nothing is shown.
import { App, Button, Input, Modal, Select } from 'antd';
import { useState } from 'react';
import { post, remove, seg } from '../../api/client';
import { pointsText } from '../../api/points';
import type { Page, Words } from '../../api/types';
import { useResource } from '../../api/useResource';
import { setQuery } from '../../app/router';
import { useSession } from '../../app/session';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { language, pick, t } from '../../i18n';
import { lastMs, quickRanges } from './range';

interface Chart {
  name?: Words;
  points: string[];
  window?: string;
  /** Axes, logarithmic ones, the other period: as in the address. */
  look?: Record<string, string>;
}
interface ChartRow {
  id: string;
  record: Chart;
}

const LOOK = ['axes', 'log', 'vs', 'mode', 'gap', 'stuck', 'calc'];

function open({ points, window: last, look }: Chart): void {
  const known = lastMs(last ?? null) !== null ? last : '24h';
  const looks = Object.fromEntries(LOOK.map((name) => [name, typeof look?.[name] === 'string' ? look[name] : null]));
  const quality = look?.panel === 'quality' ? { panel: 'quality' } : {}; // else the panel stays as it is
  setQuery({ points: pointsText(points), last: known, from: null, to: null, home: null, sel: null, ...looks, ...quality }, false);
}

function lookNow(): Record<string, string> {
  const query = new URLSearchParams(location.search);
  const kept = query.get('panel') === 'quality' ? [...LOOK, 'panel'] : LOOK;
  return Object.fromEntries(kept.flatMap((name) => (query.get(name) ? [[name, query.get(name) as string]] : [])));
}

function SaveDialog(props: { points: string[]; width: number; onClose: () => void; onDone: () => void }) {
  const [name, setName] = useState('');
  const { busy, problem, run } = useAct();
  const save = async () => {
    const fits = quickRanges.find(([, ms]) => ms >= props.width * 0.99) ?? quickRanges[quickRanges.length - 1];
    const body = { name: { [language()]: name.trim() }, kind: 'line', window: fits?.[0], points: props.points, look: lookNow() };
    const ok = await run(async () => {
      await post('records/chart', body);
      return true;
    }, t('state.saved'));
    if (!ok) return;
    props.onDone();
    props.onClose();
  };
  return (
    <Modal
      open
      title={t('charts.save')}
      okText={t('action.save')}
      cancelText={t('action.cancel')}
      confirmLoading={busy}
      okButtonProps={{ disabled: !name.trim() }}
      onOk={() => void save()}
      onCancel={props.onClose}
    >
      <Input
        autoFocus
        value={name}
        aria-label={t('charts.name')}
        placeholder={t('charts.name')}
        onChange={(e) => setName(e.target.value)}
      />
      <ProblemView problem={problem} />
    </Modal>
  );
}

export function SavedCharts({ points, width }: { points: string[]; width: number }) {
  const { may } = useSession();
  const list = useResource<Page<ChartRow>>(may('records.read') ? 'records/chart' : null, { limit: 200 });
  const [saving, setSaving] = useState(false);
  const [managing, setManaging] = useState(false);
  const { modal } = App.useApp();
  const { problem, run } = useAct();
  if (!list.data) return null;
  const drop = (row: ChartRow) =>
    modal.confirm({
      title: t('action.delete'),
      content: t('charts.deleteHint', { name: pick(row.record.name, row.id) }),
      okText: t('action.delete'),
      cancelText: t('action.cancel'),
      okButtonProps: { danger: true },
      onOk: () =>
        run(async () => {
          await remove(`records/chart/${seg(row.id)}`);
          list.reload();
        }, t('state.deleted')),
    });
  const rows = list.data.items.filter((row) => Array.isArray(row.record?.points));
  return (
    <>
      <Select<string>
        size="small"
        value={null as unknown as string}
        aria-label={t('charts.saved')}
        placeholder={t('charts.saved')}
        style={{ minWidth: 130 }}
        popupMatchSelectWidth={false}
        options={rows.map((row) => ({ value: row.id, label: pick(row.record.name, row.id) }))}
        notFoundContent={t('charts.none')}
        onChange={(id) => {
          const row = rows.find((r) => r.id === id);
          if (row) open(row.record);
        }}
      />
      {may('records.write') ? (
        <Button size="small" disabled={points.length === 0} onClick={() => setSaving(true)}>
          {t('charts.save')}
        </Button>
      ) : null}
      {rows.length > 0 && may('records.delete') ? (
        <Button size="small" type="text" onClick={() => setManaging(true)}>
          {t('charts.manage')}
        </Button>
      ) : null}
      <Modal open={managing} title={t('charts.saved')} footer={null} onCancel={() => setManaging(false)} destroyOnHidden>
        <ProblemView problem={problem} />
        <ul className="saved-charts">
          {rows.map((row) => (
            <li key={row.id}>
              <span className="grow">
                {pick(row.record.name, row.id)} <span className="dim">{row.record.points.join(', ')}</span>
              </span>
              <Button size="small" type="text" danger onClick={() => drop(row)}>
                {t('action.delete')}
              </Button>
            </li>
          ))}
        </ul>
      </Modal>
      {saving ? (
        <SaveDialog points={points} width={width} onClose={() => setSaving(false)} onDone={list.reload} />
      ) : null}
    </>
  );
}
