// A note is written or changed: time, what it is on, category, words.
import { Form, Input, Modal, Select } from 'antd';
import { useEffect, useState } from 'react';
import { get, post, put, seg } from '../../api/client';
import { useSession } from '../../app/session';
import type { Range } from '../../charts/lines';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { t, type WordKey } from '../../i18n';
import { toMs } from '../../i18n/format';
import { categories, categoryWord, devicesOf, keysOf, splitTargets, type Category, type Note, type NoteBody } from './notes';
import { fromInput, toInput } from './range';

const TEXT_MAX = 1000;
const DEVICES_ASKED = 8; // for their assets

/** The assets of the devices, as far as the user sees them. */
function useAssets(devices: string[]): string[] {
  const { may } = useSession();
  const [assets, setAssets] = useState<string[]>([]);
  const key = may('assets.read') ? devices.slice(0, DEVICES_ASKED).join('\n') : '';
  useEffect(() => {
    let gone = false;
    if (!key) return undefined;
    Promise.allSettled(key.split('\n').map((id) => get<{ asset?: string }>(`devices/${seg(id)}`))).then((found) => {
      if (!gone) setAssets([...new Set(found.flatMap((f) => (f.status === 'fulfilled' && f.value.asset ? [f.value.asset] : [])))]);
    }, () => undefined);
    return () => {
      gone = true;
    };
  }, [key]);
  return assets;
}

function TimeField(props: { id: string; word: WordKey; value: number | null; optional?: boolean; onChange: (at: number | null) => void }) {
  return (
    <Form.Item label={t(props.word)} htmlFor={props.id} required={!props.optional}>
      <input
        id={props.id}
        type="datetime-local"
        step={1}
        value={props.value === null ? '' : toInput(props.value)}
        onChange={(e) => props.onChange(e.target.value === '' ? null : fromInput(e.target.value))}
      />
    </Form.Item>
  );
}

interface Props {
  points: string[];
  /** A new one: what is selected; to null: a moment. */
  at: { from: number; to: number | null };
  note: Note | null;
  onClose: () => void;
  onDone: () => void;
}

export function NoteDialog({ points, at, note, onClose, onDone }: Props) {
  const [from, setFrom] = useState<number | null>(note ? toMs(note.from) : at.from);
  const [to, setTo] = useState<number | null>(note ? (note.to === note.from ? null : toMs(note.to)) : at.to);
  const [category, setCategory] = useState<Category>(note?.category ?? 'maintenance');
  const [text, setText] = useState(note?.text ?? '');
  const [on, setOn] = useState<string[]>(note ? keysOf(note) : points.map((p) => `p:${p}`));
  const { busy, problem, run } = useAct();
  const devices = devicesOf([...points, ...(note?.points ?? [])]);
  const assets = useAssets(devices);
  const groups: [WordKey, string[]][] = [
    ['note.points', keysOf({ points: [...new Set([...points, ...(note?.points ?? [])])], devices: [], assets: [] })],
    ['note.devices', keysOf({ points: [], devices: [...new Set([...devices, ...(note?.devices ?? [])])], assets: [] })],
    ['note.assets', keysOf({ points: [], devices: [], assets: [...new Set([...assets, ...(note?.assets ?? [])])] })],
  ];
  const valid = from !== null && (to === null || to >= from) && text.trim() !== '' && on.length > 0;
  const save = async () => {
    if (!valid) return;
    const body: NoteBody = { from, to, category, text: text.trim(), ...splitTargets(on) };
    const done = await run(() => (note ? put(`notes/${seg(note.id)}`, body) : post('notes', body)).then(() => true), t('state.saved'));
    if (!done) return;
    onDone();
    onClose();
  };
  return (
    <Modal
      open
      title={t(note ? 'note.edit' : 'note.new')}
      okText={t('action.save')}
      cancelText={t('action.cancel')}
      confirmLoading={busy}
      okButtonProps={{ disabled: !valid }}
      onOk={() => void save()}
      onCancel={onClose}
    >
      <Form layout="vertical">
        <div className="note-times">
          <TimeField id="note-from" word="flaw.from" value={from} onChange={setFrom} />
          <TimeField id="note-to" word="note.to" value={to} optional onChange={setTo} />
        </div>
        <Form.Item label={t('note.category')} htmlFor="note-category">
          <Select<Category>
            id="note-category"
            value={category}
            onChange={setCategory}
            options={categories.map((c) => ({ value: c, label: t(categoryWord(c)) }))}
          />
        </Form.Item>
        <Form.Item label={t('note.on')} htmlFor="note-on" required>
          <Select<string[]>
            id="note-on"
            mode="multiple"
            value={on}
            onChange={setOn}
            options={groups
              .filter(([, keys]) => keys.length > 0)
              .map(([word, keys]) => ({ label: t(word), options: keys.map((key) => ({ value: key, label: key.slice(2) })) }))}
          />
        </Form.Item>
        <Form.Item label={t('note.text')} htmlFor="note-text" required>
          <Input.TextArea
            id="note-text"
            autoFocus
            rows={3}
            maxLength={TEXT_MAX}
            value={text}
            placeholder={t('note.textHint')}
            onChange={(e) => setText(e.target.value)}
          />
        </Form.Item>
      </Form>
      <ProblemView problem={problem} />
    </Modal>
  );
}

/** Where a new note begins: the selection, else the middle of what is seen. */
export function placeFor(selection: Range | null, range: Range): { from: number; to: number | null } {
  if (selection) return selection;
  return { from: Math.round((range.from + Math.min(range.to, Date.now())) / 2), to: null };
}
