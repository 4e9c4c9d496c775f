// A band for each point under the chart, on its time axis: what is wrong with the samples. Each kind has a
// colour and a pattern of its own.
import { useState } from 'react';
import type { Range } from '../../charts/lines';
import type { PlotPlace } from '../../charts/LineChart';
import { t } from '../../i18n';
import { moment, percent, span } from '../../i18n/format';
import './history.css';
import { around, flaws, flawsAt, flawWord, placeOf, type Flaw, type Interval, type PointQuality } from './quality';

/** The patterns, once on the page. */
function Patterns() {
  const lines = (kind: Flaw, d: string, size = 6) => (
    <pattern key={kind} id={`flaw-${kind}`} width={size} height={size} patternUnits="userSpaceOnUse">
      <rect width={size} height={size} className={`flaw-ground ${kind}`} />
      <path d={d} className={`flaw-line ${kind}`} />
    </pattern>
  );
  return (
    <svg className="flaw-patterns" width="0" height="0" aria-hidden="true">
      <defs>
        {lines('gap', 'M-1 1 L1 -1 M0 6 L6 0 M5 7 L7 5')}
        {lines('stuck', 'M0 3 H6')}
        {lines('bad', 'M0 0 L6 6 M6 0 L0 6')}
        {lines('uncertain', 'M1.5 0 V6 M4.5 0 V6')}
        {lines('late', 'M1 1 L3 3 L1 5 M4 1 L6 3 L4 5')}
        {lines('range', 'M1.5 1.5 h2 v2 h-2 z', 5)}
      </defs>
    </svg>
  );
}

export function FlawSwatch({ kind }: { kind: Flaw }) {
  return (
    <svg className="flaw-swatch" width="18" height="12" aria-hidden="true">
      <rect x="0.5" y="0.5" width="17" height="11" className={`flaw ${kind}`} style={{ fill: `url(#flaw-${kind})` }} />
    </svg>
  );
}

export function flawWords(i: Interval): string {
  const base = `${t(flawWord(i.kind))} · ${moment(i.from)} – ${moment(i.to)} · ${span(i.seconds)}`;
  const delay = i.delay ? ` · ${t('flaw.delay', { span: span(i.delay) })}` : '';
  return i.merged ? `${base}${delay} · ${t('flaw.mergedOf', { n: i.merged })}` : base + delay;
}

interface Props {
  series: PointQuality[];
  hidden: readonly Flaw[];
  range: Range;
  place: PlotPlace;
  onRange: (range: Range) => void;
}

function Band({ one, range, hidden, onRange, width }: { one: PointQuality; width: number } & Omit<Props, 'series' | 'place'>) {
  const [tip, setTip] = useState<{ x: number; words: string } | null>(null);
  const shown = { ...one, intervals: one.intervals.filter((i) => !hidden.includes(i.kind)) };
  const msPerPixel = (range.to - range.from) / Math.max(1, width);
  const under = (event: React.MouseEvent<HTMLDivElement>) => {
    const x = event.clientX - event.currentTarget.getBoundingClientRect().left;
    return { x, found: flawsAt(shown, range.from + x * msPerPixel, 2 * msPerPixel) };
  };
  const order: Flaw[] = ['late', 'stuck', 'range', 'uncertain', 'bad', 'gap'];
  const availability = one.availability === null ? '–' : percent(one.availability, 1);
  return (
    <div className="flaw-row" data-point={one.point}>
      <div className="flaw-name">
        {one.point} <span className="dim">{t('flaw.availability')} {availability}</span>
      </div>
      <div
        className="flaw-band"
        role="img"
        aria-label={t('flaw.bandLabel', { point: one.point, n: shown.intervals.length, availability })}
        data-intervals={shown.intervals.length}
        onMouseMove={(event) => {
          const { x, found } = under(event);
          setTip(found.length > 0 ? { x, words: found.map(flawWords).join('\n') } : null);
        }}
        onMouseLeave={() => setTip(null)}
        onClick={(event) => {
          const [first] = under(event).found;
          if (first) onRange(around(first));
        }}
      >
        <svg width="100%" height="100%" aria-hidden="true">
          {order.flatMap((kind) =>
            shown.intervals.filter((i) => i.kind === kind).map((i) => {
              const at = placeOf(i, range);
              return at ? (
                <rect
                  key={`${kind}${i.from}`}
                  className={`flaw ${kind}`}
                  data-kind={kind}
                  x={at.left * width}
                  width={Math.max(2, at.width * width)}
                  y={kind === 'stuck' || kind === 'range' ? 8 : 0}
                  height={kind === 'stuck' || kind === 'range' ? 8 : 16}
                  style={{ fill: `url(#flaw-${kind})` }}
                />
              ) : null;
            }))}
        </svg>
        {tip ? (
          <span className={tip.x > width / 2 ? 'flaw-tip at-left' : 'flaw-tip'} style={{ left: tip.x }} aria-hidden="true">{tip.words}</span>
        ) : null}
      </div>
    </div>
  );
}

export function QualityBands({ series, hidden, range, place, onRange }: Props) {
  return (
    <div className="flaw-bands" style={{ paddingLeft: place.left }} tabIndex={0} role="region" aria-label={t('flaw.bands')}>
      <Patterns />
      <div style={{ width: place.width }}>
        {series.map((one) => (
          <Band key={one.point} one={one} hidden={hidden} range={range} onRange={onRange} width={place.width} />
        ))}
      </div>
    </div>
  );
}

/** Which kinds are shown: a press hides one, another brings it back. */
export function FlawChoice({ series, hidden, onHidden }: { series: PointQuality[]; hidden: readonly Flaw[]; onHidden: (hidden: Flaw[]) => void }) {
  const total = (kind: Flaw) => series.reduce((sum, s) => sum + s.seconds[kind], 0);
  return (
    <span className="button-row flaw-choice" role="group" aria-label={t('flaw.kinds')}>
      {flaws.map((kind) => (
        <button
          key={kind}
          type="button"
          className="chip"
          aria-pressed={!hidden.includes(kind)}
          onClick={() => onHidden(hidden.includes(kind) ? hidden.filter((k) => k !== kind) : [...hidden, kind])}
        >
          <FlawSwatch kind={kind} /> {t(flawWord(kind))} <span className="dim">{total(kind) > 0 ? span(total(kind)) : '–'}</span>
        </button>
      ))}
    </span>
  );
}
