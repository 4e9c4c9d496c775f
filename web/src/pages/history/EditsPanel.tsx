// Corrections and deletions in force of the shown points, and the making of new ones from a selection.
import { Button } from 'antd';
import { useState } from 'react';
import { useSession } from '../../app/session';
import type { Range } from '../../charts/lines';
import { Masked } from '../../components/DataClass';
import { ProblemView } from '../../components/ProblemView';
import { t } from '../../i18n';
import { count, moment, toMs, who } from '../../i18n/format';
import { CorrectDialog, DeleteDialog, WithdrawDialog } from './EditDialogs';
import type { EditRow } from './edits';
import { SelectionBar } from './StatsPanel';
import type { Edits } from './useEdits';
import type { Look } from './useLook';

interface Props {
  points: string[];
  types: Record<string, string>;
  range: Range;
  look: Look;
  edits: Edits;
  onRange: (range: Range) => void;
}

const AROUND_MS = 60_000;

export function EditsPanel(props: Props) {
  const { points, types, range, look, edits, onRange } = props;
  const { may } = useSession();
  const able = may('history.correct');
  const [dialog, setDialog] = useState<'correct' | 'delete' | EditRow | null>(null);
  const close = () => setDialog(null);
  const done = edits.changed;
  const show = (edit: EditRow) => {
    const [from, to] = [toMs(edit.from) ?? 0, toMs(edit.to) ?? 0];
    const room = Math.max(AROUND_MS, (to - from) / 2);
    onRange({ from: from - room, to: to + room });
  };
  const row = (edit: EditRow) => (
    <tr key={edit.id}>
      <td>{t(edit.kind === 'correction' ? 'edit.correction' : 'edit.deletion')}</td>
      <td title={edit.points.join('\n')}>{edit.points.join(', ')}</td>
      <td>
        <button type="button" className="link" onClick={() => show(edit)}>
          {moment(edit.from)}{edit.to === edit.from ? '' : ` – ${moment(edit.to)}`}
        </button>
      </td>
      <td className="right">{edit.samples === null ? '–' : count(edit.samples)}</td>
      <td>{edit.by ? who(edit.by) : '–'}</td>
      <td>{moment(edit.time)}</td>
      <td title={edit.reason ?? ''}>{edit.masked ? <Masked of={edit} /> : (edit.reason ?? '–')}</td>
      {able ? (
        <td className="right">
          <Button size="small" onClick={() => setDialog(edit)}>{t('edit.withdraw')}</Button>
        </td>
      ) : null}
    </tr>
  );
  const words = ['edit.kind', 'edit.ofPoints', 'edit.range', 'stat.count', 'edit.by', 'edit.when', 'edit.reason'] as const;
  return (
    <>
      <div className="selection-bar">
        <SelectionBar range={range} look={look} onRange={onRange} />
        {able ? (
          <>
            <Button size="small" disabled={!look.selection} onClick={() => setDialog('correct')}>{t('edit.correct')}</Button>
            <Button size="small" danger disabled={!look.selection} onClick={() => setDialog('delete')}>{t('edit.delete')}</Button>
          </>
        ) : null}
      </div>
      <ProblemView problem={edits.problem} />
      <div className="table-box" tabIndex={0} role="region" aria-label={t('panel.edits')} aria-busy={edits.loading}>
        <table className="legend edits">
          <thead>
            <tr>
              {words.map((word) => (
                <th key={word} scope="col" className={word === 'stat.count' ? 'right' : undefined}>{t(word)}</th>
              ))}
              {able ? <th scope="col" aria-label={t('edit.withdraw')} /> : null}
            </tr>
          </thead>
          <tbody>
            {edits.rows.map(row)}
            {edits.rows.length === 0 && !edits.loading ? (
              <tr className="blank">
                <td colSpan={8} className="dim">{t(able ? 'edit.noneHint' : 'edit.none')}</td>
              </tr>
            ) : null}
          </tbody>
        </table>
      </div>
      {dialog === 'correct' && look.selection ? (
        <CorrectDialog points={points} types={types} range={look.selection} onClose={close} onDone={done} />
      ) : null}
      {dialog === 'delete' && look.selection ? (
        <DeleteDialog points={points} types={types} range={look.selection} onClose={close} onDone={done} />
      ) : null}
      {dialog && typeof dialog === 'object' ? <WithdrawDialog edit={dialog} onClose={close} onDone={done} /> : null}
    </>
  );
}
