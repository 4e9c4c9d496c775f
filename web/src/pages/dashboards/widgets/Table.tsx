import { seg } from '../../../api/client';
import { joinPoint } from '../../../api/points';
import { qualityClass } from '../../../api/quality';
import { ClassMark, Masked } from '../../../components/DataClass';
import { QualityMark } from '../../../components/Marks';
import { pick, t } from '../../../i18n';
import { unit } from '../../../i18n/format';
import type { Widget } from '../model';
import { Ago, Nothing, pointWords, useNews, useStale, useStore, valueWords } from './parts';

function Cell({ point, widget, full }: { point: string; widget: Widget; full: boolean }) {
  const store = useNews([point]);
  const value = store.value(point);
  const stale = useStale(value?.time ?? null, widget.stale);
  const info = store.info.get(point);
  const odd = value && qualityClass(value.quality) !== 'good';
  const shown = (
    <td className="right" data-point={point} data-stale={stale}>
      <span className="value" title={value ? undefined : t(store.info.has(point) ? 'board.noValue' : 'board.noPoint')}>
        {info?.masked ? <Masked of={info} /> : valueWords(store, point, value, widget.decimals)}{' '}
        <small>{value ? unit(info?.unit) : ''}</small>
      </span>
      {full ? <ClassMark of={info} masked={info?.masked} /> : null}
      {!full && odd ? <QualityMark quality={value.quality} /> : null}
    </td>
  );
  if (!full) return shown;
  return (
    <>
      {shown}
      <td>{value ? <QualityMark quality={value.quality} /> : <span className="dim">–</span>}</td>
      <td className="right">{value ? <Ago time={value.time} /> : <span className="dim">–</span>}</td>
    </>
  );
}

function PointRows({ widget }: { widget: Widget }) {
  const points = widget.points ?? [];
  const store = useNews(points);
  return (
    <table className="widget-table">
      <thead>
        <tr>
          <th scope="col">{t('point.name')}</th>
          <th scope="col" className="right">
            {t('point.value')}
          </th>
          <th scope="col">{t('point.quality')}</th>
          <th scope="col" className="right">
            {t('point.age')}
          </th>
        </tr>
      </thead>
      <tbody>
        {points.map((point) => (
          <tr key={point}>
            <th scope="row" title={point}>
              {pointWords(store, point, true)}
            </th>
            <Cell point={point} widget={widget} full />
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function DeviceName({ id }: { id: string }) {
  const store = useNews([`device:${id}`]);
  const device = store.devices.get(id);
  return (
    <th scope="row" title={id}>
      {store.linked ? (
        <a href={`/devices/${seg(id)}`} className="mark" data-state={device?.state}>
          {device?.name || id}
        </a>
      ) : (
        <span className="mark" data-state={device?.state}>
          {device?.name || id}
        </span>
      )}
    </th>
  );
}

function DeviceRows({ widget }: { widget: Widget }) {
  const store = useStore();
  const devices = widget.devices ?? [];
  const properties = widget.properties ?? [];
  const title = (property: string) => {
    const info = devices.map((d) => store.info.get(joinPoint(d, property))).find(Boolean);
    return pick(info?.name, property);
  };
  return (
    <table className="widget-table">
      <thead>
        <tr>
          <th scope="col">{t('nav.devices')}</th>
          {properties.map((p) => (
            <th key={p} scope="col" className="right" title={p}>
              {title(p)}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {devices.map((id) => (
          <tr key={id}>
            <DeviceName id={id} />
            {properties.map((p) => (
              <Cell key={p} point={joinPoint(id, p)} widget={widget} full={false} />
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function ValueTable({ widget }: { widget: Widget }) {
  const grid = (widget.devices ?? []).length > 0;
  if (!grid && (widget.points ?? []).length === 0) return <Nothing />;
  return (
    <div className="widget-scroll" tabIndex={0} role="region" aria-label={widget.title || t('kind.table')}>
      {grid ? <DeviceRows widget={widget} /> : <PointRows widget={widget} />}
    </div>
  );
}
