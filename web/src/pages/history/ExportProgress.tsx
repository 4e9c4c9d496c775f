// A file that the server makes piece by piece: how much is here, a way to stop it, and what went wrong.
import { Button, Modal, Spin } from 'antd';
import { useEffect, useState } from 'react';
import { asProblem, fetchFile, type Problem } from '../../api/client';
import { ProblemView } from '../../components/ProblemView';
import { t } from '../../i18n';
import { bytes } from '../../i18n/format';
import { saveBlob } from '../devices/importFile';

/** `json`: what is asked for, where a path cannot say it. */
export function ExportProgress({ url, name, json, onClose }: { url: string; name: string; json?: unknown; onClose: () => void }) {
  const [here, setHere] = useState(0);
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    fetchFile(url, setHere, abort.signal, json).then(
      (came) => {
        if (abort.signal.aborted) return;
        saveBlob(came.name || name, came);
        onClose();
      },
      (error: unknown) => {
        if (!abort.signal.aborted) setProblem(asProblem(error));
      },
    );
    return () => abort.abort();
  }, [url, name]);
  return (
    <Modal
      open
      width={420}
      title={t(problem ? 'export.failed' : 'export.running')}
      onCancel={onClose}
      footer={<Button onClick={onClose}>{t(problem ? 'action.close' : 'action.cancel')}</Button>}
    >
      {problem ? (
        <ProblemView problem={problem} />
      ) : (
        <p className="export-progress" role="status">
          <Spin size="small" /> {t('export.received', { size: bytes(here) })}
        </p>
      )}
    </Modal>
  );
}
