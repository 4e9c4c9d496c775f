// Telling a device what to do: enabling writes for a time, a form by its thing model, a question before anything goes out, the
// answer when it comes, and what was sent before.
import { Alert, Button, Form, Input, Modal, Select } from 'antd';
import { useEffect, useMemo, useState } from 'react';
import { call, get, post, seg } from '../../api/client';
import type { Device, Thing } from '../../api/types';
import { useList } from '../../api/useList';
import { useSession } from '../../app/session';
import { DataTable, type Column } from '../../components/DataTable';
import { EmptyState } from '../../components/EmptyState';
import { Panel } from '../../components/Panel';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { useEvery } from '../../components/useEvery';
import { pick, t, useLanguage, type WordKey } from '../../i18n';
import { cell, moment, unit, who } from '../../i18n/format';
import { valueText } from '../things/model';
import { bodyOf, ended, faultOf, newId, targetsOf, type Command, type Inputs, type Target } from './commands';

const POLL_MS = 700;
const RELOAD_MS = 5000;
const HOURS: [WordKey, number][] = [['command.minutes15', 0.25], ['command.hour1', 1], ['command.hours8', 8], ['command.hours24', 24]];

function EnableDialog({ device, onClose, onDone }: { device: string; onClose: () => void; onDone: () => void }) {
  const [reason, setReason] = useState('');
  const [hours, setHours] = useState(1);
  const { busy, problem, run } = useAct();
  const enable = async () => {
    const until = new Date(Date.now() + hours * 3_600_000).toISOString();
    const done = await run(() => post(`devices/${seg(device)}/write-enable`, { reason: reason.trim(), until }).then(() => true), t('state.done'));
    if (!done) return;
    onDone();
    onClose();
  };
  return (
    <Modal
      open
      title={t('command.enable')}
      okText={t('command.enable')}
      cancelText={t('action.cancel')}
      okButtonProps={{ danger: true, disabled: !reason.trim() }}
      confirmLoading={busy}
      onOk={() => void enable()}
      onCancel={onClose}
    >
      <Form layout="vertical" component={false}>
        <p>{t('command.enableHint')}</p>
        <Form.Item label={t('command.reason')} htmlFor="enable-reason" required>
          <Input id="enable-reason" autoFocus maxLength={200} value={reason} onChange={(e) => setReason(e.target.value)} />
        </Form.Item>
        <Form.Item label={t('command.for')} htmlFor="enable-hours">
          <Select id="enable-hours" value={hours} onChange={setHours} options={HOURS.map(([word, value]) => ({ value, label: t(word) }))} />
        </Form.Item>
        <ProblemView problem={problem} />
      </Form>
    </Modal>
  );
}

/** Whether the device can be written to now, and the way to change that. */
function Gate({ device, reload }: { device: Device; reload: () => void }) {
  const { may } = useSession();
  const [open, setOpen] = useState(false);
  const { busy, problem, run } = useAct();
  const on = device.write_enabled === true;
  const disable = async () => {
    if (await run(() => call('DELETE', `devices/${seg(device.id)}/write-enable`).then(() => true), t('state.done'))) reload();
  };
  const act = may('devices.enable_write') ? (
    on ? (
      <Button size="small" loading={busy} onClick={() => void disable()}>{t('command.disable')}</Button>
    ) : (
      <Button size="small" onClick={() => setOpen(true)}>{t('command.enable')}</Button>
    )
  ) : undefined;
  return (
    <>
      <Alert
        showIcon
        type={on ? 'warning' : 'info'}
        title={on ? t('command.writable', { until: moment(device.write_until) }) : t('command.readOnly')}
        description={on ? undefined : t(act ? 'command.readOnlyHint' : 'command.readOnlyAsk')}
        action={act}
      />
      <ProblemView problem={problem} />
      {open ? <EnableDialog device={device.id} onClose={() => setOpen(false)} onDone={reload} /> : null}
    </>
  );
}

