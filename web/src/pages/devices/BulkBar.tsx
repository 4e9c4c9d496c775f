// What can be done with the chosen devices, how far it is, and what came of it.
import { Button, Dropdown, Progress } from 'antd';
import { useRef, useState } from 'react';
import { ProblemView } from '../../components/ProblemView';
import type { Problem } from '../../api/client';
import { navigate } from '../../app/router';
import { LabelsOf, MAX_LABELS } from './labelSheet';
import { useAct } from '../../components/useAct';
import { t } from '../../i18n';
import { count } from '../../i18n/format';
import { runTask } from '../../app/tasks';
import { runBulk, runUndo, targetOf, type Change, type Filter, type Report } from './bulk';
import { BulkDialog, type Act } from './BulkDialogs';
import { comparePath } from './compare';
import { exportPicked } from './exportPicked';
import { refusedCsv, saveFile } from './importFile';
import type { Selection } from './selection';

export interface Outcome extends Report {
  deleted: boolean;
  undone: number | null;
}
interface Work {
  done: number;
  total: number;
}

/** Runs bulk changes, one at a time; `after` when the list is to be read again. */
export function useBulk(filter: Filter, after: () => void) {
  const [work, setWork] = useState<Work | null>(null);
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const abort = useRef<AbortController | null>(null);
  const start = async (selection: Pick<Selection, 'chosen' | 'count'>, change: Change | null, unitsCorrected = false) => {
    const mine = new AbortController();
    abort.current = mine;
    setOutcome(null);
    setWork({ done: 0, total: selection.count });
    const target = targetOf(selection.chosen, filter);
    const total = selection.count;
    let report: Report | null = null;
    await runTask(
      t(change ? 'bulk.task' : 'bulk.taskDelete', { n: count(total) }),
      async (tell, signal) => {
        tell(0, total);
        report = await runBulk(target, change, (done) => (setWork({ done, total }), tell(done, total)), signal, unitsCorrected);
        return { ...report, result: words({ ...report, deleted: change === null, undone: null }) };
      },
      mine,
    );
    setWork(null);
    if (!report) return;
    setOutcome({ ...(report as Report), deleted: change === null, undone: null });
    after();
  };
  const undo = async () => {
    if (!outcome) return;
    const changed = await runUndo(outcome.undo);
    setOutcome({ ...outcome, undo: [], undone: changed });
    after();
  };
  return { work, outcome, start, undo, stop: () => abort.current?.abort(), dismiss: () => setOutcome(null) };
}
export type Bulk = ReturnType<typeof useBulk>;

function words(outcome: Outcome): string {
  if (outcome.undone !== null) return t('bulk.undone', { n: count(outcome.undone) });
  return [
    t(outcome.deleted ? 'bulk.deleted' : 'bulk.changed', { n: count(outcome.changed) }),
    outcome.unchanged ? t('bulk.unchanged', { n: count(outcome.unchanged) }) : '',
    outcome.refusedTotal ? t('bulk.refused', { n: count(outcome.refusedTotal) }) : '',
    outcome.stopped ? t('bulk.stopped') : '',
  ]
    .filter(Boolean)
    .join(' · ');
}

export function BulkOutcome({ bulk }: { bulk: Bulk }) {
  const { work, outcome } = bulk;
  const { busy, problem, run } = useAct();
  if (work) {
    return (
      <div className="bulk-bar" role="status" data-bulk="running">
        <Progress percent={Math.min(100, Math.round((work.done / Math.max(1, work.total)) * 100))} size="small" style={{ width: 220 }} />
        <span>{t('bulk.running', { done: count(work.done), total: count(work.total) })}</span>
        <Button size="small" onClick={bulk.stop}>
          {t('bulk.stop')}
        </Button>
      </div>
    );
  }
  if (!outcome) return null;
  return (
    <>
      <div className="bulk-bar" role="status" data-bulk="done">
        <span>{words(outcome)}</span>
        {outcome.undo.length > 0 ? (
          <Button size="small" type="primary" loading={busy} onClick={() => void run(bulk.undo)}>
            {t('bulk.undo')}
          </Button>
        ) : null}
        {outcome.refused.length > 0 ? (
          <Button size="small" onClick={() => saveFile('refused.csv', refusedCsv(outcome.refused))}>
            {t('bulk.saveRefused')}
          </Button>
        ) : null}
        <span className="grow" />
        <Button size="small" type="text" onClick={bulk.dismiss}>
          {t('action.close')}
        </Button>
      </div>
      <ProblemView problem={outcome.problem ?? problem} />
    </>
  );
}

