// Files of a device, an asset or a thing model: list, upload by choosing or dropping, preview, rename, delete.
import { UploadOutlined } from '@ant-design/icons';
import { App, Button, Form, Input, Progress, Select } from 'antd';
import { lazy, Suspense, useRef, useState, type DragEvent } from 'react';
import { apiUrl, call, post, remove, seg } from '../../api/client';
import type { FileKind, FileList as Answer, StoredFile } from '../../api/fileTypes';
import { useResource } from '../../api/useResource';
import { FormDialog } from '../AdminTable';
import { DataTable, type Column } from '../DataTable';
import { EmptyState } from '../EmptyState';
import { ProblemView } from '../ProblemView';
import { useAct } from '../useAct';
import { t } from '../../i18n';
import { bytes, moment, percent, who } from '../../i18n/format';
import { KINDS, undoKey } from './upload';
import { useUploads, type Upload } from './useUploads';
import './files.css';

const Preview = lazy(() => import('./Preview'));
const Deleted = lazy(() => import('./Deleted'));
const UNDO_S = 10;

export const contentUrl = (path: string, file: StoredFile, inline = false) =>
  apiUrl(`${path}/files/${seg(file.id)}/content`, inline ? { inline: 'true' } : undefined);

interface Acts {
  open: (file: StoredFile) => void;
  edit: (file: StoredFile) => void;
  drop: (file: StoredFile) => void;
}

function columnsOf(path: string, mayWrite: boolean, acts: Acts): Column<StoredFile>[] {
  return [
    {
      key: 'name',
      title: t('files.name'),
      render: (f) => (
        <>
          {f.inline ? (
            <button type="button" className="link" onClick={() => acts.open(f)}>
              {f.name}
            </button>
          ) : (
            <a href={contentUrl(path, f)} download={f.name}>
              {f.name}
            </a>
          )}
          {f.note ? <div className="dim file-note">{f.note}</div> : null}
        </>
      ),
    },
    { key: 'kind', title: t('files.kind'), width: 100, render: (f) => t(`fileKind.${f.kind}`) },
    { key: 'size', title: t('files.size'), width: 96, align: 'right', render: (f) => bytes(f.size) },
    { key: 'by', title: t('files.by'), width: 120, render: (f) => who(f.by) },
    { key: 'time', title: t('files.time'), width: 160, render: (f) => moment(f.time) },
    {
      key: 'actions',
      title: '',
      align: 'right',
      width: mayWrite ? 220 : 90,
      render: (f) => (
        <span className="row-actions">
          <Button size="small" type="text" href={contentUrl(path, f)} download={f.name} aria-label={t('files.downloadOf', { name: f.name })}>
            {t('files.download')}
          </Button>
          {mayWrite ? (
            <>
              <Button size="small" type="text" onClick={() => acts.edit(f)}>
                {t('action.edit')}
              </Button>
              <Button size="small" type="text" danger onClick={() => acts.drop(f)}>
                {t('action.delete')}
              </Button>
            </>
          ) : null}
        </span>
      ),
    },
  ];
}

function Going({ uploads }: { uploads: Upload[] }) {
  if (uploads.length === 0) return null;
  return (
    <ul className="file-uploads" aria-label={t('files.uploads')}>
      {uploads.map((u) => (
        <li key={u.key}>
          <span className="file-uploads-name">{u.name}</span>
          {u.problem ? (
            <ProblemView problem={u.problem} />
          ) : (
            <Progress percent={u.total > 0 ? Math.floor((100 * u.sent) / u.total) : 0} size="small" aria-label={u.name} />
          )}
          <Button size="small" type="text" onClick={u.stop}>
            {t(u.problem ? 'action.close' : 'action.cancel')}
          </Button>
        </li>
      ))}
    </ul>
  );
}

interface Words {
  name: string;
  kind: FileKind;
  note: string;
}

function Edit({ path, file, onClose, onDone }: { path: string; file: StoredFile; onClose: () => void; onDone: () => void }) {
  const save = async (values: Words) => {
    const json = { name: values.name.trim(), kind: values.kind, note: values.note?.trim() ?? '' };
    await call('PATCH', `${path}/files/${seg(file.id)}`, { json, headers: { 'If-Match': `"${file.revision}"` } });
    onDone();
  };
  return (
    <FormDialog<Words> title={t('files.edit')} initial={{ name: file.name, kind: file.kind, note: file.note }} onClose={onClose} save={save}>
      <Form.Item name="name" label={t('files.name')} rules={[{ required: true, whitespace: true, message: t('files.nameMissing') }]}>
        <Input autoFocus maxLength={200} />
      </Form.Item>
      <Form.Item name="kind" label={t('files.kind')}>
        <Select options={KINDS.map((value) => ({ value, label: t(`fileKind.${value}`) }))} />
      </Form.Item>
      <Form.Item name="note" label={t('files.note')}>
        <Input.TextArea maxLength={600} rows={3} />
      </Form.Item>
    </FormDialog>
  );
}

