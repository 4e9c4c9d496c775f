// The plan of an asset: its picture with devices where they stand, live; in edit mode they are placed, moved and given a value to show.
import { App, Button, Drawer, Select } from 'antd';
import { lazy, Suspense, useCallback, useEffect, useMemo, useReducer, useRef, useState } from 'react';
import { call, get, seg } from '../../api/client';
import type { StoredFile } from '../../api/fileTypes';
import type { Asset, Device, Page } from '../../api/types';
import { useLive } from '../../api/useLive';
import { useResource } from '../../api/useResource';
import { setLeaveGuard, setQuery } from '../../app/router';
import { useSession } from '../../app/session';
import { EmptyState } from '../../components/EmptyState';
import { Loading } from '../../components/Loading';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { contentUrl } from '../../components/files/Files';
import { t } from '../../i18n';
import type { Filter } from '../devices/bulk';
import { Markers, type Editing } from './Markers';
import { begin, keyOf, planBody, reduce, type Marker } from './planEdit';
import { Palette } from './Palette';
import { Stage, type StageHandle } from './Stage';
import { useMarkerValues } from './useMarkerValues';
import './plant.css';

const PickPicture = lazy(() => import('./PickPicture'));

export interface Plan {
  asset: string;
  file: StoredFile | null;
  markers: Marker[];
  revision: number;
}
const NONE: Marker[] = [];
const REST_MS = 300;

/** New states of devices into the markers, some at once. */
function useMarkerStates(set: (change: (old: Plan | null) => Plan | null) => void) {
  const news = useRef(new Map<string, Marker['state']>());
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  useEffect(
    () => () => {
      if (timer.current) clearTimeout(timer.current);
    },
    [],
  );
  useLive({
    onDevice: (event) => {
      news.current.set(event.device, event.state);
      timer.current ??= setTimeout(() => {
        const told = news.current;
        news.current = new Map();
        timer.current = null;
        set((plan) => {
          if (!plan?.markers.some((m) => m.device !== undefined && told.has(m.device))) return plan;
          return { ...plan, markers: plan.markers.map((m) => (m.device !== undefined && told.has(m.device) ? { ...m, state: told.get(m.device) } : m)) };
        });
      }, REST_MS);
    },
  });
}

/** Ids that the filter of the list finds, wherever their asset is; null: there is no filter. */
function useFound(filter: Filter): ReadonlySet<string> | null {
  const { asset: _, ...rest } = filter;
  const key = JSON.stringify(rest);
  const [found, setFound] = useState<ReadonlySet<string> | null>(null);
  useEffect(() => {
    const asked = JSON.parse(key) as Filter;
    if (!Object.values(asked).some(Boolean)) {
      setFound(null);
      return undefined;
    }
    const abort = new AbortController();
    const read = async () => {
      const ids = new Set<string>();
      let cursor: string | null = null;
      for (let pages = 0; pages < 5; pages++) {
        const page: Page<Device> = await get<Page<Device>>('devices', { ...asked, limit: 1000, cursor }, abort.signal);
        page.items.forEach((d) => ids.add(d.id));
        cursor = page.next ?? null;
        if (!cursor) break;
      }
      setFound(ids);
    };
    read().catch(() => {});
    return () => abort.abort();
  }, [key]);
  return found;
}

function ChosenMarker({ marker, name, onPoint, onRemove }: { marker: Marker; name: string; onPoint: (point?: string) => void; onRemove: () => void }) {
  const points = useResource<Page<{ property: string }>>(marker.device !== undefined ? 'points' : null, { device: marker.device, limit: 1000 });
  return (
    <div className="plan-chosen">
      <strong>{name}</strong>
      {marker.device !== undefined ? (
        <Select
          size="small"
          allowClear
          showSearch
          style={{ minWidth: 160 }}
          aria-label={t('plan.point')}
          placeholder={t('plan.point')}
          value={marker.point}
          options={(points.data?.items ?? []).map((p) => ({ value: p.property, label: p.property }))}
          onChange={(point?: string) => onPoint(point)}
        />
      ) : null}
      <Button size="small" danger onClick={onRemove}>
        {t('plan.remove')}
      </Button>
    </div>
  );
}

