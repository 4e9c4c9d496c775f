// A calculated series is written: name, expression, what the server says of it while one types.
import { Button, Form, Input, Modal } from 'antd';
import type { TextAreaRef } from 'antd/es/input/TextArea';
import { useEffect, useRef, useState } from 'react';
import { asProblem, post, type Problem } from '../../api/client';
import { useResource } from '../../api/useResource';
import { ProblemView } from '../../components/ProblemView';
import { t, type WordKey } from '../../i18n';
import { unit } from '../../i18n/format';
import { insertPiece, NAME_MAX, type Calc } from './calc';

const TEXT_MAX = 8192;

interface Check {
  valid: boolean;
  type?: string;
  unit?: string;
  remembers?: boolean;
  points?: string[];
  at?: number;
  length?: number;
  message?: string;
}
interface Fn {
  name: string;
  usage: string;
  group: string;
  description: string;
}

function useCheck(expression: string): { check: Check | null; problem: Problem | null } {
  const [state, setState] = useState<{ of: string; check: Check | null; problem: Problem | null }>({ of: '', check: null, problem: null });
  useEffect(() => {
    if (!expression.trim()) return undefined;
    const abort = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const check = await post<Check>('expressions', { expression }, { signal: abort.signal });
        setState({ of: expression, check, problem: null });
      } catch (error) {
        if (!abort.signal.aborted) setState({ of: expression, check: null, problem: asProblem(error) });
      }
    }, 250);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [expression]);
  return state.of === expression ? state : { check: null, problem: null };
}

function Verdict({ expression, check }: { expression: string; check: Check | null }) {
  if (!check) return <div className="calc-check" role="status" />;
  if (check.valid) {
    return (
      <div className="calc-check" role="status">
        <span className="ok-text">{t('calc.valid')}</span> {check.type}
        {check.unit ? ` · ${unit(check.unit)}` : ''}
        {check.remembers ? <span className="dim"> · {t('calc.remembers')}</span> : null}
        {check.points?.length === 0 ? <span className="bad-text"> · {t('calc.noPoint')}</span> : null}
      </div>
    );
  }
  const [at, end] = [check.at ?? 0, (check.at ?? 0) + Math.max(1, check.length ?? 0)];
  return (
    <div className="calc-check" role="status">
      <code>
        {expression.slice(0, at)}
        <mark>{expression.slice(at, end) || '\u00a0'}</mark>
        {expression.slice(end)}
      </code>
      <span className="bad-text">{check.message}</span>
    </div>
  );
}

function Functions({ onPick }: { onPick: (piece: string) => void }) {
  const { data } = useResource<{ functions: Fn[] }>('expressions');
  const [find, setFind] = useState('');
  const low = find.trim().toLowerCase();
  const rows = (data?.functions ?? []).filter((f) => !low || f.usage.includes(low) || f.description.toLowerCase().includes(low));
  return (
    <details className="calc-functions">
      <summary>{t('calc.functions')}</summary>
      <Input size="small" allowClear value={find} aria-label={t('calc.find')} placeholder={t('calc.find')} onChange={(e) => setFind(e.target.value)} />
      <ul tabIndex={0} aria-label={t('calc.functions')}>
        {rows.map((f) => (
          <li key={f.name}>
            <button type="button" className="link mono" onClick={() => onPick(`${f.name}()`)}>{f.usage}</button>
            <span className="dim">{t(`calc.group.${f.group}` as WordKey)}</span> {f.description}
          </li>
        ))}
        {data && rows.length === 0 ? <li className="dim">{t('calc.noFunction')}</li> : null}
      </ul>
    </details>
  );
}

interface Props {
  points: string[];
  calc: Calc | null;
  /** Names of the others. */
  taken: string[];
  onClose: () => void;
  onSave: (calc: Calc) => void;
}

export function CalcDialog({ points, calc, taken, onClose, onSave }: Props) {
  const [name, setName] = useState(calc?.name ?? '');
  const [expression, setExpression] = useState(calc?.expression ?? '');
  const area = useRef<TextAreaRef>(null);
  const { check, problem } = useCheck(expression);
  const twice = taken.includes(name.trim());
  const ready = check?.valid === true && (check.points?.length ?? 0) > 0 && name.trim() !== '' && !twice;
  const insert = (piece: string) => {
    const box = area.current?.resizableTextArea?.textArea;
    const next = insertPiece(expression, box?.selectionStart ?? expression.length, box?.selectionEnd ?? expression.length, piece);
    setExpression(next.text);
    requestAnimationFrame(() => {
      box?.focus();
      box?.setSelectionRange(next.at, next.at);
    });
  };
  return (
    <Modal
      open
      width={680}
      title={t(calc ? 'calc.change' : 'calc.add')}
      okText={t('action.save')}
      cancelText={t('action.cancel')}
      okButtonProps={{ disabled: !ready }}
      onOk={() => onSave({ name: name.trim(), expression: expression.trim() })}
      onCancel={onClose}
    >
      <Form layout="vertical" component={false}>
        <Form.Item label={t('calc.name')} htmlFor="calc-name" required validateStatus={twice ? 'error' : undefined} help={twice ? t('calc.twice') : undefined}>
          <Input id="calc-name" autoFocus maxLength={NAME_MAX} value={name} placeholder={t('calc.nameHint')} onChange={(e) => setName(e.target.value)} />
        </Form.Item>
        <Form.Item label={t('calc.expression')} htmlFor="calc-text" required>
          <Input.TextArea
            id="calc-text"
            ref={area}
            className="mono"
            rows={3}
            maxLength={TEXT_MAX}
            spellCheck={false}
            value={expression}
            placeholder={points.length > 1 ? `{${points[0]}} / {${points[1]}}` : '{pump-1/flow} * 2'}
            onChange={(e) => setExpression(e.target.value)}
          />
        </Form.Item>
        <Verdict expression={expression} check={expression.trim() ? check : null} />
        <ProblemView problem={problem} />
        <div className="calc-points" role="group" aria-label={t('calc.insert')}>
          <span className="dim">{t('calc.insert')}</span>
          {points.length === 0 ? <span className="dim">{t('calc.noneChosen')}</span> : null}
          {points.map((p) => (
            <Button key={p} size="small" onClick={() => insert(`{${p}}`)}>{p}</Button>
          ))}
        </div>
        <Functions onPick={insert} />
        <p className="dim">{t('calc.hint')}</p>
      </Form>
    </Modal>
  );
}