/** What is used of the tenant's storage, when it has a quota. */
function Quota({ storage }: { storage: Answer['storage'] }) {
  if (storage.limit === 0) return <span className="dim">{t('files.used', { use: bytes(storage.use) })}</span>;
  return (
    <span className={storage.use >= 0.9 * storage.limit ? 'mark' : 'dim'} data-level={storage.use >= 0.9 * storage.limit ? 'warning' : undefined}>
      {t('files.quota', { use: bytes(storage.use), limit: bytes(storage.limit), percent: percent(storage.use, storage.limit) })}
    </span>
  );
}

interface Props {
  /** 'devices/pump-1', 'assets/line-1', 'things/pump' */
  path: string;
  mayWrite: boolean;
  /** A file was stored or removed. */
  onChange?: () => void;
}

export default function Files({ path, mayWrite, onChange }: Props) {
  const { modal, message } = App.useApp();
  const list = useResource<Answer>(`${path}/files`);
  const reload = () => {
    list.reload();
    onChange?.();
  };
  const uploads = useUploads(path, list.data?.file_bytes ?? 0, reload);
  const [shown, setShown] = useState<StoredFile | null>(null);
  const [edited, setEdited] = useState<StoredFile | null>(null);
  const [over, setOver] = useState(false);
  const [bin, setBin] = useState(false);
  const dropping = useAct();
  const input = useRef<HTMLInputElement>(null);
  const items = list.data?.items ?? [];

  const drop = (file: StoredFile) =>
    modal.confirm({
      title: t('files.delete', { name: file.name }),
      content: t('files.deleteHint'),
      okText: t('action.delete'),
      cancelText: t('action.cancel'),
      okButtonProps: { danger: true },
      onOk: () =>
        dropping.run(async () => {
          await remove(`${path}/files/${seg(file.id)}`);
          reload();
          offerUndo(file);
        }),
    });
  const offerUndo = (file: StoredFile) => {
    const key = undoKey(file);
    const undo = () => {
      message.destroy(key);
      void dropping.run(async () => {
        await post(`${path}/files/${seg(file.id)}/restore`);
        reload();
      }, t('files.restored', { name: file.name }));
    };
    void message.success({
      key,
      duration: UNDO_S,
      content: (
        <>
          {t('files.deletedOne', { name: file.name })}{' '}
          <button type="button" className="link" onClick={undo}>
            {t('files.undo')}
          </button>
        </>
      ),
    });
  };
  const hasFiles = (event: DragEvent) => mayWrite && event.dataTransfer.types.includes('Files');
  const choose = mayWrite ? (
    <>
      <Button type={items.length === 0 ? 'primary' : 'default'} icon={<UploadOutlined aria-hidden />} onClick={() => input.current?.click()}>
        {t('files.upload')}
      </Button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        aria-label={t('files.upload')}
        onChange={(event) => {
          uploads.add([...(event.target.files ?? [])]);
          event.target.value = '';
        }}
      />
    </>
  ) : null;
  return (
    <section
      className="files"
      aria-label={t('files.title')}
      data-over={over || undefined}
      onDragOver={(event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={(event) => event.currentTarget.contains(event.relatedTarget as Node | null) || setOver(false)}
      onDrop={(event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        setOver(false);
        uploads.add([...event.dataTransfer.files]);
      }}
    >
      {list.data ? (
        <div className="toolbar files-bar">
          {items.length > 0 ? choose : null}
          {mayWrite && items.length > 0 ? <span className="dim">{t('files.dropHint', { limit: bytes(list.data.file_bytes) })}</span> : null}
          <Button size="small" type="link" onClick={() => setBin(true)}>
            {t('files.bin')}
          </Button>
          <span className="files-quota">
            <Quota storage={list.data.storage} />
          </span>
        </div>
      ) : null}
      <Going uploads={uploads.list} />
      <ProblemView problem={dropping.problem} />
      <DataTable
        label={t('files.title')}
        columns={columnsOf(path, mayWrite, { open: setShown, edit: setEdited, drop })}
        rows={items}
        rowKey={(f) => f.id}
        loading={list.loading}
        problem={list.problem}
        retry={list.reload}
        empty={
          <EmptyState
            title={t('files.none')}
            hint={t(mayWrite ? 'files.noneHint' : 'files.noneHintRead')}
            action={choose}
          />
        }
      />
      {edited ? <Edit path={path} file={edited} onClose={() => setEdited(null)} onDone={list.reload} /> : null}
      {bin ? (
        <Suspense fallback={null}>
          <Deleted path={path} mayWrite={mayWrite} onClose={() => setBin(false)} onChange={reload} />
        </Suspense>
      ) : null}
      {shown ? (
        <Suspense fallback={null}>
          <Preview path={path} file={shown} files={items.filter((f) => f.inline)} onShow={setShown} onClose={() => setShown(null)} />
        </Suspense>
      ) : null}
    </section>
  );
}