function FieldInput({ field, text, onChange }: { field: Target['fields'][number]; text: string; onChange: (text: string) => void }) {
  const id = `command-${field.id}`;
  const words = Object.entries(field.enum ?? {});
  if (field.type === 'bool' || words.length > 0) {
    const options = words.length > 0
      ? words.map(([value, name]) => ({ value, label: `${pick(name, value)} (${value})` }))
      : ['true', 'false'].map((value) => ({ value, label: t(value === 'true' ? 'command.true' : 'command.false') }));
    return <Select id={id} value={text || undefined} onChange={onChange} options={options} />;
  }
  const number = field.type === 'f64' || field.type === 'i64';
  return <Input id={id} inputMode={number ? 'decimal' : undefined} value={text} suffix={unit(field.unit)} onChange={(e) => onChange(e.target.value)} />;
}

function Limits({ field }: { field: Target['fields'][number] }) {
  const { min, max } = field.range ?? {};
  const has = (v: number | null | undefined): v is number => typeof v === 'number';
  if (!has(min) && !has(max)) return null;
  return <span className="dim">{has(min) ? cell(min) : '…'} – {has(max) ? cell(max) : '…'} {unit(field.unit)}</span>;
}

/** What goes out, read once more before it does. */
function Question({ device, target, body, onClose, onSent }: {
  device: Device; target: Target; body: Record<string, unknown>; onClose: () => void; onSent: (c: Command) => void;
}) {
  const { busy, problem, run } = useAct();
  const send = async () => {
    const made = await run(() => post<Command>(`devices/${seg(device.id)}/commands`, body));
    if (!made) return;
    onSent(made);
    onClose();
  };
  return (
    <Modal
      open
      title={t('command.ask')}
      okText={t('command.send')}
      cancelText={t('action.cancel')}
      okButtonProps={{ danger: true }}
      confirmLoading={busy}
      onOk={() => void send()}
      onCancel={onClose}
    >
      <dl className="facts">
        <div><dt>{t('command.device')}</dt><dd>{device.name || device.id} <span className="mono dim">{device.id}</span></dd></div>
        <div>
          <dt>{t(target.kind === 'service' ? 'command.service' : 'command.property')}</dt>
          <dd>{pick(target.name, target.id)} <span className="mono dim">{target.id}</span></dd>
        </div>
        <div>
          <dt>{t('command.value')}</dt>
          <dd className="mono">{JSON.stringify(body.value)} {target.kind === 'property' ? unit(target.fields[0]?.unit) : ''}</dd>
        </div>
      </dl>
      <p className="dim">{t('command.askHint')}</p>
      <ProblemView problem={problem} />
    </Modal>
  );
}

/** The command that was just sent, until its answer is there. */
function Outcome({ sent, onEnd }: { sent: Command; onEnd: () => void }) {
  const [now, setNow] = useState(sent);
  useEffect(() => {
    setNow(sent);
    if (ended(sent)) {
      onEnd();
      return undefined;
    }
    const timer = setInterval(async () => {
      try {
        const next = await get<Command>(`commands/${seg(sent.id)}`);
        setNow(next);
        if (!ended(next)) return;
        clearInterval(timer);
        onEnd();
      } catch {
        // asked again with the next turn
      }
    }, POLL_MS);
    return () => clearInterval(timer);
  }, [sent, onEnd]);
  const type = now.state === 'done' ? 'success' : now.state === 'sent' ? 'info' : 'error';
  const result = now.result === undefined ? '' : `: ${valueText(now.result)}`;
  return <Alert role="status" className="command-outcome" data-state={now.state} showIcon type={type} title={`${t(`command.is.${now.state}`)}${result}`} />;
}

