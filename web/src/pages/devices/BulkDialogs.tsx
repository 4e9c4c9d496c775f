// The questions of the bulk changes; each gives the change, or null for deletion.
import { Form, Input, Modal, Select } from 'antd';
import { useState, type ReactNode } from 'react';
import { AssetPicker, ThingPicker } from '../../components/Pickers';
import { ProblemView } from '../../components/ProblemView';
import { UNITS, UnitsCorrected } from '../../components/UnitsCorrected';
import { useAct } from '../../components/useAct';
import { t, type WordKey } from '../../i18n';
import { count } from '../../i18n/format';
import { tryBulk, type Change, type Refused, type Target } from './bulk';
import { parseLabels } from './labels';
import { unitsText } from './refusals';

export type Act = 'labels' | 'asset' | 'thing' | 'archive' | 'unarchive' | 'delete';

interface Props {
  act: Act;
  n: number;
  target: Target;
  labelKeys: string[];
  onClose: () => void;
  onDo: (change: Change | null, unitsCorrected?: boolean) => void;
}

function Ask(props: { title: string; ok: string; danger?: boolean; disabled?: boolean; onOk: () => void; onClose: () => void; children: ReactNode }) {
  return (
    <Modal
      open
      title={props.title}
      okText={props.ok}
      cancelText={t('action.cancel')}
      okButtonProps={{ danger: props.danger, disabled: props.disabled }}
      onOk={props.onOk}
      onCancel={props.onClose}
    >
      {props.children}
    </Modal>
  );
}

function AskLabels({ n, labelKeys, onClose, onDo }: Props) {
  const [text, setText] = useState('');
  const [gone, setGone] = useState<string[]>([]);
  const set = parseLabels(text);
  const submit = () => onDo({ labels: { ...Object.fromEntries(gone.map((key) => [key, null])), ...set } });
  return (
    <Ask
      title={t('bulk.labelsTitle', { n: count(n) })}
      ok={t('action.apply')}
      disabled={!set || (Object.keys(set).length === 0 && gone.length === 0)}
      onOk={submit}
      onClose={onClose}
    >
      <Form layout="vertical">
        <Form.Item
          label={t('bulk.set')}
          htmlFor="bulk-set"
          extra={t('bulk.setHint')}
          validateStatus={set ? undefined : 'error'}
          help={set ? undefined : t('devices.labelsBad')}
        >
          <Input id="bulk-set" autoFocus value={text} placeholder="line:2, shift:a" onChange={(e) => setText(e.target.value)} />
        </Form.Item>
        <Form.Item label={t('bulk.unset')} htmlFor="bulk-unset" extra={t('bulk.unsetHint')}>
          <Select
            id="bulk-unset"
            mode="tags"
            value={gone}
            options={labelKeys.map((key) => ({ value: key, label: key }))}
            onChange={(keys: string[]) => setGone(keys)}
          />
        </Form.Item>
      </Form>
    </Ask>
  );
}

function AskAsset({ n, onClose, onDo }: Props) {
  const [to, setTo] = useState<string | undefined>();
  return (
    <Ask title={t('bulk.assetTitle', { n: count(n) })} ok={t('action.apply')} onOk={() => onDo({ asset: to ?? null })} onClose={onClose}>
      <p>{t('bulk.noAsset')}</p>
      <AssetPicker value={to} onChange={setTo} label={t('pick.asset')} width={320} />
    </Ask>
  );
}

/** The change of a model is tried first: whose kept values would be read in another unit is told. */
function AskThing({ n, target, onClose, onDo }: Props) {
  const [to, setTo] = useState<string | undefined>();
  const [found, setFound] = useState<{ refused: Refused[]; total: number } | null>(null);
  const [corrected, setCorrected] = useState(false);
  const { busy, problem, run } = useAct();
  const choose = (thing: string | undefined) => {
    setTo(thing);
    setFound(null);
    setCorrected(false);
    if (thing) void run(async () => setFound(await tryBulk(target, { thing })));
  };
  const units = found?.refused.filter((r) => r.code === UNITS) ?? [];
  return (
    <Ask
      title={t('bulk.thingTitle', { n: count(n) })}
      ok={t('action.apply')}
      disabled={busy || (to !== undefined && !found)}
      onOk={() => onDo({ thing: to ?? null }, corrected)}
      onClose={onClose}
    >
      <p>{t('bulk.thingHint')}</p>
      <ThingPicker value={to} onChange={choose} label={t('pick.thing')} width={320} />
      <ProblemView problem={problem} />
      {found && units.length > 0 ? (
        <div className="problem" role="alert" style={{ marginTop: 10 }}>
          <p>{t('bulk.unitsReread', { n: count(found.total) })}</p>
          <ul>
            {units.slice(0, 10).map((r) => (
              <li key={r.id}>
                <span className="mono">{r.id}</span> {unitsText(r.detail)}
              </li>
            ))}
            {found.total > 10 ? <li>…</li> : null}
          </ul>
          <UnitsCorrected checked={corrected} onChange={setCorrected} />
        </div>
      ) : null}
    </Ask>
  );
}

function AskDelete({ n, onClose, onDo }: Props) {
  const [typed, setTyped] = useState('');
  const words: WordKey = 'bulk.typeCount';
  return (
    <Ask
      title={t('bulk.deleteTitle', { n: count(n) })}
      ok={t('action.delete')}
      danger
      disabled={typed.replace(/[\s,]/g, '') !== String(n)}
      onOk={() => onDo(null)}
      onClose={onClose}
    >
      <p>{t('bulk.deleteHint')}</p>
      <Input autoFocus value={typed} aria-label={t(words, { n })} placeholder={t(words, { n })} onChange={(e) => setTyped(e.target.value)} />
    </Ask>
  );
}

export function BulkDialog(props: Props) {
  const { act, n, onClose, onDo } = props;
  if (act === 'labels') return <AskLabels {...props} />;
  if (act === 'delete') return <AskDelete {...props} />;
  if (act === 'asset') return <AskAsset {...props} />;
  if (act === 'thing') return <AskThing {...props} />;
  const archive = act === 'archive';
  return (
    <Ask
      title={t(archive ? 'bulk.archiveTitle' : 'bulk.unarchiveTitle', { n: count(n) })}
      ok={t(archive ? 'device.archive' : 'device.unarchive')}
      onOk={() => onDo({ archived: archive })}
      onClose={onClose}
    >
      <p>{t('device.archiveHint')}</p>
    </Ask>
  );
}