interface Props {
  selection: Selection;
  total: number;
  filter: Filter;
  mayWrite: boolean;
  labelKeys: string[];
  bulk: Bulk;
}

export function BulkBar({ selection, total, filter, mayWrite, labelKeys, bulk }: Props) {
  const [act, setAct] = useState<Act | null>(null);
  const [fault, setFault] = useState<Problem | null>(null);
  const [labels, setLabels] = useState<string[] | null>(null);
  const { run } = useAct();
  const { chosen, count: n } = selection;
  if (n === 0 || bulk.work) return null;
  const save = (format: string, encoding: string) =>
    void run(() => exportPicked(targetOf(chosen, filter), format, encoding).catch((e: Problem) => setFault(e)));
  const comparable = !chosen.all && n >= 2 && n <= 6;
  const archived = filter.archived === 'true';
  return (
    <>
      <div className="bulk-bar chosen" role="toolbar" aria-label={t('bulk.bar')}>
        <strong>{t('select.count', { n: count(n) })}</strong>
        {!chosen.all && n < total ? (
          <Button size="small" type="link" onClick={selection.everything}>
            {t('select.matching', { n: count(total) })}
          </Button>
        ) : null}
        <Button size="small" type="link" onClick={selection.clear}>
          {t('select.clear')}
        </Button>
        <span className="grow" />
        {mayWrite ? (
          <>
            <Button size="small" onClick={() => setAct('labels')}>{t('bulk.labels')}</Button>
            <Button size="small" onClick={() => setAct('asset')}>{t('bulk.asset')}</Button>
            <Button size="small" onClick={() => setAct('thing')}>{t('bulk.thing')}</Button>
            <Button size="small" onClick={() => setAct(archived ? 'unarchive' : 'archive')}>
              {t(archived ? 'device.unarchive' : 'device.archive')}
            </Button>
          </>
        ) : null}
        <Button
          size="small"
          disabled={!comparable}
          title={t('bulk.compareHint')}
          onClick={() => navigate(comparePath(chosen.ids))}
        >
          {t('bulk.compare')}
        </Button>
        <Button size="small" disabled={chosen.all || n > MAX_LABELS} title={t('label.hint', { n: MAX_LABELS })} onClick={() => setLabels([...chosen.ids])}>
          {t('label.title')}
        </Button>
        <Dropdown
          trigger={['click']}
          menu={{
            onClick: ({ key }) => save(key === 'json' || key === 'xlsx' ? key : 'csv', key),
            items: [
              { key: 'utf-8', label: t('export.csvUtf8') },
              { key: 'gbk', label: t('export.csvGbk') },
              { key: 'xlsx', label: 'Excel (XLSX)' },
              { key: 'json', label: 'JSON' },
            ],
          }}
        >
          <Button size="small">{t('action.export')}</Button>
        </Dropdown>
        {mayWrite ? (
          <Button size="small" danger onClick={() => setAct('delete')}>
            {t('action.delete')}
          </Button>
        ) : null}
      </div>
      <ProblemView problem={fault} />
      {labels ? <LabelsOf ids={labels} onClose={() => setLabels(null)} /> : null}
      {act ? (
        <BulkDialog
          act={act}
          n={n}
          target={targetOf(chosen, filter)}
          labelKeys={labelKeys}
          onClose={() => setAct(null)}
          onDo={(change, unitsCorrected) => {
            setAct(null);
            void bulk.start(selection, change, unitsCorrected);
            selection.clear();
          }}
        />
      ) : null}
    </>
  );
}
