// A small administration page: a list, a form to create or change, delete with a question.
import { App, Button, Form, Modal } from 'antd';
import { useState, type ReactNode } from 'react';
import { useList } from '../api/useList';
import { t } from '../i18n';
import { DataTable, type Column } from './DataTable';
import { EmptyState } from './EmptyState';
import { PageHeader } from './PageHeader';
import { ProblemView } from './ProblemView';
import { useAct } from './useAct';

interface Props<T, V extends object> {
  title: string;
  path: string;
  note?: ReactNode;
  columns: Column<T>[];
  rowKey: (row: T) => string;
  empty: { title: string; hint: string };
  createWord: string;
  mayWrite: boolean;
  /** Rows that nobody changes or deletes. */
  fixed?: (row: T) => boolean;
  /** Something new that begins as a copy of the row. */
  copy?: (row: T) => Partial<V>;
  /** The form's fields; `row` is null when something new is made. */
  fields: (row: T | null) => ReactNode;
  initial: (row: T | null) => Partial<V>;
  save: (values: V, row: T | null) => Promise<unknown>;
  /** The form needs room. */
  wide?: boolean;
  /** Undefined: rows cannot be changed, only made and deleted. */
  editable?: boolean;
  /** More buttons of a row; of those who may only look as well. */
  more?: (row: T) => ReactNode;
  /** Undefined: rows are never deleted. */
  drop?: (row: T) => Promise<unknown>;
  dropHint?: (row: T) => string;
}

export function AdminTable<T, V extends object>(props: Props<T, V>) {
  const list = useList<T>(props.path);
  const [open, setOpen] = useState<{ row: T | null; from?: Partial<V> } | null>(null);
  const { modal } = App.useApp();
  const dropping = useAct();

  const drop = (row: T) =>
    modal.confirm({
      title: t('action.delete'),
      content: props.dropHint?.(row),
      okText: t('action.delete'),
      cancelText: t('action.cancel'),
      okButtonProps: { danger: true },
      onOk: () =>
        dropping.run(async () => {
          await props.drop?.(row);
          list.reload();
        }, t('state.deleted')),
    });
  const actions: Column<T> = {
    key: 'actions',
    title: '',
    align: 'right',
    width: props.more || props.copy ? 240 : props.drop ? 150 : 80,
    render: (row) => (
      <span className="row-actions">
        {props.more?.(row)}
        {props.copy && props.mayWrite ? (
          <Button size="small" type="text" onClick={() => setOpen({ row: null, from: props.copy?.(row) })}>
            {t('action.copy')}
          </Button>
        ) : null}
        {props.editable && props.mayWrite && !props.fixed?.(row) ? (
          <Button size="small" type="text" onClick={() => setOpen({ row })}>
            {t('action.edit')}
          </Button>
        ) : null}
        {props.mayWrite && props.drop && !props.fixed?.(row) ? (
          <Button size="small" type="text" danger onClick={() => drop(row)}>
            {t('action.delete')}
          </Button>
        ) : null}
      </span>
    ),
  };
  return (
    <div className="page-fill">
      <PageHeader
        title={props.title}
        note={props.note}
        actions={
          props.mayWrite ? (
            <Button type="primary" onClick={() => setOpen({ row: null })}>
              {props.createWord}
            </Button>
          ) : null
        }
      />
      <ProblemView problem={dropping.problem} />
      <DataTable
        fill
        label={props.title}
        columns={props.mayWrite || props.more ? [...props.columns, actions] : props.columns}
        rows={list.items}
        rowKey={props.rowKey}
        total={list.total}
        more={list.more}
        loading={list.loading}
        problem={list.problem}
        retry={list.reload}
        onEnd={list.loadMore}
        empty={<EmptyState title={props.empty.title} hint={props.empty.hint} />}
      />
      {open ? (
        <FormDialog<V>
          title={open.row ? t('action.edit') : props.createWord}
          initial={open.from ?? props.initial(open.row)}
          onClose={() => setOpen(null)}
          wide={props.wide}
          save={async (values) => {
            await props.save(values, open.row);
            list.reload();
          }}
        >
          {props.fields(open.row)}
        </FormDialog>
      ) : null}
    </div>
  );
}

interface DialogProps<V> {
  title: string;
  initial: Partial<V>;
  children: ReactNode;
  wide?: boolean;
  /** What the button says; `danger`: in red; `done`: the word when it has worked. */
  okText?: string;
  danger?: boolean;
  done?: string;
  onClose: () => void;
  save: (values: V) => Promise<unknown>;
}

export function FormDialog<V extends object>({
  title,
  initial,
  children,
  wide = false,
  okText = t('action.save'),
  danger = false,
  done = t('state.saved'),
  onClose,
  save,
}: DialogProps<V>) {
  const [form] = Form.useForm<V>();
  const { busy, problem, run } = useAct();
  const submit = async (values: V) => {
    const ok = await run(async () => {
      await save(values);
      return true;
    }, done);
    if (ok) onClose();
  };
  return (
    <Modal
      open
      title={title}
      okText={okText}
      okButtonProps={{ danger }}
      cancelText={t('action.cancel')}
      confirmLoading={busy}
      width={wide ? 820 : undefined}
      onOk={() => form.submit()}
      onCancel={onClose}
    >
      <Form<V>
        form={form}
        layout="vertical"
        requiredMark={false}
        initialValues={initial}
        onFinish={(values) => void submit(values)}
      >
        {children}
      </Form>
      <ProblemView problem={problem} />
    </Modal>
  );
}
