// The configuration as a transaction: changes are collected, checked by the server as one types, shown as a difference, applied together.
import { Button, Input } from 'antd';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { call } from '../../api/client';
import type { Setting, Settings as Data } from '../../api/types';
import { useResource } from '../../api/useResource';
import { setQuery, usePlace } from '../../app/router';
import { EmptyState } from '../../components/EmptyState';
import { Loading } from '../../components/Loading';
import { PageHeader } from '../../components/PageHeader';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { t, type WordKey } from '../../i18n';
import { groupsOf, useCheck, withChange, type Draft } from './draft';
import { Review } from './Review';
import { SettingRow } from './SettingRow';
import './node.css';

const FILTERS = ['all', 'here', 'waiting'] as const;
type Filter = (typeof FILTERS)[number];

function fits(s: Setting, filter: Filter, q: string, draft: Draft): boolean {
  const shown = filter === 'all' || (filter === 'here' ? s.console !== null || s.key in draft : s.next !== null);
  return shown && `${s.key} ${s.help}`.toLowerCase().includes(q.toLowerCase());
}

function Filters({ items, chosen, draft }: { items: Setting[]; chosen: Filter; draft: Draft }) {
  return (
    <span className="state-filter" role="group" aria-label={t('settings.filter')}>
      {FILTERS.map((f) => (
        <Button
          key={f}
          size="small"
          type={chosen === f ? 'primary' : 'default'}
          aria-pressed={chosen === f}
          onClick={() => setQuery({ show: f === 'all' ? null : f })}
        >
          {t(`settings.show.${f}`)} {items.filter((s) => fits(s, f, '', draft)).length}
        </Button>
      ))}
    </span>
  );
}

function Banners({ data }: { data: Data }) {
  const waiting = data.items.filter((s) => s.next !== null);
  return (
    <>
      {data.console ? null : (
        <div className="note-bar" data-level="warn" role="status">
          <strong>{t('settings.off')}</strong> {t('settings.offHint')}
        </div>
      )}
      {waiting.length > 0 ? (
        <div className="note-bar" role="status">
          <strong>{t('settings.waits', { n: waiting.length, keys: waiting.map((s) => s.key).join(', ') })}</strong>{' '}
          {t('settings.waitsHint')}
        </div>
      ) : null}
    </>
  );
}

/** Asks before the page is left with changes that are not applied. */
function useLeaveGuard(dirty: boolean) {
  useEffect(() => {
    if (!dirty) return undefined;
    const closing = (event: BeforeUnloadEvent) => event.preventDefault();
    const leaving = (event: MouseEvent) => {
      const link = (event.target as Element | null)?.closest?.('a[href^="/"]');
      if (link && !link.getAttribute('href')?.startsWith('/api/') && !window.confirm(t('settings.leave'))) {
        event.preventDefault();
        event.stopPropagation();
      }
    };
    window.addEventListener('beforeunload', closing);
    document.addEventListener('click', leaving, true);
    return () => {
      window.removeEventListener('beforeunload', closing);
      document.removeEventListener('click', leaving, true);
    };
  }, [dirty]);
}

function Table({ groups, children }: { groups: [string, Setting[]][]; children: (s: Setting) => React.ReactNode }) {
  return (
    <div className="table-frame fill">
      <div className="table-box" tabIndex={0} role="region" aria-label={t('nav.settings')}>
        <table className="settings" aria-label={t('nav.settings')}>
          <thead>
            <tr>
              <th scope="col">{t('settings.key')}</th>
              <th scope="col" style={{ width: 290 }}>{t('settings.value')}</th>
              <th scope="col" style={{ width: 150 }}>{t('settings.source')}</th>
              <th scope="col" style={{ width: 100 }}>{t('settings.effect')}</th>
              <th scope="col" style={{ width: 100 }}><span className="hidden">{t('action.others')}</span></th>
            </tr>
          </thead>
          {groups.map(([group, items]) => (
            <tbody key={group}>
              <tr className="setting-group">
                <th scope="rowgroup" colSpan={5}>{t(`settings.group.${group}` as WordKey)}</th>
              </tr>
              {items.map(children)}
            </tbody>
          ))}
        </table>
      </div>
    </div>
  );
}

export default function Settings() {
  const { query } = usePlace();
  const { data, problem, loading, reload, set } = useResource<Data>('config');
  const [draft, setDraft] = useState<Draft>({});
  const [open, setOpen] = useState(false);
  const act = useAct();
  const check = useCheck(draft, data?.revision);
  const q = (query.get('q') ?? '').trim();
  const filter = (FILTERS as readonly string[]).includes(query.get('show') ?? '') ? (query.get('show') as Filter) : 'all';
  const pending = Object.keys(draft).length;
  useLeaveGuard(pending > 0);

  const change = useCallback((s: Setting, value: string | null) => setDraft((old) => withChange(old, s, value)), []);
  const undo = useCallback((key: string) => setDraft(({ [key]: _, ...rest }) => rest), []);
  const apply = (note: string) =>
    act.run(async () => {
      const json = { set: draft, note, revision: check?.revision ?? data?.revision };
      const answer = await call<Data>('PATCH', 'config', { json });
      set(() => answer.data);
      setDraft({});
      setOpen(false);
    }, t('settings.applied'));
  // Somebody was faster: what he set is shown, and checked again with what is typed here.
  const conflict = act.problem?.code === 'conflict';
  useEffect(() => {
    if (conflict) reload();
  }, [conflict, reload]);

  const groups = useMemo(
    () => groupsOf((data?.items ?? []).filter((s) => fits(s, filter, q, draft))),
    [data, filter, q, draft],
  );
  return (
    <div className="page-fill">
      <PageHeader
        title={t('nav.settings')}
        note={t('settings.what')}
        actions={<Button href="/settings/changes">{t('settings.changesTitle')}</Button>}
      />
      {data ? <Banners data={data} /> : null}
      <div className="toolbar" role="search">
        {data ? <Filters items={data.items} chosen={filter} draft={draft} /> : null}
        <Input
          allowClear
          style={{ width: 260 }}
          value={query.get('q') ?? ''}
          aria-label={t('settings.search')}
          placeholder={t('settings.search')}
          onChange={(e) => setQuery({ q: e.target.value })}
        />
      </div>
      <ProblemView problem={problem} retry={reload} />
      {loading && !data ? <Loading /> : null}
      {data && groups.length === 0 ? (
        <EmptyState title={t('settings.noneSuch')} hint={t('settings.noneSuchHint')} />
      ) : null}
      {groups.length > 0 ? (
        <Table groups={groups}>
          {(s) => (
            <SettingRow key={s.key} s={s} draft={draft} check={check} fixed={!data?.console} change={change} undo={undo} />
          )}
        </Table>
      ) : null}
      {pending > 0 ? (
        <div className="draft-bar" role="status">
          <span className="grow">{t('settings.pending', { n: pending })}</span>
          <Button onClick={() => setDraft({})}>{t('settings.discard')}</Button>
          <Button type="primary" onClick={() => setOpen(true)}>{t('settings.review')}</Button>
        </div>
      ) : null}
      <Review
        open={open}
        title={t('settings.reviewTitle')}
        check={check}
        busy={act.busy}
        problem={act.problem}
        apply={(note) => void apply(note)}
        close={() => {
          setOpen(false);
          act.setProblem(null);
        }}
      />
    </div>
  );
}
