// What one widget shows, in the panel beside the grid.
import { CloseOutlined } from '@ant-design/icons';
import { Button, Checkbox, Input, InputNumber, Modal, Select } from 'antd';
import { useState, type ReactNode } from 'react';
import type { Device } from '../../api/types';
import { useList } from '../../api/useList';
import { splitPoint } from '../../api/points';
import { useResource } from '../../api/useResource';
import type { Page, Point } from '../../api/types';
import { EmptyState } from '../../components/EmptyState';
import { Loading } from '../../components/Loading';
import { ProblemView } from '../../components/ProblemView';
import { useDelayed } from '../../components/useDelayed';
import { t } from '../../i18n';
import { unit } from '../../i18n/format';
import { PointPicker } from '../history/PointPicker';
import { quickRanges } from '../history/range';
import { maxPoints, STALE_S, type Level, type Threshold, type Widget } from './model';
import { pointWords, useNews } from './widgets/parts';

type Set = (change: Partial<Widget>, kind?: string) => void;
interface Props {
  widget: Widget;
  set: Set;
}

function Field({ label, children, hint }: { label: string; children: ReactNode; hint?: string }) {
  return (
    <div className="setting">
      <span className="setting-label">{label}</span>
      {children}
      {hint ? <span className="dim">{hint}</span> : null}
    </div>
  );
}

function DevicePicker({ chosen, onChange, max }: { chosen: string[]; onChange: (ids: string[]) => void; max: number }) {
  const [search, setSearch] = useState('');
  const q = useDelayed(search.trim(), 200);
  const list = useList<Device>('devices', { q, limit: 100, sort: 'id' });
  const full = chosen.length >= max;
  return (
    <div className="picker">
      <Input
        allowClear
        value={search}
        aria-label={t('board.searchDevices')}
        placeholder={t('board.searchDevices')}
        onChange={(e) => setSearch(e.target.value)}
      />
      <ProblemView problem={list.problem} retry={list.reload} />
      <div className="pick-list" tabIndex={0} role="group" aria-label={t('nav.devices')}>
        {list.items.map((device) => {
          const on = chosen.includes(device.id);
          return (
            <label key={device.id} className="pick-row" title={device.id}>
              <input
                type="checkbox"
                checked={on}
                disabled={!on && full}
                onChange={() => onChange(on ? chosen.filter((c) => c !== device.id) : [...chosen, device.id])}
              />
              <span className="grow">{device.name || device.id}</span>
              <span className="dim">{device.id}</span>
            </label>
          );
        })}
        {list.loading && list.items.length === 0 ? <Loading rows={6} /> : null}
        {!list.loading && list.items.length === 0 && !list.problem ? (
          <EmptyState title={t('pick.none')} hint={t('board.noDevices')} />
        ) : null}
        {list.more ? (
          <Button size="small" block onClick={list.loadMore} loading={list.loading}>
            {t('action.more')}
          </Button>
        ) : null}
      </div>
    </div>
  );
}

function Chosen({ names, words, onChange }: { names: string[]; words: (name: string) => string; onChange: (names: string[]) => void }) {
  return (
    <ul className="chosen">
      {names.map((name) => (
        <li key={name} title={name}>
          <span>{words(name)}</span>
          <Button
            size="small"
            type="text"
            icon={<CloseOutlined />}
            aria-label={t('board.takeAway', { name: words(name) })}
            onClick={() => onChange(names.filter((n) => n !== name))}
          />
        </li>
      ))}
    </ul>
  );
}

function Points({ widget, set }: Props) {
  const [open, setOpen] = useState(false);
  const points = widget.points ?? [];
  const store = useNews(points);
  const max = maxPoints[widget.kind];
  const one = max === 1;
  const choose = (next: string[]) => {
    set({ points: one ? next.slice(-1) : next });
    if (one && next.length > 0) setOpen(false);
  };
  return (
    <Field label={t('history.points')}>
      <Chosen names={points} words={(p) => pointWords(store, p, true)} onChange={(next) => set({ points: next })} />
      <Button onClick={() => setOpen(true)}>{t('board.pickPoints')}</Button>
      {open ? (
        <Modal open title={t('board.pickPoints')} footer={null} onCancel={() => setOpen(false)} className="pick-dialog">
          <PointPicker chosen={points} max={one ? 2 : max} onChange={choose} />
        </Modal>
      ) : null}
    </Field>
  );
}

