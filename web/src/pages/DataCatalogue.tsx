// The data catalogue: what there is of each class, by model, property and record type; as a file for filing.
import { Button, Segmented } from 'antd';
import { useMemo, useState } from 'react';
import { apiUrl } from '../api/client';
import type { Classed, DataCatalogue as Catalogue, DataCatalogueItem as Item } from '../api/types';
import { useResource } from '../api/useResource';
import { useSession } from '../app/session';
import { Classify, type ToClassify } from '../components/Classify';
import { ClassMark, classWords, isClassed } from '../components/DataClass';
import { DataTable, type Column } from '../components/DataTable';
import { EmptyState } from '../components/EmptyState';
import { Loading } from '../components/Loading';
import { PageHeader } from '../components/PageHeader';
import { ProblemView } from '../components/ProblemView';
import { pick, t, useLanguage } from '../i18n';
import { count } from '../i18n/format';

const shows = ['all', 'core', 'important', 'general', 'none'] as const;
type Show = (typeof shows)[number];

const showWord = (show: Show) => (show === 'all' ? t('data.all') : show === 'none' ? t('data.notClassed') : t(`data.${show}`));

function columnsOf(change: ((item: Item) => void) | null): Column<Item>[] {
  return [
    { key: 'kind', title: t('data.kind'), width: 130, render: (i) => t(`data.kind.${i.kind}`) },
    {
      key: 'id',
      title: t('data.name'),
      render: (i) => (
        <>
          {i.kind === 'type' ? i.id : <a className="data-of" href={`/things/${encodeURIComponent(i.id)}`}>{i.property ? `${i.id} / ${i.property}` : i.id}</a>}{' '}
          <span className="dim">{pick(i.name, '')}</span>
        </>
      ),
    },
    {
      key: 'class',
      title: t('data.class'),
      width: 220,
      render: (i) => (
        <>
          {isClassed(i) ? <ClassMark of={i} masked /> : classWords(i)}{' '}
          {i.said ? null : <span className="tag">{t('data.notSaid')}</span>}
        </>
      ),
    },
    { key: 'devices', title: t('data.devices'), width: 90, align: 'right', render: (i) => (i.kind === 'thing' ? count(i.devices) : '') },
    ...(change
      ? [
          {
            key: 'acts',
            title: '',
            width: 130,
            align: 'right' as const,
            render: (i: Item) => (
              <Button size="small" type="text" onClick={() => change(i)}>
                {t('action.edit')}
              </Button>
            ),
          },
        ]
      : []),
  ];
}

function Summary({ data }: { data: Catalogue }) {
  const rows = [...data.points].sort((a, b) => words(b) - words(a));
  return (
    <p className="data-summary">
      {rows.map((p) => (
        <span key={classWords(p)} className="tag">
          {t('data.points', { class: classWords(p), n: count(p.points) })}
        </span>
      ))}{' '}
      <span className="dim">{t('data.default', { class: classWords(data.default) })}</span>
    </p>
  );
}
const order = { general: 0, important: 10, core: 20 };
const words = (of: Classed) => order[of.data_class ?? 'general'] + (of.data_level ?? 1);

export default function DataCatalogue() {
  const lang = useLanguage();
  const { may } = useSession();
  const { data, problem, loading, reload } = useResource<Catalogue>('data-classes');
  const [show, setShow] = useState<Show>('all');
  const [open, setOpen] = useState<ToClassify | null>(null);
  const write = may('data.classify');
  const columns = useMemo(() => columnsOf(write ? (i) => setOpen(i.said ? i : { ...i, data_class: null, data_level: null }) : null), [lang, write]);
  const rows = (data?.items ?? []).filter(
    (i) => show === 'all' || (show === 'none' ? !i.said : (i.data_class ?? 'general') === show),
  );
  return (
    <div className="page-fill">
      <PageHeader
        title={t('data.title')}
        note={t('data.what')}
        parent={{ path: '/security', title: t('nav.security') }}
        actions={
          <>
            {write && data ? (
              <Button onClick={() => setOpen({ kind: 'tenant', ...data.default })}>{t('data.tenant')}</Button>
            ) : null}
            <Button href={apiUrl('data-classes', { format: 'csv' })} download="data-catalogue.csv">
              {t('data.export')}
            </Button>
          </>
        }
      />
      {data ? <Summary data={data} /> : problem ? <ProblemView problem={problem} retry={reload} /> : <Loading />}
      <div className="toolbar">
        <Segmented<Show> value={show} onChange={setShow} options={shows.map((value) => ({ value, label: showWord(value) }))} />
      </div>
      <DataTable
        fill
        label={t('data.title')}
        columns={columns}
        rows={rows}
        rowKey={(i) => `${i.kind}:${i.id}:${i.property ?? ''}`}
        total={rows.length}
        more={false}
        loading={loading}
        onEnd={() => {}}
        empty={<EmptyState title={t('data.none')} hint={t('data.noneHint')} />}
      />
      {open ? (
        <Classify
          what={open}
          onClose={() => setOpen(null)}
          onDone={() => {
            setOpen(null);
            reload();
          }}
        />
      ) : null}
    </div>
  );
}
