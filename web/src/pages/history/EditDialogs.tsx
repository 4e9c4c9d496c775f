// Correction, deletion and withdrawal, each with its reason.
import { Form, Input, Modal, Select } from 'antd';
import { useEffect, useState } from 'react';
import { asProblem, post, remove, type Problem } from '../../api/client';
import type { Cell, QueryAnswer } from '../../api/types';
import type { Range } from '../../charts/lines';
import { ProblemView } from '../../components/ProblemView';
import { Reason } from '../../components/Reason';
import { useAct } from '../../components/useAct';
import { t } from '../../i18n';
import { cell, count, moment, toMs } from '../../i18n/format';
import { applied, rulesFor, typed, type EditRow, type Rule } from './edits';

export const SAMPLES_MAX = 10_000; // of one correction
const SHOWN = 5;

interface Props {
  points: string[];
  types: Record<string, string>;
  range: Range;
  onClose: () => void;
  onDone: () => void;
}
interface Sample {
  time: string;
  value: Cell;
}
interface Samples {
  list: Sample[];
  more: boolean;
  problem: Problem | null;
  loading: boolean;
}

/** The samples of the selection as they are stored, also those of bad quality. */
function useSamples(point: string, range: Range): Samples {
  const [state, setState] = useState<Samples>({ list: [], more: false, problem: null, loading: true });
  useEffect(() => {
    const abort = new AbortController();
    setState({ list: [], more: false, problem: null, loading: true });
    const ask = { points: [point], from: range.from, to: range.to, quality: 'all', time: 'rfc3339', limit: SAMPLES_MAX };
    post<QueryAnswer>('history/query', ask, { signal: abort.signal }).then(
      ({ series, next }) => {
        const one = series[0];
        const list = (one?.time ?? []).map((time, i) => ({ time: String(time), value: one?.value?.[i] ?? null }));
        setState({ list, more: next !== null, problem: null, loading: false });
      },
      (error: unknown) => {
        if (!abort.signal.aborted) setState({ list: [], more: false, problem: asProblem(error), loading: false });
      },
    );
    return () => abort.abort();
  }, [point, range.from, range.to]);
  return state;
}

const span = (range: Range) => `${moment(range.from)} – ${moment(range.to)}`;

