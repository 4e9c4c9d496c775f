// Import of thing models: what differs in each is shown before anything is stored.
import { Button, Modal } from 'antd';
import { useState } from 'react';
import { call } from '../../api/client';
import type { ThingImportReport } from '../../api/types';
import { ProblemView } from '../../components/ProblemView';
import { UNITS, UnitsCorrected } from '../../components/UnitsCorrected';
import { useAct } from '../../components/useAct';
import { t } from '../../i18n';
import { DiffView, LevelMark } from './DiffView';

interface Props {
  onClose: () => void;
  onDone: () => void;
}

interface Chosen {
  name: string;
  csv: boolean;
  body: Blob;
}

/** One model as it may stand in a file alone becomes a list of one. */
async function read(file: File): Promise<Chosen> {
  const csv = /\.csv$/i.test(file.name);
  if (csv) return { name: file.name, csv, body: file };
  const data: unknown = JSON.parse(await file.text());
  return { name: file.name, csv, body: new Blob([JSON.stringify(Array.isArray(data) ? data : [data])]) };
}

function send(file: Chosen, dry: boolean, corrected: boolean) {
  return call<ThingImportReport>('POST', 'things/import', {
    query: { dry_run: dry || null, format: file.csv ? 'csv' : null, units: corrected ? 'corrected' : null },
    headers: { 'Content-Type': file.csv ? 'text/csv' : 'application/json' },
    body: file.body,
  });
}

function Report({ report }: { report: ThingImportReport }) {
  const models = (report.models ?? []).filter((m) => m.level !== 'same' || m.fresh);
  const expected = report.created + report.updated;
  return (
    <>
      <p role="status">
        {t('thingImport.tried', { created: report.created, updated: report.updated, unchanged: report.unchanged, rejected: report.rejected.length })}
      </p>
      {report.rejected.length > 0 ? (
        <div className="problem" role="alert">
          <strong>{t('thingImport.rejected')}</strong>
          <ul>
            {[...report.rejected]
              .sort((a, b) => (a.row ?? 0) - (b.row ?? 0))
              .slice(0, 100)
              .map((r, i) => (
                <li key={i}>
                  {t('thingImport.row', { n: r.row ?? '' })} <code>{r.column}</code> {r.detail}
                </li>
              ))}
          </ul>
        </div>
      ) : null}
      {models.slice(0, 50).map((m) => (
        <details key={m.id} open={models.length < 4}>
          <summary>
            <span className="mono">{m.id}</span> {m.fresh ? <span className="tag">{t('thingImport.new')}</span> : <LevelMark level={m.level} />}
          </summary>
          <DiffView diff={m} label={m.id} />
        </details>
      ))}
      {expected > Math.min(models.length, 50) ? <p className="dim">{t('thingImport.more', { n: expected - Math.min(models.length, 50) })}</p> : null}
    </>
  );
}

export default function ImportThings({ onClose, onDone }: Props) {
  const [file, setFile] = useState<Chosen | null>(null);
  const [report, setReport] = useState<ThingImportReport | null>(null);
  const [corrected, setCorrected] = useState(false);
  const { busy, problem, run } = useAct();
  const attempt = (chosen: Chosen, fix: boolean) => run(async () => setReport((await send(chosen, true, fix)).data));
  const choose = (picked: File | undefined) => {
    if (!picked) return;
    setReport(null);
    setCorrected(false);
    void run(async () => {
      const chosen = await read(picked);
      setFile(chosen);
      setReport((await send(chosen, true, false)).data);
    });
  };
  const units = report?.rejected.some((r) => r.code === UNITS) || corrected;
  const go = () =>
    run(async () => {
      if (!file) return;
      await send(file, false, corrected);
      onDone();
      onClose();
    }, t('state.done'));
  return (
    <Modal
      open
      width={980}
      title={t('thingImport.title')}
      onCancel={onClose}
      footer={
        <>
          <Button onClick={onClose}>{t('action.cancel')}</Button>
          <Button type="primary" loading={busy} disabled={!report || report.created + report.updated === 0} onClick={() => void go()}>
            {t('thingImport.go')}
          </Button>
        </>
      }
    >
      <p>{t('thingImport.what')}</p>
      <div className="import-file">
        <label className="file-button">
          {t('import.file')}
          <input
            type="file"
            className="hidden"
            accept=".json,.csv,application/json,text/csv"
            aria-label={t('thing.importFile')}
            onChange={(e) => choose(e.target.files?.[0])}
          />
        </label>
        {file ? <span>{file.name}</span> : null}
      </div>
      <ProblemView problem={problem} />
      {units ? (
        <UnitsCorrected
          checked={corrected}
          onChange={(fix) => {
            setCorrected(fix);
            if (file) void attempt(file, fix);
          }}
        />
      ) : null}
      {report ? <Report report={report} /> : null}
    </Modal>
  );
}
