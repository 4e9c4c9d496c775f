// Before settings are applied: what changes from what to what, what it removes or opens, what is wrong, and why it is done.
import { Input, Modal } from 'antd';
import { useEffect, useState } from 'react';
import type { Problem } from '../../api/client';
import type { SettingChange, SettingsCheck } from '../../api/types';
import { Loading } from '../../components/Loading';
import { ProblemView } from '../../components/ProblemView';
import { t, type WordKey } from '../../i18n';

function Value({ value }: { value: string | null }) {
  if (value === null) return <span className="dim">{t('changes.unset')}</span>;
  return value === '' ? <span className="dim">{t('settings.empty')}</span> : <code>{value}</code>;
}

export function ChangeTable({ changes, label }: { changes: SettingChange[]; label: string }) {
  return (
    <div className="table-frame">
      <div className="table-box" tabIndex={0} role="region" aria-label={label}>
        <table className="settings-changes" aria-label={label}>
          <thead>
            <tr>
              <th scope="col">{t('settings.key')}</th>
              <th scope="col" style={{ width: '26%' }}>{t('settings.from')}</th>
              <th scope="col" style={{ width: '26%' }}>{t('settings.to')}</th>
              <th scope="col" style={{ width: 110 }}>{t('settings.effect')}</th>
            </tr>
          </thead>
          <tbody>
            {changes.map((c) => (
              <tr key={c.key}>
                <th scope="row">
                  <code>{c.key}</code>
                  {c.warning ? <div className="warn">{t(`settings.warn.${c.warning}` as WordKey)}</div> : null}
                </th>
                <td><Value value={c.from} /></td>
                <td><Value value={c.to} /></td>
                <td>{t(c.live ? 'settings.live' : 'settings.restart')}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

interface Props {
  open: boolean;
  title: string;
  check: SettingsCheck | null;
  busy: boolean;
  problem: Problem | null;
  apply: (note: string) => void;
  close: () => void;
}

export function Review({ open, title, check, busy, problem, apply, close }: Props) {
  const [note, setNote] = useState('');
  useEffect(() => {
    if (open) setNote('');
  }, [open]);
  const nothing = check !== null && check.errors.length === 0 && check.changes.length === 0;
  const ready = check !== null && check.errors.length === 0;
  return (
    <Modal
      open={open}
      width={820}
      title={title}
      okText={t('settings.apply')}
      cancelText={t('action.cancel')}
      okButtonProps={{ disabled: !ready }}
      confirmLoading={busy}
      onOk={() => apply(note.trim())}
      onCancel={close}
      destroyOnHidden
    >
      {check === null ? <Loading /> : null}
      {check && check.errors.length > 0 ? (
        <ul className="setting-faults" role="alert">
          {check.errors.map((e) => (
            <li key={e.key + e.code}>
              <code>{e.key}</code> {e.detail}
              {e.remedy ? <span className="dim"> · {e.remedy}</span> : null}
            </li>
          ))}
        </ul>
      ) : null}
      {check && check.changes.length > 0 ? <ChangeTable changes={check.changes} label={t('settings.reviewTitle')} /> : null}
      {nothing ? <p>{t('settings.nothing')}</p> : null}
      {problem?.code === 'conflict' ? <p role="alert" className="warn">{t('settings.conflict')}</p> : <ProblemView problem={problem} />}
      <label className="field-label" htmlFor="settings-note">{t('settings.note')}</label>
      <Input.TextArea id="settings-note" rows={2} maxLength={160} value={note} onChange={(e) => setNote(e.target.value)} />
    </Modal>
  );
}