function Devices({ widget, set, max }: Props & { max: number }) {
  const [open, setOpen] = useState(false);
  const ids = widget.devices ?? [];
  const store = useNews(ids.map((id) => `device:${id}`));
  return (
    <Field label={t('nav.devices')}>
      <Chosen names={ids} words={(id) => store.devices.get(id)?.name || id} onChange={(next) => set({ devices: next })} />
      <Button onClick={() => setOpen(true)}>{t('board.pickDevices')}</Button>
      {open ? (
        <Modal open title={t('board.pickDevices')} footer={null} onCancel={() => setOpen(false)} className="pick-dialog">
          <DevicePicker chosen={ids} max={max} onChange={(next) => set({ devices: next })} />
        </Modal>
      ) : null}
    </Field>
  );
}

/** Columns of a table of devices: what the first one has. */
function Columns({ widget, set }: Props) {
  const [first] = widget.devices ?? [];
  const { data } = useResource<Page<Point>>(first ? 'points' : null, { device: first ?? '', limit: 200 });
  const options = (data?.items ?? []).map((p) => ({ value: p.property, label: `${p.property} ${unit(p.unit)}` }));
  return (
    <Field label={t('board.columns')}>
      <Select
        mode="multiple"
        value={widget.properties ?? []}
        maxCount={10}
        aria-label={t('board.columns')}
        placeholder={t('board.columns')}
        options={options}
        onChange={(properties: string[]) => set({ properties })}
        notFoundContent={t('pick.none')}
      />
    </Field>
  );
}

function Thresholds({ widget, set }: Props) {
  const list = widget.thresholds ?? [];
  const change = (i: number, part: Partial<Threshold>) =>
    set({ thresholds: list.map((th, k) => (k === i ? { ...th, ...part } : th)) }, 'thresholds');
  return (
    <Field label={t('board.thresholds')} hint={t('board.thresholdsHint')}>
      {list.map((th, i) => (
        <span key={i} className="threshold">
          <span>≥</span>
          <InputNumber size="small" value={th.at} aria-label={t('board.from', { n: i + 1 })} onChange={(at) => at !== null && change(i, { at })} />
          <Select<Level>
            size="small"
            value={th.level}
            aria-label={t('board.level', { n: i + 1 })}
            options={(['good', 'warning', 'bad'] as const).map((value) => ({ value, label: t(`grade.${value}`) }))}
            onChange={(level) => change(i, { level })}
          />
          <Button
            size="small"
            type="text"
            icon={<CloseOutlined />}
            aria-label={t('board.takeAway', { name: `≥ ${th.at}` })}
            onClick={() => set({ thresholds: list.filter((_, k) => k !== i) })}
          />
        </span>
      ))}
      {list.length < 6 ? (
        <Button size="small" onClick={() => set({ thresholds: [...list, { at: (list[list.length - 1]?.at ?? 0) + 10, level: 'warning' }] })}>
          {t('board.addThreshold')}
        </Button>
      ) : null}
    </Field>
  );
}

function Numbers({ widget, set }: Props) {
  return (
    <>
      <Field label={t('board.decimals')}>
        <InputNumber
          min={0}
          max={9}
          value={widget.decimals ?? null}
          placeholder={t('board.auto')}
          aria-label={t('board.decimals')}
          onChange={(n) => set({ decimals: n ?? undefined }, 'decimals')}
        />
      </Field>
      <Field label={t('board.staleAfter')}>
        <InputNumber
          min={1}
          max={86400}
          value={widget.stale ?? null}
          placeholder={String(STALE_S)}
          aria-label={t('board.staleAfter')}
          onChange={(n) => set({ stale: n ?? undefined }, 'stale')}
        />
      </Field>
    </>
  );
}

