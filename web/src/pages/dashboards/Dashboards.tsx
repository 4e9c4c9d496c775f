import { App, Button, Checkbox, Form, Input } from 'antd';
import { useMemo, useRef, useState } from 'react';
import { post, remove, seg } from '../../api/client';
import { useList } from '../../api/useList';
import { navigate, setQuery, usePlace } from '../../app/router';
import { useSession } from '../../app/session';
import { FormDialog } from '../../components/AdminTable';
import { DataTable, type Column } from '../../components/DataTable';
import { EmptyState } from '../../components/EmptyState';
import { Age } from '../../components/Marks';
import { PageHeader } from '../../components/PageHeader';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { useDelayed } from '../../components/useDelayed';
import { t, useLanguage } from '../../i18n';
import { count, who } from '../../i18n/format';
import { copyOf, downloadById } from './acts';
import { docFrom, type Dashboard, type Row } from './model';

interface Values {
  name: string;
  description?: string;
  shared?: boolean;
}

export function HeadFields() {
  return (
    <>
      <Form.Item name="name" label={t('board.name')} rules={[{ required: true, whitespace: true, message: t('board.nameMissing') }]}>
        <Input autoFocus maxLength={60} />
      </Form.Item>
      <Form.Item name="description" label={t('device.description')}>
        <Input maxLength={150} />
      </Form.Item>
      <Form.Item name="shared" valuePropName="checked" extra={t('board.sharedHint')}>
        <Checkbox>{t('board.shared')}</Checkbox>
      </Form.Item>
    </>
  );
}

const open = (id: string, edit = false) => navigate(`/dashboards/${seg(id)}${edit ? '?edit=1' : ''}`);

function columnsOf(actions: (row: Row) => React.ReactNode): Column<Row>[] {
  return [
    {
      key: 'name',
      title: t('board.name'),
      width: '24%',
      render: (x) => <a href={`/dashboards/${seg(x.id)}`}>{x.name}</a>,
    },
    { key: 'description', title: t('device.description'), render: (x) => <span className="dim">{x.description}</span> },
    { key: 'widgets', title: t('board.widgets'), width: 90, align: 'right', render: (x) => count(x.widgets) },
    {
      key: 'shared',
      title: t('board.sharing'),
      width: '18%',
      render: (x) => (x.mine ? t(x.shared ? 'board.mineShared' : 'board.minePrivate') : t('board.of', { who: who(x.owner) })),
    },
    { key: 'updated', title: t('board.updated'), width: 120, align: 'right', render: (x) => <Age time={x.updated} /> },
    { key: 'actions', title: '', align: 'right', width: 250, render: (x) => <span className="row-actions">{actions(x)}</span> },
  ];
}

export default function Dashboards() {
  const lang = useLanguage();
  const { modal } = App.useApp();
  const { may } = useSession();
  const { query } = usePlace();
  const [search, setSearch] = useState(query.get('q') ?? '');
  const q = useDelayed(search.trim(), 200);
  const list = useList<Row>('dashboards', { q });
  const [making, setMaking] = useState(false);
  const file = useRef<HTMLInputElement>(null);
  const { problem, run, setProblem } = useAct();
  const write = may('dashboards.write');
  const rows = useMemo(() => [...list.items].sort((a, b) => a.name.localeCompare(b.name, lang === 'zh' ? 'zh-CN' : 'en')), [list.items, lang]);

  const drop = (row: Row) =>
    modal.confirm({
      title: t('board.delete', { name: row.name }),
      content: row.mine ? t('board.deleteHint') : t('board.deleteOthers', { who: who(row.owner) }),
      okText: t('action.delete'),
      cancelText: t('action.cancel'),
      okButtonProps: { danger: true },
      onOk: () =>
        run(async () => {
          await remove(`dashboards/${seg(row.id)}`);
          list.reload();
        }, t('state.deleted')),
    });
  const columns = columnsOf((row) => (
    <>
      <Button size="small" type="text" onClick={() => void run(() => downloadById(row.id))}>
        {t('action.export')}
      </Button>
      {write ? (
        <>
          <Button size="small" type="text" onClick={() => void run(async () => open((await copyOf(row.id)).id, true))}>
            {t('action.copy')}
          </Button>
          <Button size="small" type="text" danger onClick={() => drop(row)}>
            {t('action.delete')}
          </Button>
        </>
      ) : null}
    </>
  ));
  const take = async (picked: File | undefined) => {
    if (!picked) return;
    const doc = docFrom(await picked.text());
    if (!doc) {
      void modal.error({ title: t('board.badFile'), content: t('board.badFileHint'), okText: t('action.close') });
      return;
    }
    setProblem(null);
    await run(async () => open((await post<Dashboard>('dashboards', doc)).id), t('board.imported'));
  };
  return (
    <div className="page-fill">
      <PageHeader
        title={t('nav.dashboards')}
        note={t('board.what')}
        actions={
          write ? (
            <>
              <input
                ref={file}
                type="file"
                accept=".json,application/json"
                className="hidden"
                aria-label={t('board.import')}
                tabIndex={-1}
                onChange={(e) => {
                  void take(e.target.files?.[0]);
                  e.target.value = '';
                }}
              />
              <Button onClick={() => file.current?.click()}>{t('board.import')}</Button>
              <Button type="primary" onClick={() => setMaking(true)}>
                {t('board.create')}
              </Button>
            </>
          ) : null
        }
      />
      <div className="toolbar">
        <Input
          allowClear
          value={search}
          style={{ width: 260 }}
          aria-label={t('board.search')}
          placeholder={t('board.search')}
          onChange={(e) => {
            setSearch(e.target.value);
            setQuery({ q: e.target.value.trim() });
          }}
        />
      </div>
      <ProblemView problem={problem} />
      <DataTable
        fill
        label={t('nav.dashboards')}
        columns={columns}
        rows={rows}
        rowKey={(x) => x.id}
        total={list.total}
        loading={list.loading}
        problem={list.problem}
        retry={list.reload}
        empty={
          q ? (
            <EmptyState title={t('board.noneFound')} hint={t('board.noneFoundHint')} />
          ) : (
            <EmptyState
              title={t('board.none')}
              hint={t(write ? 'board.noneHint' : 'board.noneRead')}
              action={
                write ? (
                  <Button type="primary" onClick={() => setMaking(true)}>
                    {t('board.create')}
                  </Button>
                ) : null
              }
            />
          )
        }
      />
      {making ? (
        <FormDialog<Values>
          title={t('board.create')}
          initial={{ shared: false }}
          okText={t('action.create')}
          onClose={() => setMaking(false)}
          save={async (values) => {
            const made = await post<Dashboard>('dashboards', { ...values, name: values.name.trim(), range: '1h', widgets: [] });
            open(made.id, true);
          }}
        >
          <HeadFields />
        </FormDialog>
      ) : null}
    </div>
  );
}
