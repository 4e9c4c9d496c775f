import { Masked, useShown } from '../../../components/DataClass';
import { unit } from '../../../i18n/format';
import { levelOf, type Threshold, type Widget } from '../model';
import { Nothing, numberOf, useNews, useStale, valueWords } from './parts';
import { Foot, levelWord } from './Value';

const SWEEP = 240; // degrees of the arc

function polar(share: number, r: number): [number, number] {
  const angle = ((-90 - SWEEP / 2 + share * SWEEP) * Math.PI) / 180;
  return [50 + r * Math.cos(angle), 50 + r * Math.sin(angle)];
}
function arc(from: number, to: number, r: number): string {
  const [x1, y1] = polar(from, r);
  const [x2, y2] = polar(to, r);
  return `M${x1.toFixed(2)} ${y1.toFixed(2)}A${r} ${r} 0 ${(to - from) * SWEEP > 180 ? 1 : 0} 1 ${x2.toFixed(2)} ${y2.toFixed(2)}`;
}

/** Parts of the scale with their levels, from 0 to 1. */
export function bands(thresholds: Threshold[] | undefined, min: number, max: number): { from: number; to: number; level: string }[] {
  const at = (v: number) => Math.min(1, Math.max(0, (v - min) / (max - min)));
  const sorted = [...(thresholds ?? [])].sort((a, b) => a.at - b.at);
  return sorted
    .map((th, i) => ({ from: at(th.at), to: sorted[i + 1] ? at((sorted[i + 1] as Threshold).at) : 1, level: th.level }))
    .filter((b) => b.to > b.from);
}

export function Gauge({ widget }: { widget: Widget }) {
  const [point = ''] = widget.points ?? [];
  const store = useNews(point ? [point] : []);
  const value = store.value(point);
  const stale = useStale(value?.time ?? null, widget.stale);
  const info = point ? store.info.get(point) : undefined;
  useShown(info, info?.masked);
  if (!point) return <Nothing />;
  if (info?.masked) return <div className="gauge" data-point={point}><Masked of={info} /></div>;
  if (!value) return <Nothing point={point} />;
  const known = store.info.get(point)?.range;
  const min = widget.min ?? known?.min ?? 0;
  const max = Math.max(widget.max ?? known?.max ?? 100, min + 1e-9);
  const n = numberOf(value);
  const share = n === null ? null : Math.min(1, Math.max(0, (n - min) / (max - min)));
  const level = levelOf(n, widget.thresholds);
  const words = valueWords(store, point, value, widget.decimals);
  const sign = unit(store.info.get(point)?.unit);
  const scale = bands(widget.thresholds, min, max);
  const label = `${words} ${sign} (${min} – ${max}) ${levelWord(level)}`;
  return (
    <div className="gauge" data-dial={widget.dial ?? 'arc'} data-level={level ?? undefined} data-stale={stale} data-point={point}>
      {widget.dial === 'bar' ? (
        <>
          <span className="value-big">
            {words}
            <small>{sign}</small>
          </span>
          <svg viewBox="0 0 100 8" preserveAspectRatio="none" className="gauge-bar" role="img" aria-label={label}>
            <rect className="gauge-ground" x={0} y={0} width={100} height={8} />
            {scale.map((b) => (
              <rect key={b.from} className="gauge-band" data-level={b.level} x={100 * b.from} y={6.4} width={100 * (b.to - b.from)} height={1.6} />
            ))}
            {share === null ? null : <rect className="gauge-fill" x={0} y={0} width={100 * share} height={5.6} />}
          </svg>
          <span className="gauge-ends">
            <span>{min}</span>
            <span>{max}</span>
          </span>
        </>
      ) : (
        <svg viewBox="0 0 100 82" className="gauge-arc" role="img" aria-label={label}>
          <path className="gauge-ground" d={arc(0, 1, 40)} />
          {share === null || share === 0 ? null : <path className="gauge-fill" d={arc(0, share, 40)} />}
          {scale.map((b) => (
            <path key={b.from} className="gauge-band" data-level={b.level} d={arc(b.from, b.to, 47)} />
          ))}
          <text x={50} y={54} className="gauge-value">
            {words}
          </text>
          <text x={50} y={66} className="gauge-unit">
            {sign}
          </text>
          <text x={18} y={81} className="gauge-end">
            {min}
          </text>
          <text x={82} y={81} className="gauge-end">
            {max}
          </text>
        </svg>
      )}
      <Foot time={value.time} quality={value.quality} stale={stale} />
    </div>
  );
}
