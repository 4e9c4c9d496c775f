import { Button } from 'antd';
import { useMemo } from 'react';
import { remove, seg } from '../../api/client';
import type { SessionRow } from '../../api/types';
import { useList } from '../../api/useList';
import { DataTable, type Column } from '../../components/DataTable';
import { EmptyState } from '../../components/EmptyState';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { t, useLanguage } from '../../i18n';
import { ago, moment } from '../../i18n/format';

/** Browser and system in a few words; what cannot be told stays as it came. */
export function agentName(agent: string): string {
  const browser = /(Edg|OPR|Firefox|Chrome|Safari)\/(\d+)/.exec(agent);
  const system = /(Windows|Android|iPhone|iPad|Mac OS X|Linux)/.exec(agent);
  if (!browser) return agent || t('account.unknown');
  const name = { Edg: 'Edge', OPR: 'Opera' }[browser[1] ?? ''] ?? browser[1];
  return `${name} ${browser[2]}${system ? ` · ${system[1]}` : ''}`;
}

interface Props {
  /** sessions, or people/<name>/sessions. */
  path: string;
  mayEnd: boolean;
}

export function SessionTable({ path, mayEnd }: Props) {
  const lang = useLanguage();
  const list = useList<SessionRow>(path);
  const { busy, problem, run } = useAct();
  const columns = useMemo<Column<SessionRow>[]>(() => {
    const end = (row: SessionRow) =>
      run(async () => {
        await remove(`${path}/${seg(row.id)}`);
        list.reload();
      }, t('account.ended'));
    return [
      {
        key: 'agent',
        title: t('account.browser'),
        render: (s) => (
          <span title={s.agent}>
            {agentName(s.agent)} {s.provider ? <span className="tag">{`${t('outside.by')} ${s.provider}`}</span> : null}{' '}
            {s.current ? <span className="tag">{t('account.here')}</span> : null}
          </span>
        ),
      },
      { key: 'address', title: t('account.address'), width: 150, render: (s) => s.address },
      { key: 'used', title: t('account.used'), width: 130, render: (s) => ago(s.used) },
      { key: 'created', title: t('account.since'), width: 150, render: (s) => moment(s.created) },
      {
        key: 'end',
        title: '',
        align: 'right',
        width: 90,
        render: (s) =>
          mayEnd && !s.current ? (
            <Button size="small" type="text" danger onClick={() => void end(s)}>
              {t('account.end')}
            </Button>
          ) : null,
      },
    ];
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [lang, path, mayEnd, list.reload]);
  const others = list.items.some((s) => !s.current);
  return (
    <>
      <ProblemView problem={problem} />
      <DataTable
        label={t('account.sessions')}
        columns={columns}
        rows={list.items}
        rowKey={(s) => s.id}
        total={list.total}
        more={list.more}
        loading={list.loading}
        problem={list.problem}
        retry={list.reload}
        onEnd={list.loadMore}
        empty={<EmptyState title={t('account.noSessions')} hint="" />}
      />
      {mayEnd && others ? (
        <Button
          className="after-table"
          loading={busy}
          onClick={() =>
            void run(async () => {
              await remove(path);
              list.reload();
            }, t('account.ended'))
          }
        >
          {t(path === 'sessions' ? 'account.endOthers' : 'account.endAll')}
        </Button>
      ) : null}
    </>
  );
}
