// Import of devices: a file, which column is what, a trial of every row, then the import with progress and a stop.
import { Button, Modal, Progress as Bar, Radio, Select } from 'antd';
import { useEffect, useMemo, useRef, useState } from 'react';
import { asProblem, get, Problem } from '../../api/client';
import { runTask } from '../../app/tasks';
import type { Asset, Page, Thing } from '../../api/types';
import { DataTable, type Column } from '../../components/DataTable';
import { ProblemView } from '../../components/ProblemView';
import { UNITS, UnitsCorrected } from '../../components/UnitsCorrected';
import { isWord, t } from '../../i18n';
import { bytes, count } from '../../i18n/format';
import { guessEncoding, rejectedCsv, saveBlob, saveFile, TEMPLATE, templateCsv, type Encoding } from './importFile';
import { runImport, type Progress } from './importRun';
import { guessColumns, knownOf, readRows, TARGETS, type Known, type Row, type RowFault, type Target } from './mapping';
import { faultText } from './refusals';
import { parseCsv, readXlsx, SheetFault, writeXlsx, type Sheet } from './sheet';

interface Props {
  onClose: () => void;
  onDone: () => void;
}
/** What was read of the file: a table, or the objects of a JSON file. */
type Source = { table: string[][] } | { objects: unknown[] };

const SHOWN = 200;
const SAMPLES = 3;
const TRIAL_MS = 300;

async function readSource(file: File, encoding: Encoding, sheet: Sheet | null): Promise<Source> {
  if (sheet) return { table: await sheet.rows() };
  const text = new TextDecoder(encoding).decode(await file.arrayBuffer());
  if (!file.name.toLowerCase().endsWith('.json')) return { table: parseCsv(text) };
  const objects = JSON.parse(text.replace(/^\ufeff/, '')) as unknown;
  if (!Array.isArray(objects)) throw new SheetFault('no array');
  return { objects };
}

async function readKnown(): Promise<Known> {
  const [things, assets] = await Promise.all([
    get<Page<Thing>>('things', { limit: 1000 }).catch(() => ({ items: [] })),
    get<Page<Asset>>('assets', { limit: 1000 }).catch(() => ({ items: [] })),
  ]);
  return knownOf(things.items, assets.items);
}

function rowsOf(source: Source, targets: Target[], known: Known): { rows: Row[]; faults: RowFault[] } {
  if ('table' in source) return readRows(source.table, targets, known);
  return { rows: source.objects.map((body, i) => ({ row: i + 1, body: body as Row['body'] })), faults: [] };
}

function Mapping(props: { table: string[][]; targets: Target[]; onChange: (targets: Target[]) => void; disabled: boolean }) {
  const { table, targets, onChange, disabled } = props;
  const headers = table[0] ?? [];
  const rows = headers.map((header, k) => ({ header, k }));
  const set = (k: number, to: Target) => onChange(targets.map((old, i) => (i === k ? to : to && old === to ? '' : old)));
  const columns: Column<{ header: string; k: number }>[] = [
    { key: 'header', title: t('import.header'), width: '26%', render: ({ header }) => <span title={header}>{header || '–'}</span> },
    {
      key: 'target',
      title: t('import.target'),
      width: 230,
      render: ({ header, k }) => (
        <Select<Target>
          size="small"
          disabled={disabled}
          listHeight={380}
          virtual={false}
          style={{ width: 210 }}
          aria-label={`${t('import.target')}: ${header}`}
          value={targets[k] ?? ''}
          onChange={(to) => set(k, to)}
          options={[
            { value: '', label: t('import.skip') },
            ...TARGETS.map((value) => ({ value: value as Target, label: t(`importAs.${value}`) })),
            ...[targets[k]?.startsWith('label.') ? targets[k].slice(6) : header.trim()]
              .filter(Boolean)
              .map((name) => ({ value: `label.${name}` as Target, label: t('import.asLabel', { name }) })),
          ]}
        />
      ),
    },
    {
      key: 'samples',
      title: t('import.samples'),
      render: ({ k }) => <span className="dim">{table.slice(1, 1 + SAMPLES).map((row) => row[k] || '–').join(' · ')}</span>,
    },
  ];
  return <DataTable label={t('import.columns')} columns={columns} rows={rows} rowKey={(r) => r.k} />;
}

