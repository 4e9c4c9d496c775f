// Who uses a thing model: devices and models below, each a link to them.
import { useEffect, useState } from 'react';
import { get, seg } from '../../api/client';
import type { Device, Page, Thing } from '../../api/types';
import { useResource } from '../../api/useResource';
import { t } from '../../i18n';
import { count } from '../../i18n/format';

/** How many devices use the model; who may not read all devices asks for those he may read. */
export function DeviceCount({ thing, known }: { thing: string; known?: number | undefined }) {
  const [total, setTotal] = useState<number | null>(known ?? null);
  useEffect(() => {
    if (known !== undefined) {
      setTotal(known);
      return;
    }
    get<Page<Device>>('devices', { thing, limit: 1 }).then(
      (page) => setTotal(page.total ?? page.items.length),
      () => {},
    );
  }, [thing, known]);
  return <a href={`/devices?thing=${encodeURIComponent(thing)}`}>{count(total)}</a>;
}

export function ChildCount({ thing, children }: { thing: string; children?: number | undefined }) {
  return children ? <a href={`/things?extends=${encodeURIComponent(thing)}`}>{count(children)}</a> : <>{count(children ?? 0)}</>;
}

interface Found {
  devices?: number;
  children: number;
}

export function Uses({ thing }: { thing: Thing }) {
  const { data } = useResource<Found>(`things/${seg(thing.id)}/uses`);
  return (
    <>
      {thing.extends ? (
        <span className="uses">
          {t('thing.extends')} <a href={`/things/${seg(thing.extends)}`}>{thing.extends}</a>
        </span>
      ) : null}
      {data ? (
        <span className="uses">
          {t('thing.usedBy')} <DeviceCount thing={thing.id} known={data.devices} />
        </span>
      ) : null}
      {data ? (
        <span className="uses">
          {t('thing.children')} <ChildCount thing={thing.id}>{data.children}</ChildCount>
        </span>
      ) : null}
    </>
  );
}
