import { FullscreenExitOutlined, FullscreenOutlined } from '@ant-design/icons';
import { App, Button, Dropdown } from 'antd';
import { useEffect, useMemo, useRef, useState } from 'react';
import { remove, seg } from '../../api/client';
import { navigate, setQuery } from '../../app/router';
import { useSession } from '../../app/session';
import { EmptyState } from '../../components/EmptyState';
import { Loading } from '../../components/Loading';
import { PageHeader } from '../../components/PageHeader';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { t } from '../../i18n';
import { moment, who } from '../../i18n/format';
import { RangeBar } from '../history/RangeBar';
import { useRange } from '../history/useRange';
import { copyOf, download } from './acts';
import { Grid } from './Grid';
import { docOf, type Dashboard } from './model';
import { PanelLink } from './PanelLink';
import { useBoard } from './useBoard';
import type { View } from './widgets/Chart';
import { StoreContext } from './widgets/parts';

export function CutNote({ cutAt }: { cutAt: number | null }) {
  return (
    <div role="status">
      {cutAt === null ? null : <p className="board-cut">{t('board.cut', { time: moment(cutAt) })}</p>}
    </div>
  );
}

function useFullscreen() {
  const el = useRef<HTMLDivElement>(null);
  const [on, setOn] = useState(false);
  useEffect(() => {
    const read = () => setOn(document.fullscreenElement === el.current && el.current !== null);
    document.addEventListener('fullscreenchange', read);
    return () => document.removeEventListener('fullscreenchange', read);
  }, []);
  const toggle = () => void (on ? document.exitFullscreen() : el.current?.requestFullscreen())?.catch(() => {});
  return { el, on, toggle };
}

interface Props {
  dashboard: Dashboard;
  reload: () => void;
}

export function Viewer({ dashboard, reload }: Props) {
  const { may } = useSession();
  const { modal } = App.useApp();
  const { run, problem } = useAct();
  const { choice, setRange, setLast } = useRange(dashboard.range || '1h');
  const full = useFullscreen();
  const [linking, setLinking] = useState(false);
  const { widgets } = dashboard;
  const board = useBoard({ id: dashboard.id, widgets, stored: widgets, onBack: reload });
  const { last, range } = choice;
  const [from, to] = last === null ? [range.from, range.to] : [0, 0];
  const notes = may('history.read');
  const view: View = useMemo(
    () => ({ last, from, to, epoch: board.epoch, notes, onRange: setRange }),
    [last, from, to, board.epoch, notes, setRange],
  );
  const write = may('dashboards.write');
  const edit = () => setQuery({ edit: '1' });

  const drop = () =>
    modal.confirm({
      title: t('board.delete', { name: dashboard.name }),
      content: dashboard.mine ? t('board.deleteHint') : t('board.deleteOthers', { who: who(dashboard.owner) }),
      okText: t('action.delete'),
      cancelText: t('action.cancel'),
      okButtonProps: { danger: true },
      onOk: () =>
        run(async () => {
          await remove(`dashboards/${seg(dashboard.id)}`);
          navigate('/dashboards');
        }, t('state.deleted')),
    });
  const items = [
    ...(may('tokens.write') ? [{ key: 'panel', label: t('panel.make'), onClick: () => setLinking(true) }] : []),
    { key: 'export', label: t('board.export'), onClick: () => download(docOf(dashboard)) },
    ...(write
      ? [
          {
            key: 'copy',
            label: t('board.duplicate'),
            onClick: () => void run(async () => navigate(`/dashboards/${seg((await copyOf(dashboard.id)).id)}?edit=1`)),
          },
          { key: 'delete', danger: true, label: t('action.delete'), onClick: drop },
        ]
      : []),
  ];
  return (
    <div className="board-page" ref={full.el} data-full={full.on}>
      <PageHeader
        title={dashboard.name}
        parent={{ path: '/dashboards', title: t('nav.dashboards') }}
        note={
          <>
            {dashboard.description ? <span>{dashboard.description}</span> : null}
            <span>{dashboard.mine ? t(dashboard.shared ? 'board.mineShared' : 'board.minePrivate') : t('board.of', { who: who(dashboard.owner) })}</span>
          </>
        }
        actions={
          <>
            <Button
              icon={full.on ? <FullscreenExitOutlined aria-hidden /> : <FullscreenOutlined aria-hidden />}
              aria-pressed={full.on}
              onClick={full.toggle}
            >
              {t(full.on ? 'board.fullOff' : 'board.full')}
            </Button>
            {full.on ? null : (
              <>
                {write ? (
                  <Button type="primary" className="edit-button" disabled={dashboard.hidden > 0} onClick={edit}>
                    {t('action.edit')}
                  </Button>
                ) : null}
                <Dropdown trigger={['click']} menu={{ items }}>
                  <Button>{t('action.others')}</Button>
                </Dropdown>
              </>
            )}
          </>
        }
      />
      {widgets.some((w) => w.kind === 'chart') ? (
        <div className="toolbar">
          <RangeBar choice={choice} onRange={setRange} onLast={setLast} />
        </div>
      ) : null}
      <CutNote cutAt={board.cutAt} />
      {dashboard.hidden > 0 ? <p className="hint-line">{t('board.hidden', { n: dashboard.hidden })}</p> : null}
      <ProblemView problem={problem} />
      <ProblemView problem={board.problem} retry={board.reload} />
      {widgets.length === 0 ? (
        <EmptyState
          title={t('board.empty')}
          hint={t(write ? 'board.emptyHint' : 'board.emptyRead')}
          action={
            write ? (
              <Button type="primary" onClick={edit}>
                {t('board.beginEdit')}
              </Button>
            ) : null
          }
        />
      ) : board.loaded ? (
        <StoreContext.Provider value={board.store}>
          <Grid widgets={widgets} view={view} />
        </StoreContext.Provider>
      ) : board.problem ? null : (
        <Loading />
      )}
      {linking ? <PanelLink id={dashboard.id} name={dashboard.name} onClose={() => setLinking(false)} /> : null}
    </div>
  );
}