function Report({ progress, faults, done, save }: { progress: Progress; faults: RowFault[]; done: boolean; save: () => void }) {
  const columns: Column<RowFault>[] = [
    { key: 'row', title: t('import.row'), width: 70, align: 'right', render: (e) => e.row },
    { key: 'column', title: t('import.column'), width: 120, render: (e) => e.column },
    { key: 'detail', title: t('import.reason'), render: (e) => <span title={e.code}>{faultText(e)}</span> },
  ];
  return (
    <div className="import-report" role="status">
      <p>
        {t(done ? 'import.result' : 'import.wouldBe', {
          created: count(progress.created),
          updated: count(progress.updated),
          rejected: count(faults.length),
        })}
        {done && progress.stopped ? ` ${t('import.stopped')}` : ''}
      </p>
      {faults.length > 0 ? (
        <>
          <DataTable label={t('import.rejected')} columns={columns} rows={faults.slice(0, SHOWN)} rowKey={(e) => `${e.row}-${e.column}-${e.code}`} />
          <Button size="small" onClick={save}>
            {t('import.saveReport')}
          </Button>
        </>
      ) : null}
    </div>
  );
}

/** What the server refused, in the words of the file: its column, and what stands there. */
function inFile(fault: RowFault, source: Source | null, targets: Target[]): RowFault {
  const k = targets.indexOf((fault.column ?? '') as Target);
  if (!source || !('table' in source) || k < 0) return fault;
  const known = isWord(`refusal.${fault.code}`) && fault.code !== UNITS;
  return { ...fault, column: source.table[0]?.[k], detail: known ? source.table[fault.row - 1]?.[k] : fault.detail };
}

/** The import itself, as a task that outlives the dialog. */
async function store(
  rows: Row[],
  name: string,
  see: (p: Progress) => void,
  abort: AbortController,
  unitsCorrected: boolean,
): Promise<Progress> {
  let result: Progress | null = null;
  const { problem } = await runTask(
    t('import.task', { name }),
    async (tell, signal) => {
      tell(0, rows.length);
      result = await runImport(rows, false, (p) => (see(p), tell(p.done, rows.length)), signal, 'update', unitsCorrected);
      const { created, updated, faults, stopped } = result;
      return { stopped, result: t('import.result', { created: count(created), updated: count(updated), rejected: count(faults.length) }) };
    },
    abort,
  );
  if (problem || !result) throw problem ?? new Problem(0, {});
  return result;
}

type Phase = 'choose' | 'trying' | 'tried' | 'storing' | 'done';

