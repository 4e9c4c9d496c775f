import { ClassMark, Masked } from '../../../components/DataClass';
import { QualityMark } from '../../../components/Marks';
import { qualityClass } from '../../../api/quality';
import { t } from '../../../i18n';
import { unit } from '../../../i18n/format';
import { levelOf, type Level, type Widget } from '../model';
import { Ago, Nothing, numberOf, pointWords, useNews, useStale, valueWords } from './parts';

/** Seconds of age, and the quality when it is not good. */
export function Foot({ time, quality, stale }: { time: number; quality: number; stale: boolean }) {
  return (
    <span className="widget-foot" data-stale={stale}>
      {qualityClass(quality) === 'good' ? null : <QualityMark quality={quality} />}
      {stale ? <span className="tag">{t('board.stale')}</span> : null}
      <Ago time={time} />
    </span>
  );
}

export function levelWord(level: Level | null): string {
  return level ? t(`grade.${level}`) : '';
}

export function ValueTile({ widget }: { widget: Widget }) {
  const [point = ''] = widget.points ?? [];
  const store = useNews(point ? [point] : []);
  const value = store.value(point);
  const stale = useStale(value?.time ?? null, widget.stale);
  if (!point) return <Nothing />;
  const info = store.info.get(point);
  if (info?.masked) return <div className="value-tile" data-point={point}><Masked of={info} /></div>;
  if (!value) return <Nothing point={point} />;
  const level = levelOf(numberOf(value), widget.thresholds);
  return (
    <div className="value-tile" data-level={level ?? undefined} data-stale={stale} data-point={point}>
      {widget.title ? <span className="widget-label">{pointWords(store, point, true)}</span> : null}
      <span className="value-big">
        {valueWords(store, point, value, widget.decimals)}
        <small>{unit(store.info.get(point)?.unit)}</small>
      </span>
      {level ? <span className="hidden">{levelWord(level)}</span> : null}
      <Foot time={value.time} quality={value.quality} stale={stale} />
      <ClassMark of={info} />
    </div>
  );
}
