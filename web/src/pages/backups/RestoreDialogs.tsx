// The two acts of a restore, each with its reason: made ready beside the data, then put in its place.
import { Alert, Form, Modal } from 'antd';
import { useState } from 'react';
import { post, seg } from '../../api/client';
import type { Backup, Kept, Prepared } from '../../api/backupTypes';
import { ProblemView } from '../../components/ProblemView';
import { Reason } from '../../components/Reason';
import { useAct } from '../../components/useAct';
import { t } from '../../i18n';
import { bytes, compact, moment } from '../../i18n/format';

interface AskProps {
  title: string;
  ok: string;
  points: string[];
  warning?: string;
  path: string;
  said?: string;
  danger?: boolean;
  onClose: () => void;
  onDone: () => void;
}

function Ask({ title, ok, points, warning, path, said, danger, onClose, onDone }: AskProps) {
  const [reason, setReason] = useState('');
  const { busy, problem, run } = useAct();
  const go = async () => {
    const done = await run(async () => {
      await post(path, { reason: reason.trim() });
      return true;
    }, said);
    if (!done) return;
    onClose();
    onDone();
  };
  return (
    <Modal
      open
      title={title}
      okText={ok}
      cancelText={t('action.cancel')}
      confirmLoading={busy}
      okButtonProps={{ danger, disabled: !reason.trim() }}
      onOk={() => void go()}
      onCancel={onClose}
    >
      <ul>
        {points.map((point) => (
          <li key={point}>{point}</li>
        ))}
      </ul>
      {warning ? <Alert type="warning" showIcon message={warning} /> : null}
      <Form layout="vertical" component={false}>
        <Reason value={reason} onChange={setReason} placeholder={t('restore.reasonHint')} />
      </Form>
      <ProblemView problem={problem} />
    </Modal>
  );
}

export function PrepareDialog({ row, again, onClose, onDone }: { row: Backup; again: boolean; onClose: () => void; onDone: () => void }) {
  const points = [t('restore.prepareWhat'), t('restore.prepareRoom', { size: bytes(row.bytes) }), t('restore.prepareNext')];
  if (again) points.push(t('restore.prepareAgain'));
  const bad = row.rehearsal !== null && !row.rehearsal.good;
  return (
    <Ask
      title={t('restore.prepareTitle', { time: moment(row.time) })}
      ok={t('restore.prepare')}
      points={points}
      warning={bad ? t('restore.rehearsedBad') : undefined}
      path={`backups/${seg(row.id)}/restore`}
      said={t('restore.begun')}
      onClose={onClose}
      onDone={onDone}
    />
  );
}

const common = () => [t('restore.cutOff'), t('restore.signIn'), t('restore.oldKept')];

export function ApplyDialog({ prepared, onClose, onDone }: { prepared: Prepared; onClose: () => void; onDone: () => void }) {
  return (
    <Ask
      title={t('restore.applyTitle', { time: moment(prepared.backup_time) })}
      ok={t('restore.apply')}
      points={[t('restore.sinceThen', { time: moment(prepared.backup_time) }), ...common()]}
      warning={prepared.keys === 'new' ? t('restore.newKeys') : undefined}
      path="backups/prepared/apply"
      danger
      onClose={onClose}
      onDone={onDone}
    />
  );
}

export function BackDialog({ kept, onClose, onDone }: { kept: Kept; onClose: () => void; onDone: () => void }) {
  return (
    <Ask
      title={t('restore.backTitle', { time: moment(kept.time) })}
      ok={t('restore.apply')}
      points={[t('restore.backWhat', { time: moment(kept.time) }), ...common()]}
      path={`backups/${seg(kept.name)}/apply`}
      danger
      onClose={onClose}
      onDone={onDone}
    />
  );
}

/** Of what is prepared, in a line. */
export function figures(p: Prepared): string {
  return t('restore.figures', { size: bytes(p.bytes), samples: compact(p.samples), points: compact(p.points), devices: compact(p.devices) });
}
