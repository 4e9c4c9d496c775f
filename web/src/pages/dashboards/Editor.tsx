import { PlusOutlined, RedoOutlined, SettingOutlined, UndoOutlined } from '@ant-design/icons';
import { App, Button, Dropdown, Form, Modal, Select } from 'antd';
import { useEffect, useRef, useState } from 'react';
import { asProblem, get, post, put, seg, type Problem } from '../../api/client';
import { navigate, setLeaveGuard, setQuery } from '../../app/router';
import { FormDialog } from '../../components/AdminTable';
import { EmptyState } from '../../components/EmptyState';
import { Loading } from '../../components/Loading';
import { PageHeader } from '../../components/PageHeader';
import { ProblemView } from '../../components/ProblemView';
import { t } from '../../i18n';
import { moment, who } from '../../i18n/format';
import { lastMs, quickRanges } from '../history/range';
import { HeadFields } from './Dashboards';
import { begun, changed, redone, undone } from './edits';
import { GridEditor } from './Grid';
import { without } from './layout';
import { added, docOf, kinds, MAX_WIDGETS, twin, type Dashboard, type Doc, type Kind, type Widget } from './model';
import { Settings } from './Settings';
import { useBoard } from './useBoard';
import { CutNote } from './Viewer';
import { StoreContext } from './widgets/parts';

const same = (a: Doc, b: Doc) => JSON.stringify(a) === JSON.stringify(b);

/** Asks before unsaved work is lost: leaving the page, closing the tab. */
function useUnsaved(dirty: boolean): (go: () => void) => void {
  const { modal } = App.useApp();
  const ask = useRef<(go: () => void) => void>(() => {});
  ask.current = (go) => {
    if (!dirty) {
      go();
      return;
    }
    modal.confirm({
      title: t('board.unsaved'),
      content: t('board.unsavedHint'),
      okText: t('board.discard'),
      cancelText: t('board.keepEditing'),
      okButtonProps: { danger: true },
      onOk: go,
    });
  };
  useEffect(() => {
    if (!dirty) return undefined;
    const stay = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener('beforeunload', stay);
    setLeaveGuard((go) => ask.current(go));
    return () => {
      window.removeEventListener('beforeunload', stay);
      setLeaveGuard(null);
    };
  }, [dirty]);
  return (go) => ask.current(go);
}

interface ConflictProps {
  theirs: Dashboard;
  onTheirs: () => void;
  onMine: () => void;
  onCopy: () => void;
  onClose: () => void;
}

function Conflict({ theirs, onTheirs, onMine, onCopy, onClose }: ConflictProps) {
  return (
    <Modal open title={t('board.conflict')} footer={null} onCancel={onClose}>
      <p>{t('board.conflictHint', { who: who(theirs.author), time: moment(theirs.updated), n: theirs.widgets.length })}</p>
      <div className="conflict-choices">
        <Button type="primary" onClick={onCopy}>
          {t('board.saveCopy')}
        </Button>
        <Button danger onClick={onMine}>
          {t('board.overwrite')}
        </Button>
        <Button danger onClick={onTheirs}>
          {t('board.takeTheirs')}
        </Button>
        <Button onClick={onClose}>{t('board.keepEditing')}</Button>
      </div>
    </Modal>
  );
}

interface Props {
  dashboard: Dashboard;
  /** The stored one is now this. */
  onStored: (next: Dashboard) => void;
  reload: () => void;
}

function useKeys(act: { undo: () => void; redo: () => void; save: () => void }) {
  const now = useRef(act);
  now.current = act;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
      const key = event.key.toLowerCase();
      const typing = event.target instanceof Element && event.target.closest('input, textarea, [contenteditable]');
      if (key === 's') {
        event.preventDefault();
        now.current.save();
      } else if (!typing && (key === 'y' || (key === 'z' && event.shiftKey))) {
        event.preventDefault();
        now.current.redo();
      } else if (!typing && key === 'z') {
        event.preventDefault();
        now.current.undo();
      }
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, []);
}

/** The server's tag is the revision. */
const tagOf = (d: Dashboard) => `"${d.revision}"`;

