// What was changed in the console: when, by whom, why; and the way back to an earlier state.
import { Button } from 'antd';
import { useState } from 'react';
import { post } from '../../api/client';
import type { SettingsCheck, SettingsRevision } from '../../api/types';
import { useList } from '../../api/useList';
import { useSession } from '../../app/session';
import { EmptyState } from '../../components/EmptyState';
import { Loading } from '../../components/Loading';
import { PageHeader } from '../../components/PageHeader';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { t } from '../../i18n';
import { moment, who } from '../../i18n/format';
import { Review } from './Review';
import './node.css';

const shown = (value: string | null) => (value === null ? t('changes.unset') : value === '' ? t('settings.empty') : value);

function Row({ row, newest, back }: { row: SettingsRevision; newest: boolean; back: (() => void) | null }) {
  return (
    <tr>
      <td className="right">{row.revision}</td>
      <td>{moment(row.time)}</td>
      <td>{who(row.who)}</td>
      <td>{row.note || <span className="dim">–</span>}</td>
      <td>
        <ul className="plain">
          {row.changes.map((c) => (
            <li key={c.key}>
              <code>{c.key}</code> {shown(c.from)} → <strong>{shown(c.to)}</strong>
            </li>
          ))}
        </ul>
      </td>
      <td className="right">
        {newest ? (
          <span className="dim">{t('changes.now')}</span>
        ) : back ? (
          <Button size="small" type="text" onClick={back}>
            {t('changes.back')}
          </Button>
        ) : null}
      </td>
    </tr>
  );
}

export default function Changes() {
  const { may } = useSession();
  const list = useList<SettingsRevision>('config/changes');
  const [target, setTarget] = useState<number | null>(null);
  const [check, setCheck] = useState<SettingsCheck | null>(null);
  const act = useAct();
  const mayBack = may('config.write') || may('config.security');

  const ask = (revision: number) => {
    setTarget(revision);
    setCheck(null);
    void act.run(async () => setCheck(await post<SettingsCheck>('config/rollback', { revision, check: true })));
  };
  const apply = (note: string) =>
    act.run(async () => {
      await post('config/rollback', { revision: target, note });
      setTarget(null);
      list.reload();
    }, t('settings.applied'));
  const rows = list.items;
  return (
    <div>
      <PageHeader
        title={t('settings.changesTitle')}
        parent={{ path: '/settings', title: t('nav.settings') }}
        note={t('changes.what')}
        actions={
          mayBack && rows.length > 0 ? <Button onClick={() => ask(0)}>{t('changes.backAll')}</Button> : null
        }
      />
      <ProblemView problem={list.problem} retry={list.reload} />
      {list.loading && rows.length === 0 ? <Loading /> : null}
      {!list.loading && !list.problem && rows.length === 0 ? (
        <EmptyState title={t('changes.empty')} hint={t('changes.emptyHint')} action={<Button href="/settings">{t('nav.settings')}</Button>} />
      ) : null}
      {rows.length > 0 ? (
        <div className="table-frame">
          <div className="table-box" tabIndex={0} role="region" aria-label={t('settings.changesTitle')}>
            <table className="settings-changes" aria-label={t('settings.changesTitle')}>
              <thead>
                <tr>
                  <th scope="col" className="right" style={{ width: 84 }}>{t('changes.revision')}</th>
                  <th scope="col" style={{ width: 150 }}>{t('changes.time')}</th>
                  <th scope="col" style={{ width: 120 }}>{t('changes.who')}</th>
                  <th scope="col" style={{ width: '22%' }}>{t('changes.note')}</th>
                  <th scope="col">{t('changes.what2')}</th>
                  <th scope="col" style={{ width: 130 }}><span className="hidden">{t('action.others')}</span></th>
                </tr>
              </thead>
              <tbody>
                {rows.map((row, i) => (
                  <Row key={row.revision} row={row} newest={i === 0} back={mayBack ? () => ask(row.revision) : null} />
                ))}
              </tbody>
            </table>
          </div>
        </div>
      ) : null}
      {list.more ? <Button onClick={list.loadMore}>{t('action.more')}</Button> : null}
      <Review
        open={target !== null}
        title={target === 0 ? t('changes.backAll') : t('changes.backTitle', { n: target ?? 0 })}
        check={check}
        busy={act.busy}
        problem={act.problem}
        apply={(note) => void apply(note)}
        close={() => {
          setTarget(null);
          act.setProblem(null);
        }}
      />
    </div>
  );
}