interface Props {
  asset: string;
  filter: Filter;
}

export default function PlanView({ asset, filter }: Props) {
  const { may } = useSession();
  const path = `assets/${seg(asset)}`;
  const plan = useResource<Plan>(`${path}/plan`);
  const assets = useResource<Page<Asset>>('assets', { limit: 1000 });
  const names = useMemo(() => new Map((assets.data?.items ?? []).map((a) => [a.id, a.name])), [assets.data]);
  const [editing, setEditing] = useState(false);
  const [picking, setPicking] = useState(false);
  useMarkerStates(plan.set);
  useEffect(() => setEditing(false), [asset]);
  const mayWrite = may('assets.write');

  if (!plan.data) return plan.problem ? <ProblemView problem={plan.problem} retry={plan.reload} /> : <Loading />;
  const save = async (file: string, markers: readonly Marker[]) => {
    const body = planBody({ file, markers });
    const { data } = await call<Plan>('PUT', `${path}/plan`, { json: body, headers: plan.data?.revision ? { 'If-Match': `"${plan.data.revision}"` } : {} });
    plan.set(() => data);
  };
  const picker = picking ? (
    <Drawer open title={t('plan.choosePicture')} size={Math.min(1000, window.innerWidth)} onClose={() => setPicking(false)}>
      <Suspense fallback={<Loading />}>
        <PickPicture
          path={path}
          current={plan.data.file?.id ?? null}
          onPick={async (file) => {
            await save(file.id, plan.data?.markers ?? NONE);
            setPicking(false);
          }}
        />
      </Suspense>
    </Drawer>
  ) : null;
  const title = names.get(asset) ?? asset;
  if (!plan.data.file) {
    return (
      <>
        <EmptyState
          title={t('plan.none', { name: title })}
          hint={t(mayWrite ? 'plan.noneHint' : 'plan.noneHintRead')}
          action={
            mayWrite ? (
              <Button type="primary" onClick={() => setPicking(true)}>
                {t('plan.choosePicture')}
              </Button>
            ) : null
          }
        />
        {picker}
      </>
    );
  }
  return (
    <>
      <Shown
        key={`${asset} ${editing}`}
        plan={plan.data}
        picture={contentUrl(path, plan.data.file, true)}
        title={title}
        names={names}
        filter={filter}
        editing={editing}
        mayWrite={mayWrite}
        onEdit={() => setEditing(true)}
        onPicture={() => setPicking(true)}
        onDone={() => setEditing(false)}
        onSave={(markers) => save(plan.data?.file?.id ?? '', markers)}
        onReload={plan.reload}
      />
      {picker}
    </>
  );
}

interface ShownProps {
  plan: Plan;
  picture: string;
  title: string;
  names: ReadonlyMap<string, string>;
  filter: Filter;
  editing: boolean;
  mayWrite: boolean;
  onEdit: () => void;
  onPicture: () => void;
  onDone: () => void;
  onSave: (markers: readonly Marker[]) => Promise<void>;
  onReload: () => void;
}