export function Editor({ dashboard, onStored, reload }: Props) {
  const [stored] = useState(dashboard);
  const [base] = useState(() => docOf(dashboard));
  const [tag, setTag] = useState(tagOf(dashboard));
  const [edits, setEdits] = useState(() => begun(base));
  const [selected, setSelected] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [theirs, setTheirs] = useState<Dashboard | null>(null);
  const [about, setAbout] = useState(false);
  const { message } = App.useApp();
  const doc = edits.now;
  const dirty = !same(doc, base);
  const ask = useUnsaved(dirty);
  const board = useBoard({ id: dashboard.id, widgets: doc.widgets, stored: stored.widgets });
  const last = lastMs(doc.range || '1h') ?? 3_600_000;
  const [view, setView] = useState({ last, from: 0, to: 0, epoch: board.epoch });
  if (view.last !== last || view.epoch !== board.epoch) setView({ last, from: 0, to: 0, epoch: board.epoch });

  const change = (next: Doc, kind = '') => setEdits((e) => changed(e, next, kind));
  const setWidgets = (widgets: Widget[], kind = '') => change({ ...doc, widgets }, kind);
  const set = (part: Partial<Widget>, kind?: string) =>
    setWidgets(
      doc.widgets.map((w) => (w.id === selected ? cleaned({ ...w, ...part }) : w)),
      kind ? `${kind} ${selected}` : '',
    );
  const add = (kind: Kind) => {
    const made = added(doc, kind);
    change(made.doc);
    setSelected(made.id);
    setTimeout(() => document.querySelector<HTMLElement>(`.board-cell[data-widget="${made.id}"]`)?.focus(), 50);
  };
  const drop = (id: string) => {
    setWidgets(without(doc.widgets, id));
    setSelected(null);
  };
  const copy = (id: string) => {
    if (doc.widgets.length >= MAX_WIDGETS) return;
    const made = twin(doc, id);
    change(made.doc);
    setSelected(made.id);
  };
  const leave = () => setQuery({ edit: null });
  const store = async (ifMatch: string) => {
    setBusy(true);
    setProblem(null);
    try {
      const { data } = await put<Dashboard>(`dashboards/${seg(dashboard.id)}`, doc, ifMatch);
      setTheirs(null);
      void message.success(t('state.saved'));
      onStored(data);
      leave();
    } catch (error) {
      const fault = asProblem(error);
      if (fault.status === 412) {
        const now = await get<Dashboard>(`dashboards/${seg(dashboard.id)}`).catch(() => null);
        if (now) {
          setTag(tagOf(now));
          setTheirs(now);
        } else setProblem(fault);
      } else setProblem(fault);
    } finally {
      setBusy(false);
    }
  };
  const save = () => {
    if (!busy && dirty) void store(tag);
    else if (!dirty) leave();
  };
  const saveCopy = async () => {
    try {
      const made = await post<Dashboard>('dashboards', { ...doc, name: t('board.copyOf', { name: doc.name }).slice(0, 100), shared: false });
      setLeaveGuard(null);
      navigate(`/dashboards/${seg(made.id)}`);
    } catch (error) {
      setTheirs(null);
      setProblem(asProblem(error));
    }
  };
  const undo = () => setEdits(undone);
  const redo = () => setEdits(redone);
  useKeys({ undo, redo, save });

  const widget = doc.widgets.find((w) => w.id === selected) ?? null;
  const full = doc.widgets.length >= MAX_WIDGETS;
  return (
    <div className="board-page page-fill">
      <PageHeader
        title={doc.name}
        parent={{ path: '/dashboards', title: t('nav.dashboards') }}
        marks={<span className="tag">{t(dirty ? 'board.changed' : 'board.editing')}</span>}
        actions={
          <>
            <Dropdown
              trigger={['click']}
              disabled={full}
              menu={{ items: kinds.map((kind) => ({ key: kind, label: t(`kind.${kind}`), onClick: () => add(kind) })) }}
            >
              <Button icon={<PlusOutlined aria-hidden />}>{t('board.add')}</Button>
            </Dropdown>
            <Button icon={<UndoOutlined />} disabled={edits.past.length === 0} title="Ctrl+Z" aria-label={t('board.undo')} onClick={undo} />
            <Button icon={<RedoOutlined />} disabled={edits.future.length === 0} title="Ctrl+Y" aria-label={t('board.redo')} onClick={redo} />
            <Button icon={<SettingOutlined aria-hidden />} onClick={() => setAbout(true)}>
              {t('board.about')}
            </Button>
            <Button onClick={() => ask(leave)}>{t('action.cancel')}</Button>
            <Button type="primary" loading={busy} disabled={!dirty} onClick={save}>
              {t('action.save')}
            </Button>
          </>
        }
      />
      <CutNote cutAt={board.cutAt} />
      <ProblemView problem={problem} />
      <StoreContext.Provider value={board.store}>
        <div className="board-edit" data-open={widget !== null}>
          <div className="board-scroll">
            {doc.widgets.length === 0 ? (
              <EmptyState title={t('board.empty')} hint={t('board.addHint')}>
                <div className="button-row wrap">
                  {kinds.map((kind) => (
                    <Button key={kind} onClick={() => add(kind)}>
                      {t(`kind.${kind}`)}
                    </Button>
                  ))}
                </div>
              </EmptyState>
            ) : board.loaded || board.problem ? (
              <GridEditor
                widgets={doc.widgets}
                view={view}
                selected={selected}
                onSelect={setSelected}
                onArrange={setWidgets}
                onRemove={drop}
                onCopy={copy}
              />
            ) : (
              <Loading />
            )}
          </div>
          {widget ? (
            <Settings key={widget.id} widget={widget} set={set} onClose={() => setSelected(null)} onRemove={() => drop(widget.id)} onCopy={() => copy(widget.id)} />
          ) : null}
        </div>
      </StoreContext.Provider>
      {theirs ? (
        <Conflict
          theirs={theirs}
          onTheirs={() => {
            onStored(theirs);
            reload();
            leave();
          }}
          onMine={() => void store(tag)}
          onCopy={() => void saveCopy()}
          onClose={() => setTheirs(null)}
        />
      ) : null}
      {about ? (
        <FormDialog<Pick<Doc, 'name' | 'description' | 'shared' | 'range'>>
          title={t('board.about')}
          initial={{ name: doc.name, description: doc.description, shared: doc.shared, range: doc.range || '1h' }}
          okText={t('action.apply')}
          done={t('state.done')}
          onClose={() => setAbout(false)}
          save={async (values) => change({ ...doc, ...values, name: values.name.trim(), description: values.description ?? '' })}
        >
          <HeadFields />
          <Form.Item name="range" label={t('board.rangeFirst')}>
            <Select options={quickRanges.map(([name]) => ({ value: name, label: t(`range.${name}` as 'range.1h') }))} />
          </Form.Item>
        </FormDialog>
      ) : null}
    </div>
  );
}

/** Without members that say nothing: undo compares, and files stay short. */
function cleaned(widget: Widget): Widget {
  return Object.fromEntries(Object.entries(widget).filter(([, v]) => v !== undefined)) as unknown as Widget;
}
