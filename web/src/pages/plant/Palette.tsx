// Devices and assets below the plan's asset that are not on it yet: dragged onto the picture, or placed in its middle by a button.
import { Button, Input } from 'antd';
import { useRef, useState, type PointerEvent } from 'react';
import type { Asset, Device, Page } from '../../api/types';
import { useResource } from '../../api/useResource';
import { ProblemView } from '../../components/ProblemView';
import { useDelayed } from '../../components/useDelayed';
import { t } from '../../i18n';
import { keyOf, type Marker } from './planEdit';
import type { StageHandle } from './Stage';

type Place = (marker: Omit<Marker, 'x' | 'y'>, at?: [number, number]) => void;

interface Props {
  asset: string;
  placed: ReadonlySet<string>;
  stage: React.RefObject<StageHandle | null>;
  onPlace: Place;
}

function Entry({ marker, name, note, stage, onPlace }: { marker: Omit<Marker, 'x' | 'y'>; name: string; note: string; stage: Props['stage']; onPlace: Place }) {
  const ghost = useRef<HTMLElement | null>(null);
  const follow = (event: PointerEvent) => {
    if (ghost.current) ghost.current.style.transform = `translate(${event.clientX + 6}px, ${event.clientY + 6}px)`;
  };
  const end = (event: PointerEvent, drop: boolean) => {
    if (!ghost.current) return;
    ghost.current.remove();
    ghost.current = null;
    const at = drop ? stage.current?.at(event.clientX, event.clientY) : null;
    if (at) onPlace(marker, at);
  };
  return (
    <li>
      <span
        className="plan-entry"
        onPointerDown={(event) => {
          if (event.button !== 0) return;
          event.preventDefault();
          event.currentTarget.setPointerCapture(event.pointerId);
          const card = document.createElement('div');
          card.className = 'drag-card plan-ghost';
          card.textContent = name;
          document.body.append(card);
          ghost.current = card;
          follow(event);
        }}
        onPointerMove={follow}
        onPointerUp={(event) => end(event, true)}
        onPointerCancel={(event) => end(event, false)}
      >
        <span className="plan-entry-name">{name}</span>
        <span className="dim">{note}</span>
      </span>
      <Button size="small" type="text" aria-label={t('plan.placeOf', { name })} onClick={() => onPlace(marker)}>
        {t('plan.place')}
      </Button>
    </li>
  );
}

export function Palette({ asset, placed, stage, onPlace }: Props) {
  const [search, setSearch] = useState('');
  const [all, setAll] = useState(false);
  const q = useDelayed(search.trim(), 200);
  const devices = useResource<Page<Device>>('devices', { q, asset: all ? null : asset, limit: 200, sort: 'id' });
  const assets = useResource<Page<Asset>>('assets', { limit: 1000 });
  const free = (devices.data?.items ?? []).filter((d) => !placed.has(keyOf({ device: d.id, x: 0, y: 0 })));
  const below = (assets.data?.items ?? []).filter((a) => a.parent === asset && !placed.has(keyOf({ asset: a.id, x: 0, y: 0 })));
  const shown = below.filter((a) => `${a.id} ${a.name}`.toLowerCase().includes(q.toLowerCase()));
  const more = (devices.data?.total ?? 0) > (devices.data?.items.length ?? 0);
  return (
    <aside className="plan-palette" aria-label={t('plan.palette')}>
      <h3>{t('plan.palette')}</h3>
      <Input allowClear size="small" value={search} aria-label={t('devices.search')} placeholder={t('devices.search')} onChange={(e) => setSearch(e.target.value)} />
      <Button size="small" type="link" onClick={() => setAll(!all)}>
        {t(all ? 'plan.below' : 'plan.everywhere')}
      </Button>
      <ProblemView problem={devices.problem} />
      <ul>
        {shown.map((a) => (
          <Entry key={`a:${a.id}`} marker={{ asset: a.id }} name={a.name} note={t(`assetKind.${a.kind as 'line'}`)} stage={stage} onPlace={onPlace} />
        ))}
        {free.map((d) => (
          <Entry key={`d:${d.id}`} marker={{ device: d.id, name: d.name, state: d.state }} name={d.name || d.id} note={d.name ? d.id : ''} stage={stage} onPlace={onPlace} />
        ))}
      </ul>
      {devices.data && free.length === 0 && shown.length === 0 ? <p className="dim">{t('plan.allPlaced')}</p> : null}
      {more ? <p className="dim">{t('plan.searchMore')}</p> : null}
    </aside>
  );
}
