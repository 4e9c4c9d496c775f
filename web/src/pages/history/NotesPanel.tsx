// Notes on the shown points: the list, by category and words, and the making of new ones from a selection.
import { App, Button, Input } from 'antd';
import { useState } from 'react';
import { apiUrl, remove, seg } from '../../api/client';
import { useSession } from '../../app/session';
import type { Range } from '../../charts/lines';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { t } from '../../i18n';
import { count, moment, toMs, who } from '../../i18n/format';
import { ExportProgress } from './ExportProgress';
import { NoteDialog, placeFor } from './NoteDialog';
import { categories, categoryWord, fits, spanOf, targetsOf, type Category, type Note } from './notes';
import { around } from './quality';
import { SelectionBar } from './StatsPanel';
import { useNotes, type Notes } from './useNotes';
import type { Look } from './useLook';

interface Props {
  points: string[];
  range: Range;
  look: Look;
  /** Of the visible range. */
  notes: Notes;
  onRange: (range: Range) => void;
}

const AROUND_MS = 300_000;
const words = ['edit.time', 'note.category', 'note.text', 'note.on', 'note.by', 'edit.when'] as const;

export function NotesPanel({ points, range, look, notes, onRange }: Props) {
  const { may } = useSession();
  const { modal } = App.useApp();
  const { problem, run } = useAct();
  const [hidden, setHidden] = useState<Category[]>([]);
  const [search, setSearch] = useState('');
  const [always, setAlways] = useState(false);
  const [dialog, setDialog] = useState<Note | 'new' | null>(null);
  const [file, setFile] = useState<string | null>(null);
  const everything = useNotes(points, null, always);
  const shown = always ? everything : notes;
  const rows = shown.rows.filter((note) => fits(note, hidden, search));
  const able = may('history.annotate');
  const done = () => {
    notes.changed();
    everything.changed();
  };
  const show = (note: Note) => {
    const [from, to] = [toMs(note.from) ?? 0, toMs(note.to) ?? 0];
    onRange(to > from ? around({ from, to }) : { from: from - AROUND_MS, to: from + AROUND_MS });
  };
  const drop = (note: Note) =>
    modal.confirm({
      title: t('note.delete'),
      content: note.text,
      okText: t('action.delete'),
      cancelText: t('action.cancel'),
      okButtonProps: { danger: true },
      onOk: () => run(() => remove(`notes/${seg(note.id)}`).then(done), t('state.deleted')),
    });
  const row = (note: Note) => (
    <tr key={note.id}>
      <td>
        <button type="button" className="link" onClick={() => show(note)}>{spanOf(note)}</button>
      </td>
      <td><span className={`note-dot ${note.category}`} aria-hidden="true" /> {t(categoryWord(note.category))}</td>
      <td className="note-text" title={note.text}>{note.text}</td>
      <td title={targetsOf(note).join('\n')}>{targetsOf(note).join(', ')}</td>
      <td>{who(note.by)}</td>
      <td title={note.edited ? t('note.edited', { by: who(note.edited.by), time: moment(note.edited.time) }) : undefined}>
        {moment(note.time)}{note.edited ? ' *' : ''}
      </td>
      {able ? (
        <td className="right">
          {note.mine || (may('history.correct') && !note.masked) ? (
            <span className="button-row">
              <Button size="small" onClick={() => setDialog(note)}>{t('action.edit')}</Button>
              <Button size="small" danger onClick={() => drop(note)}>{t('action.delete')}</Button>
            </span>
          ) : null}
        </td>
      ) : null}
    </tr>
  );
  const asked = always ? {} : { from: Math.floor(range.from), to: Math.ceil(range.to) };
  return (
    <>
      <div className="selection-bar">
        <SelectionBar range={range} look={look} onRange={onRange} />
        {able ? <Button size="small" type="primary" onClick={() => setDialog('new')}>{t('note.new')}</Button> : null}
      </div>
      <div className="selection-bar">
        <span className="button-row flaw-choice" role="group" aria-label={t('note.categories')}>
          {categories.map((c) => (
            <button
              key={c}
              type="button"
              className="chip"
              aria-pressed={!hidden.includes(c)}
              onClick={() => setHidden(hidden.includes(c) ? hidden.filter((x) => x !== c) : [...hidden, c])}
            >
              <span className={`note-dot ${c}`} aria-hidden="true" /> {t(categoryWord(c))}
            </button>
          ))}
        </span>
        <Input size="small" allowClear value={search} style={{ width: 180 }} aria-label={t('note.search')} placeholder={t('note.search')}
          onChange={(e) => setSearch(e.target.value)} />
        <label className="inline">
          <input type="checkbox" checked={always} onChange={() => setAlways(!always)} /> {t('note.always')}
        </label>
        <Button size="small" onClick={() => setFile(apiUrl('notes/export', { points: points.join(','), ...asked }))}>{t('flaw.csv')}</Button>
        {file ? <ExportProgress url={file} name="notes.csv" onClose={() => setFile(null)} /> : null}
        <span className="dim" role="status">{shown.total > shown.rows.length ? t('note.more', { n: count(shown.rows.length), all: count(shown.total) }) : ''}</span>
      </div>
      <ProblemView problem={shown.problem ?? problem} />
      <div className="table-box" tabIndex={0} role="region" aria-label={t('panel.notes')} aria-busy={shown.loading}>
        <table className="legend edits notes">
          <thead>
            <tr>
              {words.map((word) => (
                <th key={word} scope="col">{t(word)}</th>
              ))}
              {able ? <th scope="col" aria-label={t('action.edit')} /> : null}
            </tr>
          </thead>
          <tbody>
            {rows.map(row)}
            {rows.length === 0 && !shown.loading ? (
              <tr className="blank"><td colSpan={7} className="dim">{t(able ? 'note.noneHint' : 'note.none')}</td></tr>
            ) : null}
          </tbody>
        </table>
      </div>
      {dialog ? (
        <NoteDialog
          points={points}
          at={placeFor(look.selection, range)}
          note={dialog === 'new' ? null : dialog}
          onClose={() => setDialog(null)}
          onDone={done}
        />
      ) : null}
    </>
  );
}
