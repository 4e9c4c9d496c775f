// A dashboard on a wall: full screen, read-only, by a token of its own that stands behind # in the address, so that it
// reaches no server's log. It never signs out: after breaks and restarts it goes on by itself.
import { useEffect, useMemo, useState, useSyncExternalStore } from 'react';
import { seg, setBearer } from '../../api/client';
import { FetchSource } from '../../api/fetchSource';
import { live } from '../../api/stream';
import { useResource } from '../../api/useResource';
import { overrideTheme } from '../../app/theme';
import { Loading } from '../../components/Loading';
import { ProblemView } from '../../components/ProblemView';
import { setLanguage, t, useLanguage } from '../../i18n';
import { moment } from '../../i18n/format';
import { lastMs } from '../history/range';
import { Grid } from './Grid';
import type { Dashboard } from './model';
import { useBoard } from './useBoard';
import { CutNote } from './Viewer';
import type { View } from './widgets/Chart';
import { StoreContext } from './widgets/parts';

const RETRY_MS = 10_000;
const SHIFT_MS = 60_000; // the picture moves by a pixel or two each minute, against burn-in

const query = new URLSearchParams(location.search);
const token = decodeURIComponent(location.hash.slice(1));

/** Before anything is asked: who asks, and the look that the link names. */
function begin(): void {
  setBearer(token);
  live.openWith((url) => new FetchSource(url, token) as unknown as EventSource);
  const [look, lang] = [query.get('look'), query.get('lang')];
  if (look === 'dark' || look === 'light') overrideTheme(look);
  if (lang === 'zh' || lang === 'en') void setLanguage(lang, false).catch(() => undefined); // it stays as it is
}
begin();

function everySecond(listener: () => void): () => void {
  const timer = setInterval(listener, 1000);
  return () => clearInterval(timer);
}
function Clock() {
  const now = useSyncExternalStore(everySecond, () => Math.floor(Date.now() / 1000));
  return <time className="panel-clock">{moment(1000 * now)}</time>;
}

function Board({ dashboard, reload }: { dashboard: Dashboard; reload: () => void }) {
  const { widgets } = dashboard;
  const board = useBoard({ id: dashboard.id, widgets, stored: widgets, linked: false, onBack: reload });
  const last = lastMs(dashboard.range || '1h');
  const view: View = useMemo(() => ({ last, from: 0, to: 0, epoch: board.epoch }), [last, board.epoch]);
  useEffect(() => {
    if (!board.problem) return undefined;
    const timer = setTimeout(board.reload, RETRY_MS);
    return () => clearTimeout(timer);
  }, [board.problem]);
  return (
    <>
      <CutNote cutAt={board.cutAt} />
      {board.problem ? <ProblemView problem={board.problem} /> : null}
      {widgets.length === 0 ? <p className="widget-nothing">{t('board.empty')}</p> : null}
      {board.loaded ? (
        <StoreContext.Provider value={board.store}>
          <Grid widgets={widgets} view={view} />
        </StoreContext.Provider>
      ) : board.problem ? null : (
        <Loading />
      )}
    </>
  );
}

export default function Panel({ id }: { id: string }) {
  useLanguage();
  const page = useResource<Dashboard>(`dashboards/${seg(id)}`);
  const [shift, setShift] = useState(0);
  const { data, problem } = page;
  const refused = problem !== null && [401, 403, 404].includes(problem.status);
  useEffect(() => {
    const timer = setInterval(() => setShift((n) => (n + 1) % 8), SHIFT_MS);
    return () => clearInterval(timer);
  }, []);
  useEffect(() => {
    if (!problem) return undefined;
    const timer = setTimeout(page.reload, RETRY_MS);
    return () => clearTimeout(timer);
  }, [problem]);
  useEffect(() => {
    document.title = data ? data.name : t('app.name');
  }, [data?.name]);
  return (
    <main className="panel-page" data-shift={shift}>
      <header className="panel-top">
        <h1>{data?.name ?? t('app.name')}</h1>
        <Clock />
      </header>
      {refused ? (
        <div className="empty">
          <h2>{t('panel.refused')}</h2>
          <p>{t('panel.refusedHint')}</p>
        </div>
      ) : data ? (
        <Board dashboard={data} reload={page.reload} />
      ) : problem ? (
        <ProblemView problem={problem} />
      ) : (
        <Loading />
      )}
    </main>
  );
}
