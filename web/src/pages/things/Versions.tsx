// The versions of a thing model: compare two, put one back.
import { Button, Radio } from 'antd';
import { useMemo, useState } from 'react';
import { seg } from '../../api/client';
import type { Thing, ThingDiff, ThingVersion } from '../../api/types';
import { useList } from '../../api/useList';
import { useResource } from '../../api/useResource';
import { setQuery, usePlace } from '../../app/router';
import { EmptyState } from '../../components/EmptyState';
import { Loading } from '../../components/Loading';
import { ProblemView } from '../../components/ProblemView';
import { t } from '../../i18n';
import { moment } from '../../i18n/format';
import { DiffView, LevelMark } from './DiffView';
import { Review, type Proposal } from './Review';

interface Props {
  thing: Thing;
  etag: string | null;
  write: boolean;
  onRestored: () => void;
}

function Comparison({ id, from, to }: { id: string; from: number; to: number }) {
  const { data, problem, reload } = useResource<ThingDiff>(`things/${seg(id)}/compare`, { from, to });
  const title = t('thing.compared', { from, to });
  return (
    <section aria-label={title}>
      <h2 className="section-title">
        {title} {data ? <LevelMark level={data.level} /> : null}
      </h2>
      {problem ? <ProblemView problem={problem} retry={reload} /> : null}
      {data ? <DiffView diff={data} label={title} /> : problem ? null : <Loading />}
    </section>
  );
}

const said = (v: ThingVersion) =>
  [v.deleted ? t('thing.wasDeleted') : '', v.restored ? t('thing.restoredFrom', { n: v.restored }) : '', v.comment].filter(Boolean).join(' · ');

export function Versions({ thing, etag, write, onRestored }: Props) {
  const { query } = usePlace();
  const list = useList<ThingVersion>(`things/${seg(thing.id)}/versions`);
  const [back, setBack] = useState<number | null>(null);
  const newest = thing.revision ?? list.items[0]?.revision ?? 1;
  const to = Number(query.get('to')) || newest;
  const from = Number(query.get('from')) || list.items.find((v) => v.revision < newest && !v.deleted)?.revision || newest;
  const proposal = useMemo(
    (): Proposal => ({ method: 'POST', path: `things/${seg(thing.id)}/restore`, etag, body: { revision: back } }),
    [thing.id, etag, back],
  );
  const chooser = (name: 'from' | 'to', v: ThingVersion, value: number) => (
    <Radio
      name={`version-${name}`}
      disabled={v.deleted}
      checked={value === v.revision}
      aria-label={`${t(`thing.${name}`)} ${t('thing.version', { n: v.revision })}`}
      onChange={() => setQuery({ [name]: String(v.revision) })}
    />
  );
  if (list.problem) return <ProblemView problem={list.problem} retry={list.reload} />;
  if (list.items.length === 0) return <Loading />;
  return (
    <>
      <div className="toolbar">
        <span className="dim">{t('thing.versionsHint', { n: 100 })}</span>
        {write ? (
          <Button disabled={newest < 2 || from === newest} onClick={() => setBack(list.items.find((v) => v.revision < newest && !v.deleted)?.revision ?? null)}>
            {t('thing.undoLast')}
          </Button>
        ) : null}
      </div>
      <div className="table-box versions" tabIndex={0} role="region" aria-label={t('thing.versions')}>
        <table aria-label={t('thing.versions')}>
          <thead>
            <tr>
              <th scope="col" style={{ width: 56 }}>{t('thing.from')}</th>
              <th scope="col" style={{ width: 56 }}>{t('thing.to')}</th>
              <th scope="col" style={{ width: 110 }}>{t('thing.revision')}</th>
              <th scope="col" style={{ width: 170 }}>{t('thing.time')}</th>
              <th scope="col" style={{ width: 150 }}>{t('thing.by')}</th>
              <th scope="col">{t('thing.comment')}</th>
              <th scope="col" style={{ width: 120 }}>
                <span className="hidden">{t('thing.restore')}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {list.items.map((v) => (
              <tr key={v.revision}>
                <td>{chooser('from', v, from)}</td>
                <td>{chooser('to', v, to)}</td>
                <th scope="row">
                  {v.revision} {v.revision === newest ? <span className="tag">{t('thing.now')}</span> : null}
                </th>
                <td>{moment(v.time)}</td>
                <td>{v.by.replace(/^person:/, '')}</td>
                <td title={said(v)}>{said(v)}</td>
                <td>
                  {write && v.revision !== newest && !v.deleted ? (
                    <Button size="small" aria-label={t('thing.restoreOf', { n: v.revision })} onClick={() => setBack(v.revision)}>
                      {t('thing.restore')}
                    </Button>
                  ) : null}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {list.more ? (
        <Button size="small" loading={list.loading} onClick={list.loadMore}>
          {t('action.more')}
        </Button>
      ) : null}
      {from === to ? (
        <EmptyState title={t(list.items.length > 1 ? 'thing.noChange' : 'thing.versionNone')} />
      ) : (
        <Comparison id={thing.id} from={from} to={to} />
      )}
      {back !== null ? (
        <Review
          title={t('thing.restoreOf', { n: back })}
          proposal={proposal}
          onClose={() => setBack(null)}
          onDone={() => {
            setBack(null);
            setQuery({ from: null, to: null });
            list.reload();
            onRestored();
          }}
        />
      ) : null}
    </>
  );
}