function Shown({ plan, picture, title, names, filter, editing, mayWrite, onEdit, onPicture, onDone, onSave, onReload }: ShownProps) {
  const { modal } = App.useApp();
  const stage = useRef<StageHandle>(null);
  const start = { markers: plan.markers, file: plan.file?.id ?? '' };
  const [edit, step] = useReducer(reduce, start, begin);
  const [chosen, setChosen] = useState<string | null>(null);
  const { busy, problem, run } = useAct();
  const markers = editing ? edit.now.markers : plan.markers;
  const dirty = editing && edit.past.length > 0;
  const valueOf = useMarkerValues(markers);
  const stable = useRef(valueOf);
  stable.current = valueOf;
  const valueRef = useCallback((m: Marker) => stable.current(m), []);
  const found = useFound(filter);

  useEffect(() => {
    if (!dirty) return undefined;
    setLeaveGuard((go) =>
      void modal.confirm({
        title: t('plan.leave'),
        okText: t('plan.leaveOk'),
        cancelText: t('action.cancel'),
        okButtonProps: { danger: true },
        onOk: go,
      }),
    );
    return () => setLeaveGuard(null);
  }, [dirty, modal]);
  useEffect(() => {
    if (!editing) return undefined;
    const press = (event: globalThis.KeyboardEvent) => {
      if (!(event.ctrlKey || event.metaKey) || (event.target as Element).closest('input, textarea')) return;
      const letter = event.key.toLowerCase();
      if (letter !== 'z' && letter !== 'y') return;
      event.preventDefault();
      step({ do: letter === 'y' || event.shiftKey ? 'redo' : 'undo' });
    };
    window.addEventListener('keydown', press);
    return () => window.removeEventListener('keydown', press);
  }, [editing]);

  const acts = useMemo<Editing | null>(
    () =>
      editing
        ? {
            chosen,
            choose: setChosen,
            move: (key, x, y) => step({ do: 'move', key, x, y }),
            remove: (key) => {
              step({ do: 'remove', key });
              setChosen(null);
            },
          }
        : null,
    [editing, chosen],
  );
  const placed = useMemo(() => new Set(markers.map(keyOf)), [markers]);
  const place = (marker: Omit<Marker, 'x' | 'y'>, at?: [number, number]) => {
    const [x, y] = at ?? stage.current?.middle() ?? [0.5, 0.5];
    const full = { ...marker, x, y };
    step({ do: 'place', marker: full });
    setChosen(keyOf(full));
  };
  const save = () =>
    void run(async () => {
      await onSave(edit.now.markers);
      onDone();
    }, t('state.saved'));
  const one = markers.find((m) => keyOf(m) === chosen);
  const nameOf = (m: Marker) => (m.device !== undefined ? m.name || m.device : (names.get(m.asset ?? '') ?? m.asset ?? ''));
  return (
    <section className="plan" aria-label={t('plan.of', { name: title })}>
      <div className="toolbar plan-bar">
        <h2>{title}</h2>
        <span className="dim">{t('plan.count', { n: markers.length })}</span>
        {editing && one ? (
          <ChosenMarker
            marker={one}
            name={nameOf(one)}
            onPoint={(point) => step({ do: 'point', key: keyOf(one), point })}
            onRemove={() => acts?.remove(keyOf(one))}
          />
        ) : null}
        <span className="plan-acts">
          {editing ? (
            <>
              <Button disabled={edit.past.length === 0} onClick={() => step({ do: 'undo' })}>
                {t('plan.undo')}
              </Button>
              <Button disabled={edit.future.length === 0} onClick={() => step({ do: 'redo' })}>
                {t('plan.redo')}
              </Button>
              <Button onClick={onDone}>{t('action.cancel')}</Button>
              <Button type="primary" loading={busy} disabled={!dirty} onClick={save}>
                {t('action.save')}
              </Button>
            </>
          ) : (
            <>
              <Button onClick={() => setQuery({ asset: null })}>{t('plan.all')}</Button>
              {mayWrite ? (
                <>
                  <Button onClick={onPicture}>{t('plan.otherPicture')}</Button>
                  <Button type="primary" onClick={onEdit}>
                    {t('plan.edit')}
                  </Button>
                </>
              ) : null}
            </>
          )}
        </span>
      </div>
      <ProblemView problem={problem} retry={problem?.code === 'conflict' ? onReload : undefined} />
      <div className="plan-body">
        {editing ? <Palette asset={plan.asset} placed={placed} stage={stage} onPlace={place} /> : null}
        <Stage ref={stage} picture={picture} label={t('plan.stage', { name: title })} many={markers.length > 120} onGround={() => setChosen(null)}>
          <Markers markers={markers} names={names} found={found} editing={acts} stage={stage} valueOf={valueRef} />
        </Stage>
      </div>
    </section>
  );
}
