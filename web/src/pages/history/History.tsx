import { Button, Dropdown, Select } from 'antd';
import { useMemo, useState } from 'react';
import { apiUrl } from '../../api/client';
import { pointsFrom, pointsText } from '../../api/points';
import { setQuery, usePlace } from '../../app/router';
import { PageHeader } from '../../components/PageHeader';
import { CopyButton } from '../../components/CodeBlock';
import { t } from '../../i18n';
import { stepFor } from '../../charts/lines';
import { CalcDialog } from './CalcDialog';
import { calcKey, CALCS_MAX, calcsFrom, calcsText, type Calc } from './calc';
import { ExportProgress } from './ExportProgress';
import { HistoryChart } from './HistoryChart';
import { PeriodChoice } from './PeriodChoice';
import { PointPicker } from './PointPicker';
import { RangeBar } from './RangeBar';
import { SavedCharts } from './SavedCharts';
import { useLook, type Look } from './useLook';
import { useRange } from './useRange';
import { modes, type Mode } from './useHistory';

const steps = ['1s', '10s', '1m', '5m', '15m', '1h', '8h', '1d'];

const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

function ExportButton(props: { points: string[]; from: number; to: number; mode: Mode; step: string | null }) {
  const { points, from, to, mode, step } = props;
  const aggregated = mode !== 'auto' && mode !== 'raw';
  const by = step ?? stepFor({ from, to }, 1000).text;
  const [file, setFile] = useState<string | null>(null);
  const url = (format: 'csv' | 'xlsx' | 'lines' | 'columns', withStep = false) =>
    apiUrl('history/export', {
      points: points.join(','),
      from: Math.floor(from),
      to: Math.ceil(to),
      format,
      tz: format === 'xlsx' ? zone() : null,
      step: withStep ? by : null,
      aggregate: withStep ? (aggregated ? mode : 'mean') : null,
    });
  return (
    <>
    <Dropdown
      trigger={['click']}
      disabled={points.length === 0}
      menu={{
        items: [
          { key: 'xlsx', label: t('history.exportXlsx'), onClick: () => setFile(url('xlsx')) },
          { key: 'xlsxStep', label: t('history.exportXlsxStep', { step: by }), onClick: () => setFile(url('xlsx', true)) },
          { key: 'raw', label: <a href={url('csv')} download>{t('history.exportCsv')}</a> },
          { key: 'step', label: <a href={url('csv', true)} download>{t('history.exportStep', { step: by })}</a> },
          { key: 'lines', label: <a href={url('lines')} download>{t('history.exportLines')}</a> },
          { key: 'columns', label: <a href={url('columns')} download>{t('history.exportColumns')}</a> },
        ],
      }}
    >
      <Button size="small">{t('history.export')}</Button>
    </Dropdown>
    {file ? <ExportProgress url={file} name="history.xlsx" onClose={() => setFile(null)} /> : null}
    </>
  );
}

function ModeBar({ mode, step, look, onCalc }: { mode: Mode; step: string | null; look: Look; onCalc: (() => void) | null }) {
  const aggregated = mode !== 'auto' && mode !== 'raw';
  return (
    <div className="button-row">
      <Button
        size="small"
        type={look.selecting ? 'primary' : 'default'}
        aria-pressed={look.selecting}
        title={t('history.selectHint')}
        onClick={() => look.setSelecting(!look.selecting)}
      >
        {t('history.select')}
      </Button>
      <Button size="small" disabled={!onCalc} title={t(onCalc ? 'calc.what' : 'calc.most', { n: CALCS_MAX })} onClick={() => onCalc?.()}>
        {t('calc.button')}
      </Button>
      <Select<Mode>
        size="small"
        value={mode}
        aria-label={t('history.mode')}
        popupMatchSelectWidth={false}
        style={{ minWidth: 130 }}
        onChange={(next) => setQuery({ mode: next === 'auto' ? null : next })}
        options={modes.map((m) => ({ value: m, label: t(`mode.${m}`) }))}
      />
      {aggregated ? (
        <Select<string>
          size="small"
          value={step ?? ''}
          aria-label={t('history.step')}
          style={{ minWidth: 90 }}
          onChange={(next) => setQuery({ step: next || null })}
          options={[
            { value: '', label: t('history.stepAuto') },
            ...steps.map((s) => ({ value: s, label: s })),
          ]}
        />
      ) : null}
    </div>
  );
}

export default function History() {
  const { query } = usePlace();
  const points = pointsFrom(query);
  const mode = (modes.find((m) => m === query.get('mode')) ?? 'auto') as Mode;
  const step = query.get('step');
  const { choice, home, setRange, setLast } = useRange('24h');
  const asked = query.get('calc');
  const calcs = useMemo(() => calcsFrom(asked), [asked]);
  const [editing, setEditing] = useState<Calc | 'new' | null>(null);
  const setCalcs = (next: Calc[]) => setQuery({ calc: calcsText(next) });
  const saveCalc = (calc: Calc) => {
    setCalcs(editing === 'new' ? [...calcs, calc] : calcs.map((c) => (c === editing ? calc : c)));
    setEditing(null);
  };
  const look = useLook([...points, ...calcs.map(calcKey)]);
  const setPoints = (next: string[]) => setQuery({ points: pointsText(next) });
  const { from, to } = choice.range;
  return (
    <div className="page-fill">
      <PageHeader
        title={t('nav.history')}
        actions={
          <>
            <SavedCharts points={points} width={to - from} />
            <CopyButton text={() => location.href} word={t('history.copyLink')} />
            <ExportButton points={points} from={from} to={to} mode={mode} step={step} />
          </>
        }
      />
      <div className="explorer">
        <aside className="explorer-side" aria-label={t('history.points')}>
          <PointPicker chosen={points} onChange={setPoints} />
        </aside>
        <div className="explorer-main">
          <div className="toolbar">
            <RangeBar choice={choice} onRange={setRange} onLast={setLast} />
            <ModeBar mode={mode} step={step} look={look} onCalc={calcs.length < CALCS_MAX ? () => setEditing('new') : null} />
            <PeriodChoice vs={query.get('vs')} />
          </div>
          <HistoryChart
            points={points}
            range={choice.range}
            home={home}
            mode={mode}
            step={step}
            look={look}
            onRange={setRange}
            onRemove={(p) => (p.startsWith('=') ? setCalcs(calcs.filter((c) => calcKey(c) !== p)) : setPoints(points.filter((x) => x !== p)))}
            calcs={calcs}
            onCalc={setEditing}
          />
        </div>
      </div>
      {editing ? (
        <CalcDialog
          points={points}
          calc={editing === 'new' ? null : editing}
          taken={calcs.filter((c) => c !== editing).map((c) => c.name)}
          onClose={() => setEditing(null)}
          onSave={saveCalc}
        />
      ) : null}
    </div>
  );
}
