import { Button } from 'antd';
import { useMemo, useState } from 'react';
import { readable } from '../../api/quality';
import { joinPoint, pointsText } from '../../api/points';
import { setQuery } from '../../app/router';
import { Sparkline } from '../../charts/Sparkline';
import { DataTable, type Column } from '../../components/DataTable';
import { EmptyState } from '../../components/EmptyState';
import { Classify, type ToClassify } from '../../components/Classify';
import { ClassMark, Masked } from '../../components/DataClass';
import { Age, QualityMark } from '../../components/Marks';
import { useSession } from '../../app/session';
import type { Problem } from '../../api/client';
import { pick, t, useLanguage } from '../../i18n';
import { cell, unit } from '../../i18n/format';
import { TREND_MS } from '../../components/useTrends';
import type { PointRow } from './usePoints';

interface Props {
  device: string;
  rows: PointRow[];
  loading: boolean;
  problem: Problem | null;
  retry: () => void;
}

function valueWords(row: PointRow): string {
  if (row.latest && !readable(row.latest.quality)) return '–';
  const value = row.latest?.value;
  const word = row.model?.enum?.[String(typeof value === 'boolean' ? Number(value) : value)];
  return word ? pick(word, cell(value)) : cell(value);
}

function columnsOf(device: string, classify: ((what: ToClassify) => void) | null): Column<PointRow>[] {
  return [
    {
      key: 'title',
      title: t('point.name'),
      width: '24%',
      render: (p) => (
        <a href={`/history?points=${encodeURIComponent(pointsText([joinPoint(device, p.property)]))}&last=1h`}>
          {p.title}
          {p.title !== p.property ? <span className="dim"> {p.property}</span> : null}
        </a>
      ),
    },
    {
      key: 'value',
      title: t('point.value'),
      align: 'right',
      width: '16%',
      render: (p) => p.masked ? <Masked of={p.of} /> : (
        <span className="value" data-point={p.property} data-quality={p.latest && readable(p.latest.quality) ? undefined : 'none'}>
          {valueWords(p)} <small>{p.latest && readable(p.latest.quality) ? unit(p.unit) : ''}</small>
        </span>
      ),
    },
    {
      key: 'trend',
      title: t('point.trend'),
      width: '24%',
      render: (p) => (
        <Sparkline points={p.trend} label={t('point.trendOf', { point: p.title })} windowMs={TREND_MS} />
      ),
    },
    {
      key: 'quality',
      title: t('point.quality'),
      render: (p) => (p.latest ? <QualityMark quality={p.latest.quality} /> : <span className="dim">–</span>),
    },
    { key: 'age', title: t('point.age'), width: 110, align: 'right', render: (p) => <Age time={p.latest?.time} /> },
    { key: 'tag', title: t('point.tag'), width: 90, render: (p) => (p.tag ? <span className="tag">{p.tag}</span> : null) },
    {
      key: 'class',
      title: t('data.class'),
      width: 128,
      render: (p) => (
        <>
          <ClassMark of={p.of} masked={p.masked} />
          {classify ? (
            <Button
              size="small"
              type="text"
              className="class-edit"
              aria-label={`${t('data.change')} ${p.title}`}
              onClick={() => classify({ kind: 'point', id: device, property: p.property, ...p.of })}
            >
              …
            </Button>
          ) : null}
        </>
      ),
    },
  ];
}

export function LivePoints({ device, rows, loading, problem, retry }: Props) {
  const lang = useLanguage();
  const { may } = useSession();
  const [open, setOpen] = useState<ToClassify | null>(null);
  const write = may('points.write') || may('data.classify');
  const columns = useMemo(() => columnsOf(device, write ? setOpen : null), [device, lang, write]);
  return (
    <>
    <DataTable
      label={t('device.live')}
      columns={columns}
      rows={rows}
      rowKey={(p) => p.property}
      loading={loading}
      problem={problem}
      retry={retry}
      empty={
        <EmptyState
          title={t('device.noPoints')}
          hint={t('device.noPointsHint')}
          action={
            <button type="button" className="link" onClick={() => setQuery({ tab: 'connect' })}>
              {t('device.toConnect')}
            </button>
          }
        />
      }
    />
    {open ? (
      <Classify
        what={open}
        onClose={() => setOpen(null)}
        onDone={() => {
          setOpen(null);
          retry();
        }}
      />
    ) : null}
    </>
  );
}