function ChartFields({ widget, set }: Props) {
  return (
    <>
      <Field label={t('board.range')}>
        <Select<string>
          value={widget.range ?? ''}
          aria-label={t('board.range')}
          options={[{ value: '', label: t('board.rangeOfBoard') }, ...quickRanges.map(([name]) => ({ value: name, label: t(`range.${name}` as 'range.1h') }))]}
          onChange={(range) => set({ range: range || undefined })}
        />
      </Field>
      <Checkbox checked={widget.stepped ?? false} onChange={(e) => set({ stepped: e.target.checked || undefined })}>
        {t('board.stepped')}
      </Checkbox>
    </>
  );
}

function GaugeFields({ widget, set }: Props) {
  return (
    <>
      <Field label={t('board.dial')}>
        <Select<'arc' | 'bar'>
          value={widget.dial ?? 'arc'}
          aria-label={t('board.dial')}
          options={(['arc', 'bar'] as const).map((value) => ({ value, label: t(`dial.${value}`) }))}
          onChange={(dial) => set({ dial })}
        />
      </Field>
      <Field label={t('board.scale')} hint={t('board.scaleHint')}>
        <span className="threshold">
          <InputNumber value={widget.min ?? null} aria-label={t('board.min')} onChange={(n) => set({ min: n ?? undefined }, 'min')} />
          <span>–</span>
          <InputNumber value={widget.max ?? null} aria-label={t('board.max')} onChange={(n) => set({ max: n ?? undefined }, 'max')} />
        </span>
      </Field>
    </>
  );
}

function Fields({ widget, set }: Props) {
  const props = { widget, set };
  switch (widget.kind) {
    case 'chart':
      return (
        <>
          <Points {...props} />
          <ChartFields {...props} />
        </>
      );
    case 'value':
    case 'gauge':
      return (
        <>
          <Points {...props} />
          {widget.kind === 'gauge' ? <GaugeFields {...props} /> : null}
          <Thresholds {...props} />
          <Numbers {...props} />
        </>
      );
    case 'table': {
      const grid = (widget.devices ?? []).length > 0;
      return (
        <>
          {grid ? null : <Points {...props} />}
          {(widget.points ?? []).length > 0 ? null : <Devices {...props} max={50} />}
          {grid ? <Columns {...props} /> : null}
          <Numbers {...props} />
        </>
      );
    }
    case 'devices':
      return <Devices {...props} max={200} />;
    default:
      return (
        <Field label={t('board.text')} hint={t('board.textHint')}>
          <Input.TextArea
            rows={10}
            value={widget.text ?? ''}
            maxLength={6000}
            aria-label={t('board.text')}
            onChange={(e) => set({ text: e.target.value }, 'text')}
          />
        </Field>
      );
  }
}

interface PanelProps extends Props {
  onClose: () => void;
  onRemove: () => void;
  onCopy: () => void;
}

export function Settings({ widget, set, onClose, onRemove, onCopy }: PanelProps) {
  const hint = (widget.points ?? []).map((p) => splitPoint(p).property)[0] ?? '';
  return (
    <aside className="board-settings" aria-label={t('board.settingsOf', { kind: t(`kind.${widget.kind}`) })}>
      <div className="panel-head">
        <h2>{t(`kind.${widget.kind}`)}</h2>
        <Button size="small" type="text" icon={<CloseOutlined />} aria-label={t('action.close')} onClick={onClose} />
      </div>
      <div className="settings-body">
        <Field label={t('board.title')}>
          <Input
            value={widget.title ?? ''}
            maxLength={100}
            placeholder={hint}
            aria-label={t('board.title')}
            onChange={(e) => set({ title: e.target.value || undefined }, 'title')}
          />
        </Field>
        <Fields widget={widget} set={set} />
        <div className="button-row">
          <Button size="small" onClick={onCopy}>
            {t('action.copy')}
          </Button>
          <Button size="small" danger onClick={onRemove}>
            {t('action.remove')}
          </Button>
        </div>
      </div>
    </aside>
  );
}
