import { seg } from '../../../api/client';
import { t } from '../../../i18n';
import { toMs } from '../../../i18n/format';
import type { Widget } from '../model';
import { Ago, Nothing, useNews } from './parts';

export function States({ widget }: { widget: Widget }) {
  const ids = widget.devices ?? [];
  const store = useNews(ids.map((id) => `device:${id}`));
  if (ids.length === 0) return <Nothing />;
  const count = (state: string) => ids.filter((id) => store.devices.get(id)?.state === state).length;
  return (
    <div className="states" tabIndex={0} role="region" aria-label={widget.title || t('kind.devices')}>
      <p className="states-sum">
        {(['online', 'offline', 'never'] as const).map((state) => (
          <span key={state} className="mark" data-state={state}>
            {t(`device.${state}`)} {count(state)}
          </span>
        ))}
      </p>
      <ul>
        {ids.map((id) => {
          const device = store.devices.get(id);
          const since = toMs(device?.since);
          const name = device?.name || id;
          const state = device ? t(`device.${device.state}`) : t('board.noDevice');
          return (
            <li key={id} data-state={device?.state ?? 'none'} data-device={id}>
              {store.linked && device ? (
                <a href={`/devices/${seg(id)}`} title={id}>
                  {name}
                </a>
              ) : (
                <span title={id}>{name}</span>
              )}
              <span className="mark" data-state={device?.state}>
                {state}
                {since === null ? null : (
                  <>
                    {' '}
                    <Ago time={since} />
                  </>
                )}
              </span>
            </li>
          );
        })}
      </ul>
    </div>
  );
}
