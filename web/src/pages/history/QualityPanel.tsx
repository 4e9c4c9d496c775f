// Data quality: thresholds, figures of each point, and the intervals as a list that the keyboard reaches.
import { AutoComplete, Button } from 'antd';
import { useState } from 'react';
import { setQuery } from '../../app/router';
import type { Range } from '../../charts/lines';
import { ProblemView } from '../../components/ProblemView';
import { t, type WordKey } from '../../i18n';
import { cell, count, moment, percent, span } from '../../i18n/format';
import { saveFile } from '../devices/importFile';
import {
  around, flaws, flawWord, GAP_DEFAULT, gapChoices, gapOk, qualityCsv, rowsOf, STUCK_DEFAULT, stuckChoices, stuckOk, type Flaw, type PointQuality,
} from './quality';
import { FlawChoice, FlawSwatch } from './QualityBand';
import type { Quality } from './useQuality';

const SHOWN = 200;

/** Seconds as a period is written: 0.1 s, 10 s, 1 min 30 s is 90 s. */
const period = (seconds: number | null) => (seconds === null ? '–' : `${cell(seconds, 4)} s`);

function thresholdWord(choice: string): string {
  if (choice === 'off') return t('flaw.off');
  return choice.endsWith('x') ? t('flaw.times', { n: choice.slice(0, -1) }) : choice;
}

/** A threshold: chosen, or typed as a duration. What is not valid stays red and changes nothing. */
function Threshold(props: { name: 'gap' | 'stuck'; word: WordKey; value: string; choices: string[]; ok: (text: string) => boolean; usual: string }) {
  const { name, word, value, choices, ok, usual } = props;
  const [typed, setTyped] = useState<string | null>(null);
  const take = (text: string) => {
    setTyped(null);
    if (ok(text)) setQuery({ [name]: text === usual ? null : text });
  };
  const shown = typed ?? value;
  return (
    <label className="inline">
      {t(word)}
      <AutoComplete
        size="small"
        value={shown}
        status={ok(shown) ? undefined : 'error'}
        style={{ width: 96 }}
        popupMatchSelectWidth={false}
        aria-label={t(word)}
        title={t('flaw.thresholdHint')}
        options={choices.map((choice) => ({ value: choice, label: thresholdWord(choice) }))}
        onChange={(text: string) => setTyped(text)}
        onSelect={take}
        onBlur={() => typed !== null && take(typed.trim())}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && typed !== null) take(typed.trim());
        }}
      />
    </label>
  );
}

function Figures({ series }: { series: PointQuality[] }) {
  const seconds = (value: number) => (value > 0 ? span(value) : '–');
  const words = [
    'flaw.availability', 'flaw.good', 'flaw.gap', 'flaw.stuck', 'flaw.bad', 'flaw.uncertain', 'flaw.range', 'flaw.late', 'stat.count', 'flaw.period',
    'flaw.limits',
  ] as const;
  const row = (s: PointQuality) => (
    <tr key={s.point}>
      <th scope="row">{s.point}</th>
      <td className="right strong">{s.availability === null ? '–' : percent(s.availability, 1)}</td>
      <td className="right">{percent(s.seconds.good, s.seconds.all)}</td>
      {flaws.map((kind) => (
        <td key={kind} className="right" data-flaw={kind}>{seconds(s.seconds[kind])}</td>
      ))}
      <td className="right">{count(s.samples.all)}</td>
      <td className="right" title={t(s.declared ? 'flaw.declared' : 'flaw.median')}>{period(s.period)}</td>
      <td className="right">{s.low === null && s.high === null ? '–' : `${s.low ?? '…'} – ${s.high ?? '…'}`}</td>
    </tr>
  );
  return (
    <table className="legend stats">
      <thead>
        <tr>
          <th scope="col">{t('history.point')}</th>
          {words.map((word) => (
            <th key={word} scope="col" className="right">{t(word)}</th>
          ))}
        </tr>
      </thead>
      <tbody>{series.map(row)}</tbody>
    </table>
  );
}

interface Props {
  quality: Quality;
  gap: string | null;
  stuck: string | null;
  hidden: Flaw[];
  onHidden: (hidden: Flaw[]) => void;
  onRange: (range: Range) => void;
}

export function QualityPanel({ quality, gap, stuck, hidden, onHidden, onRange }: Props) {
  const { series, loading, tookMs } = quality;
  const rows = rowsOf(series, hidden);
  const merged = Math.max(0, ...series.map((s) => s.merged_within ?? 0));
  const words = ['history.point', 'edit.kind', 'flaw.from', 'flaw.to', 'flaw.length'] as const;
  return (
    <>
      <div className="selection-bar">
        <Threshold name="gap" word="flaw.gapOver" value={gap ?? GAP_DEFAULT} choices={gapChoices} ok={gapOk} usual={GAP_DEFAULT} />
        <Threshold name="stuck" word="flaw.stuckFor" value={stuck ?? STUCK_DEFAULT} choices={stuckChoices} ok={stuckOk} usual={STUCK_DEFAULT} />
        <FlawChoice series={series} hidden={hidden} onHidden={onHidden} />
        <Button
          size="small"
          disabled={rows.length === 0}
          onClick={() => saveFile('quality.csv', qualityCsv(rows, (kind) => t(flawWord(kind))))}
        >
          {t('flaw.csv')}
        </Button>
        <span className="dim" role="status" data-testid="quality-status">
          {tookMs === null ? '' : t('flaw.found', { n: count(rows.length) })}
          {merged > 0 ? ` · ${t('flaw.mergedWithin', { span: span(merged) })}` : ''}
        </span>
      </div>
      <ProblemView problem={quality.problem} />
      <div className="table-box" tabIndex={0} role="region" aria-label={t('panel.quality')} aria-busy={loading}>
        <Figures series={series} />
        <table className="legend edits flaw-table">
          <thead>
            <tr>
              {words.map((word) => (
                <th key={word} scope="col" className={word === 'flaw.length' ? 'right' : undefined}>{t(word)}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, SHOWN).map((r) => (
              <tr key={`${r.point}${r.kind}${r.from}`}>
                <td title={r.point}>{r.point}</td>
                <td><FlawSwatch kind={r.kind} /> {t(flawWord(r.kind))}</td>
                <td>
                  <button type="button" className="link" title={t('history.zoomToSel')} onClick={() => onRange(around(r))}>{moment(r.from)}</button>
                </td>
                <td>{moment(r.to)}</td>
                <td className="right" title={r.merged ? t('flaw.mergedOf', { n: r.merged }) : undefined}>
                  {span(r.seconds)}{r.merged ? ` (${r.merged})` : ''}
                </td>
              </tr>
            ))}
            {rows.length > SHOWN ? (
              <tr className="blank"><td colSpan={5} className="dim">{t('flaw.more', { n: count(rows.length - SHOWN) })}</td></tr>
            ) : null}
            {rows.length === 0 && !loading && tookMs !== null ? (
              <tr className="blank"><td colSpan={5} className="dim">{t('flaw.none')}</td></tr>
            ) : null}
          </tbody>
        </table>
      </div>
      <div className="dim chart-note">{t('flaw.lateHint')}</div>
    </>
  );
}
