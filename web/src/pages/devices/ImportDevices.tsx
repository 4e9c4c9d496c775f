import { Button, Modal, Radio } from 'antd';
import { useState } from 'react';
import { call } from '../../api/client';
import type { ImportReport, PlaceError } from '../../api/types';
import { DataTable, type Column } from '../../components/DataTable';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { t } from '../../i18n';
import { bytes, count } from '../../i18n/format';
import { guessEncoding, reportCsv, saveFile, templateCsv, type Encoding } from './importFile';

interface Props {
  onClose: () => void;
  onDone: () => void;
}

const HEAD = 256 * 1024;

async function send(file: File, encoding: Encoding, dryRun: boolean): Promise<ImportReport> {
  const format = file.name.toLowerCase().endsWith('.json') ? 'json' : 'csv';
  const type = format === 'json' ? 'application/json' : `text/csv; charset=${encoding}`;
  const { data } = await call<ImportReport>('POST', 'devices/import', {
    query: { format, encoding, dry_run: dryRun },
    body: file,
    headers: { 'Content-Type': type },
  });
  return { created: data.created ?? 0, updated: data.updated ?? 0, rejected: data.rejected ?? [] };
}

function Report({ report, done }: { report: ImportReport; done: boolean }) {
  const columns: Column<PlaceError>[] = [
    { key: 'row', title: t('import.row'), width: 70, align: 'right', render: (e) => e.row },
    { key: 'column', title: t('import.column'), width: 120, render: (e) => e.column },
    { key: 'detail', title: t('import.reason'), render: (e) => <span title={e.code}>{e.detail ?? e.code}</span> },
  ];
  return (
    <div className="import-report" role="status">
      <p>
        {t(done ? 'import.result' : 'import.wouldBe', {
          created: count(report.created),
          updated: count(report.updated),
          rejected: count(report.rejected.length),
        })}
      </p>
      {report.rejected.length > 0 ? (
        <>
          <DataTable
            label={t('import.rejected')}
            columns={columns}
            rows={report.rejected.slice(0, 200)}
            rowKey={(e) => `${e.row}-${e.column}-${e.code}`}
          />
          <Button size="small" onClick={() => saveFile('rejected.csv', reportCsv(report.rejected))}>
            {t('import.saveReport')}
          </Button>
        </>
      ) : null}
    </div>
  );
}

export default function ImportDevices({ onClose, onDone }: Props) {
  const [file, setFile] = useState<File | null>(null);
  const [encoding, setEncoding] = useState<Encoding>('utf-8');
  const [report, setReport] = useState<ImportReport | null>(null);
  const [done, setDone] = useState(false);
  const { busy, problem, run } = useAct();

  const choose = async (next: File | undefined) => {
    setReport(null);
    setDone(false);
    setFile(next ?? null);
    if (!next) return;
    const guess = guessEncoding(new Uint8Array(await next.slice(0, HEAD).arrayBuffer()));
    setEncoding(guess);
    setReport((await run(() => send(next, guess, true))) ?? null);
  };
  const again = async (next: Encoding) => {
    setEncoding(next);
    if (file) setReport((await run(() => send(file, next, true))) ?? null);
  };
  const commit = async () => {
    if (!file) return;
    const result = await run(() => send(file, encoding, false));
    if (!result) return;
    setReport(result);
    setDone(true);
    onDone();
  };
  const rows = report ? report.created + report.updated : 0;
  return (
    <Modal
      open
      width={720}
      title={t('import.title')}
      onCancel={onClose}
      footer={
        done ? (
          <Button type="primary" onClick={onClose}>
            {t('action.close')}
          </Button>
        ) : (
          <>
            <Button onClick={onClose}>{t('action.cancel')}</Button>
            <Button type="primary" disabled={rows === 0} loading={busy} onClick={() => void commit()}>
              {rows > 0 ? t('import.do', { n: count(rows) }) : t('action.import')}
            </Button>
          </>
        )
      }
    >
      <p>
        {t('import.what')}{' '}
        <button type="button" className="link" onClick={() => saveFile('devices.csv', templateCsv())}>
          {t('import.template')}
        </button>
      </p>
      <div className="import-file">
        <label className="file-button">
          <input
            type="file"
            className="hidden"
            accept=".csv,.json,text/csv,application/json"
            onChange={(e) => void choose(e.target.files?.[0])}
          />
          {t('import.file')}
        </label>
        {file ? (
          <span>
            {file.name} <span className="dim">{bytes(file.size)}</span>
          </span>
        ) : null}
        <span className="grow" />
        <Radio.Group
          size="small"
          value={encoding}
          aria-label={t('import.encoding')}
          onChange={(e) => void again(e.target.value as Encoding)}
          options={[
            { value: 'utf-8', label: 'UTF-8' },
            { value: 'gbk', label: 'GBK' },
          ]}
        />
      </div>
      <ProblemView problem={problem} />
      {report ? <Report report={report} done={done} /> : null}
    </Modal>
  );
}
