// Files that were deleted and can still be brought back; or removed at once and for good.
import { App, Button, Modal } from 'antd';
import { post, remove, seg } from '../../api/client';
import type { FileList as Answer, StoredFile } from '../../api/fileTypes';
import { useResource } from '../../api/useResource';
import { DataTable, type Column } from '../DataTable';
import { EmptyState } from '../EmptyState';
import { ProblemView } from '../ProblemView';
import { useAct } from '../useAct';
import { t } from '../../i18n';
import { bytes, moment, who } from '../../i18n/format';
import { undoKey } from './upload';

interface Props {
  path: string;
  mayWrite: boolean;
  onClose: () => void;
  onChange: () => void;
}

export default function Deleted({ path, mayWrite, onClose, onChange }: Props) {
  const { modal, message } = App.useApp();
  const { busy, problem, run } = useAct();
  const list = useResource<Answer>(`${path}/files`, { deleted: '1' });
  const after = () => {
    list.reload();
    onChange();
  };
  const restore = (file: StoredFile) =>
    void run(async () => {
      await post(`${path}/files/${seg(file.id)}/restore`);
      message.destroy(undoKey(file));
      after();
    }, t('files.restored', { name: file.name }));
  const purge = (file: StoredFile) =>
    modal.confirm({
      title: t('files.purgeTitle', { name: file.name }),
      content: t('files.purgeHint'),
      okText: t('files.purge'),
      cancelText: t('action.cancel'),
      okButtonProps: { danger: true },
      onOk: () =>
        run(async () => {
          await remove(`${path}/files/${seg(file.id)}?deleted=1`);
          message.destroy(undoKey(file));
          after();
        }, t('state.deleted')),
    });
  const columns: Column<StoredFile>[] = [
    { key: 'name', title: t('files.name'), render: (f) => f.name },
    { key: 'size', title: t('files.size'), width: 90, align: 'right', render: (f) => bytes(f.size) },
    { key: 'by', title: t('files.deletedBy'), width: 110, render: (f) => (f.deleted ? who(f.deleted.by) : '') },
    { key: 'until', title: t('files.until'), width: 160, render: (f) => (f.deleted ? moment(f.deleted.until) : '') },
    ...(mayWrite
      ? [
          {
            key: 'actions',
            title: '',
            align: 'right' as const,
            width: 170,
            render: (f: StoredFile) => (
              <span className="row-actions">
                <Button size="small" disabled={busy} onClick={() => restore(f)} aria-label={t('files.restoreOf', { name: f.name })}>
                  {t('files.restore')}
                </Button>
                <Button size="small" type="text" danger disabled={busy} onClick={() => purge(f)}>
                  {t('files.purge')}
                </Button>
              </span>
            ),
          },
        ]
      : []),
  ];
  return (
    <Modal open width={760} title={t('files.bin')} footer={<Button onClick={onClose}>{t('action.close')}</Button>} onCancel={onClose}>
      <ProblemView problem={problem} />
      <DataTable
        label={t('files.bin')}
        columns={columns}
        rows={list.data?.items ?? []}
        rowKey={(f) => f.id}
        loading={list.loading}
        problem={list.problem}
        retry={list.reload}
        empty={<EmptyState title={t('files.binNone')} hint={t('files.binHint')} />}
      />
    </Modal>
  );
}
