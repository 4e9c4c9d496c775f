// The markers of a plan. Each is drawn anew only when it has changed itself.
import { memo, useRef, useState, type KeyboardEvent, type PointerEvent } from 'react';
import { seg } from '../../api/client';
import { navigate } from '../../app/router';
import { StateMark } from '../../components/Marks';
import { t } from '../../i18n';
import { keyOf, type Marker } from './planEdit';
import type { StageHandle } from './Stage';

export interface Editing {
  chosen: string | null;
  choose: (key: string | null) => void;
  move: (key: string, x: number, y: number) => void;
  remove: (key: string) => void;
}

interface OneProps {
  marker: Marker;
  /** Of an asset: from the list of assets. */
  name: string;
  dim: boolean;
  chosen: boolean;
  editing: Editing | null;
  stage: React.RefObject<StageHandle | null>;
  valueOf: (marker: Marker) => (el: HTMLElement | null) => (() => void) | undefined;
}

const NUDGE = 0.005;
const part = (v: number) => Math.min(1, Math.max(0, Math.round(v * 1e6) / 1e6));

const One = memo(function One({ marker, name, dim, chosen, editing, stage, valueOf }: OneProps) {
  const key = keyOf(marker);
  const el = useRef<HTMLButtonElement>(null);
  const drag = useRef<{ id: number; x: number; y: number; moved: boolean; grip: [number, number] } | null>(null);
  const [near, setNear] = useState(false);
  const go = () => {
    if (marker.device !== undefined) navigate(`/devices/${seg(marker.device)}`);
    else navigate(`/devices?as=plan&asset=${encodeURIComponent(marker.asset ?? '')}`);
  };
  const down = (event: PointerEvent) => {
    if (!editing || event.button !== 0) return;
    event.stopPropagation();
    event.currentTarget.setPointerCapture(event.pointerId);
    const at = stage.current?.at(event.clientX, event.clientY) ?? [marker.x, marker.y];
    const grip: [number, number] = [at[0] - marker.x, at[1] - marker.y]; // it does not jump to the pointer
    drag.current = { id: event.pointerId, x: event.clientX, y: event.clientY, moved: false, grip };
    editing.choose(key);
  };
  const held = (event: PointerEvent, grip: [number, number]): [number, number] | null => {
    const at = stage.current?.at(event.clientX, event.clientY);
    return at ? [part(at[0] - grip[0]), part(at[1] - grip[1])] : null;
  };
  const move = (event: PointerEvent) => {
    const d = drag.current;
    if (!d || d.id !== event.pointerId) return;
    if (!d.moved && Math.hypot(event.clientX - d.x, event.clientY - d.y) < 3) return;
    d.moved = true;
    const at = held(event, d.grip);
    if (!at || !el.current) return;
    el.current.style.left = `${at[0] * 100}%`; // drawn at once; told when it is let go
    el.current.style.top = `${at[1] * 100}%`;
  };
  const up = (event: PointerEvent) => {
    const d = drag.current;
    drag.current = null;
    if (!d?.moved || !editing) return;
    const at = held(event, d.grip);
    if (at) editing.move(key, at[0], at[1]);
    else if (el.current) {
      el.current.style.left = `${marker.x * 100}%`;
      el.current.style.top = `${marker.y * 100}%`;
    }
  };
  const press = (event: KeyboardEvent) => {
    if (!editing) return;
    const step = event.shiftKey ? NUDGE * 5 : NUDGE;
    const by: Record<string, [number, number]> = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    const [dx, dy] = by[event.key] ?? [0, 0];
    if (dx !== 0 || dy !== 0) {
      editing.move(key, part(marker.x + dx), part(marker.y + dy));
    } else if (event.key === 'Delete' || event.key === 'Backspace') editing.remove(key);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const label = name || marker.device || marker.asset || '';
  return (
    <button
      ref={el}
      type="button"
      className="plan-marker"
      data-state={marker.device !== undefined ? (marker.state ?? 'never') : undefined}
      data-kind={marker.device !== undefined ? 'device' : 'asset'}
      data-dim={dim || undefined}
      data-chosen={chosen || undefined}
      data-edge={marker.x > 0.86 ? 'right' : undefined}
      aria-label={marker.device !== undefined ? `${label} · ${t(`device.${marker.state ?? 'never'}`)}` : label}
      aria-pressed={editing ? chosen : undefined}
      style={{ left: `${marker.x * 100}%`, top: `${marker.y * 100}%` }}
      onPointerDown={down}
      onPointerMove={move}
      onPointerUp={up}
      onClick={() => (editing ? editing.choose(key) : go())}
      onKeyDown={press}
      onMouseEnter={() => setNear(true)}
      onMouseLeave={() => setNear(false)}
      onFocus={() => setNear(true)}
      onBlur={() => setNear(false)}
    >
      <span className="plan-dot" aria-hidden="true" />
      <span className="plan-text">
        <span className="plan-name">{label}</span>
        {marker.point ? <span className="plan-value" ref={valueOf(marker)} /> : null}
      </span>
      {near && !editing && marker.device !== undefined ? (
        <span className="plan-card" role="tooltip">
          <strong>{label}</strong>
          <span className="mono">{marker.device}</span>
          <StateMark state={marker.state ?? 'never'} />
          {marker.point ? (
            <span>
              {marker.point} <span ref={valueOf(marker)} />
            </span>
          ) : null}
          <span className="dim">{t('plan.open')}</span>
        </span>
      ) : null}
    </button>
  );
});

interface Props {
  markers: readonly Marker[];
  names: ReadonlyMap<string, string>;
  /** Devices that the filter finds; null: no filter. */
  found: ReadonlySet<string> | null;
  editing: Editing | null;
  stage: React.RefObject<StageHandle | null>;
  valueOf: OneProps['valueOf'];
}

export function Markers({ markers, names, found, editing, stage, valueOf }: Props) {
  return markers.map((m) => {
    const key = keyOf(m);
    return (
      <One
        key={key}
        marker={m}
        name={m.device !== undefined ? (m.name ?? '') : (names.get(m.asset ?? '') ?? '')}
        dim={found !== null && m.device !== undefined && !found.has(m.device)}
        chosen={editing?.chosen === key}
        editing={editing}
        stage={stage}
        valueOf={valueOf}
      />
    );
  });
}