function Preview({ changes }: { changes: { time: string; value: Cell; next: Cell }[] }) {
  return (
    <table className="legend edit-preview">
      <thead>
        <tr>
          <th scope="col">{t('edit.time')}</th>
          <th scope="col" className="right">{t('edit.before')}</th>
          <th scope="col" className="right">{t('edit.after')}</th>
        </tr>
      </thead>
      <tbody>
        {changes.slice(0, SHOWN).map((c) => (
          <tr key={c.time}>
            <td>{moment(toMs(c.time), true)}</td>
            <td className="right">{cell(c.value)}</td>
            <td className="right">{cell(c.next)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function CorrectDialog({ points, types, range, onClose, onDone }: Props) {
  const able = points.filter((p) => types[p] !== 'blob');
  const [point, setPoint] = useState(able[0] ?? '');
  const [rule, setRule] = useState<Rule>('set');
  const [text, setText] = useState('');
  const [reason, setReason] = useState('');
  const { busy, problem, run } = useAct();
  const samples = useSamples(point, range);
  const type = types[point] ?? 'f64';
  const by = typed(text, type);
  const changes =
    by === null ? [] : samples.list.map((s) => ({ ...s, next: applied(rule, by, s.value, type) })).filter((s) => s.next !== null);
  const save = async () => {
    const body = { point, samples: changes.map((c) => ({ time: c.time, value: c.next })), reason: reason.trim() };
    const done = await run(() => post<{ corrected: number }>('history/correct', body), t('edit.corrected', { n: count(changes.length) }));
    if (!done) return;
    onDone();
    onClose();
  };
  return (
    <Modal
      open
      title={t('edit.correct')}
      okText={t('edit.correctDo', { n: count(changes.length) })}
      cancelText={t('action.cancel')}
      confirmLoading={busy}
      okButtonProps={{ disabled: changes.length === 0 || samples.more || !reason.trim() }}
      onOk={() => void save()}
      onCancel={onClose}
    >
      <p className="dim">{span(range)}</p>
      <Form layout="vertical" component={false}>
        <Form.Item label={t('history.point')} htmlFor="edit-point">
          <Select<string>
            id="edit-point"
            value={point}
            options={able.map((p) => ({ value: p, label: p }))}
            onChange={(next) => {
              setPoint(next);
              setRule('set');
            }}
          />
        </Form.Item>
        <div className="form-grid">
          <Form.Item label={t('edit.rule')} htmlFor="edit-rule">
            <Select<Rule> id="edit-rule" value={rule} options={rulesFor(type).map((r) => ({ value: r, label: t(`rule.${r}`) }))} onChange={setRule} />
          </Form.Item>
          <Form.Item label={t('edit.value')} htmlFor="edit-value">
            {type === 'bool' ? (
              <Select<string>
                id="edit-value"
                value={text || null}
                options={['true', 'false'].map((v) => ({ value: v, label: cell(v === 'true') }))}
                onChange={(next) => setText(next ?? '')}
              />
            ) : (
              <Input id="edit-value" value={text} onChange={(e) => setText(e.target.value)} />
            )}
          </Form.Item>
        </div>
        <Reason value={reason} onChange={setReason} placeholder={t('edit.reasonHint')} />
      </Form>
      <ProblemView problem={samples.problem ?? problem} />
      {samples.more ? <p role="alert">{t('edit.tooMany', { n: count(SAMPLES_MAX) })}</p> : null}
      {!samples.loading && samples.list.length === 0 && !samples.problem ? <p role="alert">{t('edit.noSamples')}</p> : null}
      {changes.length > 0 ? <Preview changes={changes} /> : null}
      <p className="dim">{t('edit.keptHint')}</p>
    </Modal>
  );
}

export function DeleteDialog({ points, range, onClose, onDone }: Props) {
  const [chosen, setChosen] = useState<string[]>(points.length === 1 ? points : []);
  const [reason, setReason] = useState('');
  const { busy, problem, run } = useAct();
  const go = async () => {
    const body = { points: chosen, from: range.from, to: range.to, reason: reason.trim() };
    const done = await run(async () => {
      await remove('history', body);
      return true;
    }, t('edit.deleted'));
    if (!done) return;
    onDone();
    onClose();
  };
  return (
    <Modal
      open
      title={t('edit.delete')}
      okText={t('edit.deleteDo')}
      cancelText={t('action.cancel')}
      confirmLoading={busy}
      okButtonProps={{ danger: true, disabled: chosen.length === 0 || !reason.trim() }}
      onOk={() => void go()}
      onCancel={onClose}
    >
      <p className="dim">{span(range)}</p>
      <fieldset className="pick-list plain">
        <legend>{t('edit.ofPoints')}</legend>
        {points.map((p) => (
          <label key={p} className="pick-row">
            <input
              type="checkbox"
              checked={chosen.includes(p)}
              onChange={() => setChosen(chosen.includes(p) ? chosen.filter((c) => c !== p) : [...chosen, p])}
            />
            <span className="grow">{p}</span>
          </label>
        ))}
      </fieldset>
      <Form layout="vertical" component={false}>
        <Reason value={reason} onChange={setReason} placeholder={t('edit.reasonHint')} />
      </Form>
      <ProblemView problem={problem} />
      <p className="dim">{t('edit.keptHint')}</p>
    </Modal>
  );
}

export function WithdrawDialog({ edit, onClose, onDone }: { edit: EditRow; onClose: () => void; onDone: () => void }) {
  const [reason, setReason] = useState('');
  const { busy, problem, run } = useAct();
  const go = async () => {
    const done = await run(async () => {
      await post(`history/edits/${edit.id}/withdraw`, { reason: reason.trim() });
      return true;
    }, t('edit.withdrawn'));
    if (!done) return;
    onDone();
    onClose();
  };
  return (
    <Modal
      open
      title={t('edit.withdraw')}
      okText={t('edit.withdraw')}
      cancelText={t('action.cancel')}
      confirmLoading={busy}
      okButtonProps={{ disabled: !reason.trim() }}
      onOk={() => void go()}
      onCancel={onClose}
    >
      <p>{t('edit.withdrawWhat')}</p>
      <Form layout="vertical" component={false}>
        <Reason value={reason} onChange={setReason} placeholder={t('edit.reasonHint')} />
      </Form>
      <ProblemView problem={problem} />
    </Modal>
  );
}
