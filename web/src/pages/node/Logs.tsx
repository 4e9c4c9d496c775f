// The newest log lines: by level, module and text; followed as they come; saved as a file.
import { Button, Checkbox, Input, Select } from 'antd';
import { useCallback, useEffect, useState } from 'react';
import { asProblem, get, type Problem } from '../../api/client';
import type { LogLevel, LogLine, LogPage } from '../../api/types';
import { setQuery, usePlace } from '../../app/router';
import { DataTable, type Column } from '../../components/DataTable';
import { EmptyState } from '../../components/EmptyState';
import { PageHeader } from '../../components/PageHeader';
import { useEvery } from '../../components/useEvery';
import { t } from '../../i18n';
import { moment } from '../../i18n/format';
import './node.css';

const LEVELS: LogLevel[] = ['error', 'warn', 'info', 'debug'];
/** As the parts of the server call themselves in their lines. */
const MODULES = [
  'main', 'api', 'backup', 'channels', 'command', 'demo', 'disk', 'forward', 'gate', 'guard', 'history', 'http', 'journal', 'mqtt', 'net', 'pg', 'point',
  'record', 'twin',
];
const FOLLOW_MS = 2000;
const KEPT = 5000;

/** Of the choice: this level and all that is worse. */
function levelLabel(l: LogLevel): string {
  if (l === 'debug') return t('log.allLevels');
  return l === 'error' ? t('log.level.error') : t('log.atLeast', { level: t(`log.level.${l}`) });
}

interface State {
  items: LogLine[];
  last: number;
  level: LogLevel;
  next: string | null;
}

/** Newest first; what came since is asked for by its number, so nothing is shown twice. */
function useLog(filter: { level: string; module: string; q: string }, follow: boolean) {
  const key = JSON.stringify(filter);
  const [state, setState] = useState<State | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [loading, setLoading] = useState(true);
  const ask = useCallback(
    async (more: Record<string, string | number>, signal?: AbortSignal) => {
      setLoading(true);
      try {
        const query = new URLSearchParams(Object.entries({ ...(JSON.parse(key) as typeof filter), ...more }).map(([k, v]) => [k, String(v)]));
        const page = await get<LogPage>(`logs?${query}`, undefined, signal);
        setProblem(null);
        return page;
      } catch (error) {
        if (!signal?.aborted) setProblem(asProblem(error));
        return null;
      } finally {
        setLoading(false);
      }
    },
    [key],
  );
  useEffect(() => {
    const abort = new AbortController();
    setState(null);
    void ask({ limit: 200 }, abort.signal).then((page) => page && setState(page));
    return () => abort.abort();
  }, [ask]);
  const last = state?.last;
  const poll = useCallback(() => {
    if (!follow || last === undefined || document.hidden) return;
    void ask({ after: last, limit: 500 }).then((page) => {
      if (!page) return;
      setState((old) =>
        // What was there is kept, unless the server began anew or more came than one answer holds.
        old && page.last >= old.last && page.next === null
          ? { ...old, level: page.level, last: page.last, items: [...page.items, ...old.items].slice(0, KEPT) }
          : page,
      );
    });
  }, [ask, follow, last]);
  useEvery(FOLLOW_MS, poll);
  const older = () => {
    if (!state?.next) return;
    void ask({ limit: 500, cursor: state.next }).then((page) => {
      if (page) setState((old) => old && { ...old, next: page.next, items: [...old.items, ...page.items] });
    });
  };
  return { state, problem, loading, older };
}

function columnsOf(): Column<LogLine>[] {
  return [
    { key: 'time', title: t('log.time'), width: 190, render: (x) => <span className="mono">{moment(x.time, true)}</span> },
    {
      key: 'level',
      title: t('log.level'),
      width: 80,
      render: (x) => (
        <span className="mark" data-level={x.level === 'warn' ? 'warning' : x.level}>
          {t(`log.level.${x.level}`)}
        </span>
      ),
    },
    { key: 'module', title: t('log.module'), width: 100, render: (x) => <code>{x.module}</code> },
    {
      key: 'text',
      title: t('log.text'),
      render: (x) => (
        <span className="mono log-text" title={x.text}>
          {x.text}
          {x.cut ? <span className="dim"> {t('log.cut')}</span> : null}
        </span>
      ),
    },
  ];
}

function save(lines: LogLine[]) {
  const text = [...lines].reverse().map((l) => `${l.time} ${l.level.toUpperCase()} ${l.module}: ${l.text}\n`);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob(text, { type: 'text/plain' }));
  link.download = 'songhua.log';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

export default function Logs() {
  const { query } = usePlace();
  const [follow, setFollow] = useState(true);
  const level = query.get('level') ?? '';
  const module = query.get('module') ?? '';
  const q = query.get('q') ?? '';
  const { state, problem, loading, older } = useLog({ level, module, q }, follow);
  const rows = state?.items ?? [];
  return (
    <div className="page-fill">
      <PageHeader
        title={t('nav.log')}
        note={state ? t('log.what', { level: t(`log.level.${state.level}`) }) : null}
        actions={
          <Button disabled={rows.length === 0} onClick={() => save(rows)}>
            {t('log.download')}
          </Button>
        }
      />
      <div className="toolbar" role="search">
        <Select
          style={{ width: 150 }}
          aria-label={t('log.level')}
          value={level || 'debug'}
          options={LEVELS.map((l) => ({ value: l, label: levelLabel(l) }))}
          onChange={(v) => setQuery({ level: v === 'debug' ? null : v })}
        />
        <Select
          style={{ width: 140 }}
          aria-label={t('log.module')}
          value={module}
          options={[{ value: '', label: t('log.allModules') }, ...MODULES.map((m) => ({ value: m, label: m }))]}
          onChange={(v) => setQuery({ module: v || null })}
        />
        <Input
          allowClear
          style={{ width: 260 }}
          value={q}
          aria-label={t('log.search')}
          placeholder={t('log.search')}
          onChange={(e) => setQuery({ q: e.target.value })}
        />
        <Checkbox checked={follow} onChange={(e) => setFollow(e.target.checked)}>
          {t('log.follow')}
        </Checkbox>
      </div>
      <DataTable
        fill
        label={t('nav.log')}
        columns={columnsOf()}
        rows={rows}
        rowKey={(x) => x.seq}
        more={Boolean(state?.next)}
        onEnd={older}
        loading={loading && !state}
        problem={problem}
        empty={<EmptyState title={t('log.empty')} hint={t('log.emptyHint')} />}
      />
    </div>
  );
}