/** The file, what it is taken for, and how far the trial or the import is. */
function useImport(onDone: () => void) {
  const [file, setFile] = useState<File | null>(null);
  const [encoding, setEncoding] = useState<Encoding>('utf-8');
  const [sheets, setSheets] = useState<Sheet[]>([]);
  const [sheet, setSheet] = useState(0);
  const [source, setSource] = useState<Source | null>(null);
  const [targets, setTargets] = useState<Target[]>([]);
  const [known, setKnown] = useState<Known | null>(null);
  const [phase, setPhase] = useState<Phase>('choose');
  const [progress, setProgress] = useState<Progress | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [corrected, setCorrected] = useState(false);
  const abort = useRef<AbortController | null>(null);
  useEffect(() => void readKnown().then(setKnown), []);
  const storing = useRef(false); // goes on when the dialog is closed
  useEffect(() => () => void (storing.current || abort.current?.abort()), []);

  const read = async (next: File, how: Encoding, from: Sheet | null) => {
    setPhase('choose');
    setProgress(null);
    setProblem(null);
    setSource(null);
    setCorrected(false);
    try {
      const got = await readSource(next, how, from);
      if ('table' in got) {
        if (got.table.length < 2) throw new Problem(400, { title: t('import.empty'), remedy: t('import.emptyHint') });
        setTargets(guessColumns(got.table[0] ?? []));
      }
      setSource(got);
    } catch (error) {
      const own = error instanceof Problem ? error : new Problem(400, { title: t('import.unreadable'), remedy: t('import.unreadableHint') });
      setProblem(own);
    }
  };
  const choose = async (next: File) => {
    abort.current?.abort();
    setFile(next);
    setSheets([]);
    setSheet(0);
    const whole = await next.arrayBuffer();
    if (new DataView(whole).byteLength > 4 && new DataView(whole).getUint32(0, true) === 0x04034b50) {
      try {
        const all = await readXlsx(whole);
        // The first sheet that looks like a table of devices, else the first.
        const heads = await Promise.all(all.slice(0, 8).map(async (one) => guessColumns((await one.rows())[0] ?? [])));
        const at = Math.max(0, heads.findIndex((head) => head.includes('id')));
        setSheets(all);
        setSheet(at);
        await read(next, 'utf-8', all[at] ?? null);
      } catch {
        setSource(null);
        setProblem(new Problem(400, { title: t('import.unreadable'), remedy: t('import.unreadableHint') }));
      }
      return;
    }
    const guess = guessEncoding(new Uint8Array(whole.slice(0, 256 * 1024)));
    setEncoding(guess);
    await read(next, guess, null);
  };

  const { rows, faults } = useMemo(
    () => (source && known ? rowsOf(source, targets, known) : { rows: [], faults: [] }),
    [source, targets, known],
  );
  const ready = Boolean(source && known) && (!source || !('table' in source) || targets.includes('id'));

  const go = async (dryRun: boolean) => {
    abort.current?.abort();
    const mine = new AbortController();
    abort.current = mine;
    setProblem(null);
    setPhase(dryRun ? 'trying' : 'storing');
    storing.current = !dryRun;
    try {
      const see = (p: Progress) => !mine.signal.aborted && setProgress(p);
      const result = dryRun
        ? await runImport(rows, true, see, mine.signal, 'update', corrected)
        : await store(rows, file?.name ?? '', see, mine, corrected);
      if (dryRun && mine.signal.aborted) return; // something newer is tried
      setProgress(result);
      setPhase(dryRun ? 'tried' : 'done');
    } catch (error) {
      setProblem(asProblem(error));
      setPhase(dryRun ? 'choose' : 'done');
    }
    if (!dryRun) onDone();
  };
  useEffect(() => {
    if (!ready) return undefined;
    setPhase('trying'); // what was told of the old mapping holds no more, and nothing is imported before the new trial
    const timer = setTimeout(() => void go(true), TRIAL_MS);
    return () => clearTimeout(timer);
  }, [rows, ready, corrected]);

  return {
    file, choose, encoding, sheets, sheet, source, targets, setTargets, phase, progress, problem, rows, ready, corrected, setCorrected,
    faults: [...faults, ...(progress?.faults ?? []).map((f) => inFile(f, source, targets))].sort((a, b) => a.row - b.row),
    recode: (next: Encoding) => {
      setEncoding(next);
      if (file) void read(file, next, null);
    },
    turn: (at: number) => {
      setSheet(at);
      if (file) void read(file, encoding, sheets[at] ?? null);
    },
    store: () => void go(false),
    stop: () => abort.current?.abort(),
  };
}