function SendForm({ device, thing, onEnd }: { device: Device; thing: Thing | null; onEnd: () => void }) {
  const targets = useMemo(() => targetsOf(thing), [thing]);
  const [key, setKey] = useState<string | null>(null);
  const [inputs, setInputs] = useState<Inputs>({});
  const [ask, setAsk] = useState<Record<string, unknown> | null>(null);
  const [sent, setSent] = useState<Command | null>(null);
  const target = targets.find((x) => x.key === key) ?? null;
  const faults = Object.fromEntries((target?.fields ?? []).map((f) => [f.id, faultOf(f, inputs[f.id])]));
  const ready = target !== null && device.write_enabled === true && Object.values(faults).every((f) => f === null);
  if (targets.length === 0) return <EmptyState title={t('command.nothing')} hint={t('command.nothingHint')} />;
  const choose = (next: string) => {
    setKey(next);
    setInputs({});
    setSent(null);
  };
  return (
    <Form layout="vertical" component={false}>
      <Form.Item label={t('command.what')} htmlFor="command-what">
        <Select
          id="command-what"
          showSearch
          optionFilterProp="label"
          value={key ?? undefined}
          placeholder={t('command.choose')}
          onChange={choose}
          options={(['service', 'property'] as const).map((kind) => ({
            label: t(kind === 'service' ? 'command.services' : 'command.properties'),
            options: targets.filter((x) => x.kind === kind).map((x) => ({ value: x.key, label: `${pick(x.name, x.id)} (${x.id})` })),
          })).filter((group) => group.options.length > 0)}
        />
      </Form.Item>
      <div className="command-fields">
        {target?.fields.map((f) => {
          const fault = inputs[f.id] === undefined ? null : faults[f.id];
          return (
            <Form.Item
              key={f.id}
              label={target.kind === 'property' ? t('command.value') : pick(f.name, f.id)}
              htmlFor={`command-${f.id}`}
              required={f.required}
              validateStatus={fault ? 'error' : undefined}
              help={fault ? t(`command.fault.${fault}`) : <Limits field={f} />}
            >
              <FieldInput field={f} text={inputs[f.id] ?? ''} onChange={(text) => setInputs((old) => ({ ...old, [f.id]: text }))} />
            </Form.Item>
          );
        })}
      </div>
      {target && target.kind === 'service' && target.fields.length === 0 ? <p className="dim">{t('command.noInput')}</p> : null}
      <div className="button-row">
        <Button type="primary" disabled={!ready} onClick={() => target && setAsk(bodyOf(target, inputs, newId()))}>
          {t('command.send')}
        </Button>
      </div>
      {sent ? <Outcome sent={sent} onEnd={onEnd} /> : null}
      {ask && target ? <Question device={device} target={target} body={ask} onClose={() => setAsk(null)} onSent={setSent} /> : null}
    </Form>
  );
}

const TONE: Record<Command['state'], string> = { sent: '', done: 'ok', failed: 'bad', timeout: 'bad' };

function columnsOf(): Column<Command>[] {
  return [
    { key: 'created', title: t('command.time'), width: 160, render: (c) => moment(c.created) },
    { key: 'by', title: t('audit.who'), width: 140, render: (c) => who(c.by) },
    { key: 'name', title: t('command.what'), width: 180, render: (c) => <code>{c.service ?? c.property}</code> },
    { key: 'value', title: t('command.value'), render: (c) => <span className="mono" title={valueText(c.value)}>{c.masked ? '•••' : valueText(c.value) || '–'}</span> },
    { key: 'state', title: t('command.state'), width: 110, render: (c) => <span className={TONE[c.state]}>{t(`command.is.${c.state}`)}</span> },
    { key: 'result', title: t('command.result'), render: (c) => <span title={valueText(c.result)}>{c.masked ? '•••' : valueText(c.result) || '–'}</span> },
    { key: 'finished', title: t('command.finished'), width: 160, render: (c) => (c.finished ? moment(c.finished) : '–') },
  ];
}

export function Commands({ device, thing, reload }: { device: Device; thing: Thing | null; reload: () => void }) {
  const lang = useLanguage();
  const { may } = useSession();
  const list = useList<Command>(`devices/${seg(device.id)}/commands`);
  useEvery(RELOAD_MS, () => {
    if (list.items.some((c) => !ended(c))) list.reload();
  });
  const columns = useMemo(columnsOf, [lang]);
  return (
    <div className="commands">
      <Gate device={device} reload={reload} />
      {may('devices.command') ? (
        <Panel title={t('command.new')}>
          <SendForm device={device} thing={thing} onEnd={list.reload} />
        </Panel>
      ) : null}
      <Panel title={t('command.list')}>
        <DataTable
          label={t('command.list')}
          columns={columns}
          rows={list.items}
          rowKey={(c) => c.id}
          more={list.more}
          loading={list.loading}
          problem={list.problem}
          retry={list.reload}
          onEnd={list.loadMore}
          empty={<EmptyState title={t('command.none')} />}
        />
      </Panel>
    </div>
  );
}
