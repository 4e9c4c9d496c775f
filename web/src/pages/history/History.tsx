import { Button, Dropdown, Select } from 'antd';
import { useMemo, useState } from 'react';
import { apiUrl, post } from '../../api/client';
import { pointsFrom, pointsText } from '../../api/points';
import { setQuery, usePlace } from '../../app/router';
import type { Classed, QueryAnswer } from '../../api/types';
import { classWords, isClassed } from '../../components/DataClass';
import { PageHeader } from '../../components/PageHeader';
import { CopyButton } from '../../components/CodeBlock';
import { t } from '../../i18n';
import { stepFor } from '../../charts/lines';
import { CalcDialog } from './CalcDialog';
import { calcKey, calcQuery, CALCS_MAX, calcsFrom, calcsText, type Calc } from './calc';
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

interface Classes {
  /** The highest of what will be in the file. */
  top: Classed;
  masked: number;
}
const order = { general: 0, important: 1, core: 2 };

/** What a file of these points will hold: asked without any sample. */
async function classesOf(points: string[]): Promise<Classes> {
  const now = Date.now();
  const { series } = await post<QueryAnswer>('history/query', { points, from: now, to: now + 1, limit: 1 });
  const read = series.filter((s) => !s.masked);
  const top: Classed = { data_class: 'general', data_level: 1 };
  for (const s of read) {
    if (order[s.data_class ?? 'general'] > order[top.data_class ?? 'general']) top.data_class = s.data_class;
    if ((s.data_level ?? 1) > (top.data_level ?? 1)) top.data_level = s.data_level;
  }
  return { top, masked: series.length - read.length };
}

function nameOf(ending: string, of: Classes | null, stem = 'history'): string {
  return of && isClassed(of.top) ? `${stem}-${of.top.data_class}-${of.top.data_level}.${ending}` : `${stem}.${ending}`;
}

/** What is to be known before a file of classed data is taken. */
function ClassNote({ of }: { of: Classes }) {
  return (
    <div className="class-note">
      {isClassed(of.top) ? t('data.exportOf', { class: classWords(of.top) }) : null}
      {of.masked > 0 ? <div>{t('data.exportMasked', { n: of.masked })}</div> : null}
    </div>
  );
}

function ExportButton(props: { points: string[]; calcs: Calc[]; from: number; to: number; mode: Mode; step: string | null }) {
  const { points, calcs, from, to, mode, step } = props;
  const aggregated = mode !== 'auto' && mode !== 'raw';
  const by = step ?? stepFor({ from, to }, 1000).text;
  const [file, setFile] = useState<{ url: string; name: string; json?: unknown } | null>(null);
  const [classes, setClasses] = useState<Classes | null>(null);
  const open = (next: boolean) => {
    if (next && points.length > 0) classesOf(points).then(setClasses, () => setClasses(null));
  };
  const take = (address: string, ending: string) => setFile({ url: address, name: nameOf(ending, classes) });
  // What is classed goes by a request that can ask for the password; the rest by the browser itself, of any size.
  const item = (key: string, address: string, ending: string, words: string) =>
    classes && isClassed(classes.top)
      ? { key, label: words, onClick: () => take(address, ending) }
      : { key, label: <a href={address} download>{words}</a> };
  const takeCalculated = () => {
    const ask = { range: { from, to }, mode: mode === 'auto' ? ('mean' as const) : mode, step: by, pixels: 1000 };
    const json = { ...calcQuery(calcs[0] as Calc, ask), expressions: calcs, limit: undefined };
    setFile({ url: apiUrl('history/calculate/export'), name: nameOf('csv', classes, 'calculated'), json });
  };
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
  const files = [
    { key: 'xlsx', label: t('history.exportXlsx'), onClick: () => take(url('xlsx'), 'xlsx') },
    { key: 'xlsxStep', label: t('history.exportXlsxStep', { step: by }), onClick: () => take(url('xlsx', true), 'xlsx') },
    item('raw', url('csv'), 'csv', t('history.exportCsv')),
    item('step', url('csv', true), 'csv', t('history.exportStep', { step: by })),
    item('lines', url('lines'), 'lp', t('history.exportLines')),
    item('columns', url('columns'), 'columns', t('history.exportColumns')),
  ];
  return (
    <>
    <Dropdown
      trigger={['click']}
      disabled={points.length === 0 && calcs.length === 0}
      onOpenChange={open}
      menu={{
        items: [
          ...(classes && (isClassed(classes.top) || classes.masked > 0)
            ? [{ key: 'class', disabled: true, label: <ClassNote of={classes} /> }]
            : []),
          ...(points.length > 0 ? files : []),
          ...(calcs.length > 0 ? [{ key: 'calculated', label: t('history.exportCalculated', { n: calcs.length }), onClick: takeCalculated }] : []),
        ],
      }}
    >
      <Button size="small">{t('history.export')}</Button>
    </Dropdown>
    {file ? <ExportProgress url={file.url} name={file.name} json={file.json} onClose={() => setFile(null)} /> : null}
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
            <ExportButton points={points} calcs={calcs} from={from} to={to} mode={mode} step={step} />
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