export default function ImportDevices({ onClose, onDone }: Props) {
  const it = useImport(onDone);
  const { file, source, phase, progress } = it;
  const busy = phase === 'storing';
  const good = phase === 'tried' && progress ? progress.created + progress.updated : 0;
  const save = () =>
    saveFile('rejected.csv', rejectedCsv(it.faults.map((f) => ({ ...f, detail: faultText(f) })), source && 'table' in source ? source.table : null));
  return (
    <Modal
      open
      width={860}
      title={t('import.title')}
      mask={{ closable: false }}
      onCancel={onClose}
      footer={
        phase === 'done' ? (
          <Button type="primary" onClick={onClose}>
            {t('action.close')}
          </Button>
        ) : busy ? (
          <>
            <Button onClick={it.stop}>{t('import.stop')}</Button>
            <Button type="primary" onClick={onClose}>
              {t('tasks.background')}
            </Button>
          </>
        ) : (
          <>
            <Button onClick={onClose}>{t('action.cancel')}</Button>
            <Button type="primary" disabled={good === 0} onClick={it.store}>
              {good > 0 ? t('import.do', { n: count(good) }) : t('action.import')}
            </Button>
          </>
        )
      }
    >
      <p>
        {t('import.what')}{' '}
        <button type="button" className="link" onClick={() => saveFile('devices.csv', templateCsv())}>
          {t('import.templateCsv')}
        </button>
        {' · '}
        <button type="button" className="link" onClick={() => saveBlob('devices.xlsx', writeXlsx('devices', TEMPLATE))}>
          {t('import.templateXlsx')}
        </button>
      </p>
      <div className="import-file">
        <label className="file-button">
          <input
            type="file"
            className="hidden"
            disabled={busy}
            accept=".csv,.xlsx,.json,text/csv,application/json,application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
            onChange={(e) => {
              const next = e.target.files?.[0];
              e.target.value = ''; // the same file may be chosen again, after it was mended
              if (next) void it.choose(next);
            }}
          />
          {t('import.file')}
        </label>
        {file ? (
          <span>
            {file.name} <span className="dim">{bytes(file.size)}</span>
          </span>
        ) : null}
        <span className="grow" />
        {it.sheets.length > 0 ? (
          <Select
            size="small"
            style={{ minWidth: 140 }}
            disabled={busy}
            aria-label={t('import.sheet')}
            value={it.sheet}
            options={it.sheets.map(({ name }, value) => ({ value, label: name }))}
            onChange={it.turn}
          />
        ) : (
          <Radio.Group
            size="small"
            disabled={busy}
            value={it.encoding}
            aria-label={t('import.encoding')}
            onChange={(e) => it.recode(e.target.value as Encoding)}
            options={[
              { value: 'utf-8', label: 'UTF-8' },
              { value: 'gbk', label: 'GBK' },
            ]}
          />
        )}
      </div>
      <ProblemView problem={it.problem} />
      {source && 'table' in source && phase !== 'done' ? (
        <div className="import-map">
          <Mapping table={source.table} targets={it.targets} onChange={it.setTargets} disabled={busy} />
        </div>
      ) : null}
      {source && !it.ready && phase === 'choose' && it.targets.length > 0 ? <p className="hint-line">{t('import.noId')}</p> : null}
      {phase === 'trying' || busy ? (
        <div role="status" className="import-progress">
          <Bar percent={Math.round(((progress?.done ?? 0) / Math.max(1, it.rows.length)) * 100)} size="small" />
          {t(busy ? 'import.storing' : 'import.trying', { done: count(progress?.done ?? 0), total: count(it.rows.length) })}
        </div>
      ) : null}
      {phase !== 'done' && !busy && (it.corrected || it.faults.some((f) => f.code === UNITS)) ? (
        <UnitsCorrected checked={it.corrected} onChange={it.setCorrected} />
      ) : null}
      {progress && it.ready && (phase === 'tried' || phase === 'done') ? (
        <Report progress={progress} faults={it.faults} done={phase === 'done'} save={save} />
      ) : null}
    </Modal>
  );
}
