// The map of devices: tiles of an own server when there is one, else a graticule; devices gathered when they would lie upon each other.
import { Button } from 'antd';
import { useCallback, useEffect, useMemo, useRef, useState, type KeyboardEvent, type PointerEvent } from 'react';
import { seg } from '../../api/client';
import type { Asset, Page } from '../../api/types';
import { useResource } from '../../api/useResource';
import { navigate, setQuery } from '../../app/router';
import { useSession } from '../../app/session';
import { EmptyState } from '../../components/EmptyState';
import { Loading } from '../../components/Loading';
import { StateMark } from '../../components/Marks';
import { ProblemView } from '../../components/ProblemView';
import { t, useLanguage } from '../../i18n';
import { count } from '../../i18n/format';
import type { Filter } from '../devices/bulk';
import { cluster, type Mark, type Spot } from './cluster';
import { draw, hit, type Drawn, type Label } from './mapDraw';
import { boxOf, fitMap, pixelsOf, toScreen, within, worldOf, zoomMap, type Box, type MapView as View } from './projection';
import { useTiles } from './tiles';
import { useMapData } from './useMapData';
import type { Size } from './viewport';
import './plant.css';

const SQUARE = 44; // pixels of a square in which devices are one mark
const STEP = 80; // pixels of an arrow key
const LISTED = 100;
const IDLE_MS = 250;

function InView({ spots }: { spots: Spot[] }) {
  return (
    <aside className="map-list" aria-label={t('map.inView')}>
      <h3>
        {t('map.inView')} <span className="dim">{count(spots.length)}</span>
      </h3>
      <ul>
        {spots.slice(0, LISTED).map((s) => (
          <li key={s.id}>
            <a href={`/devices/${seg(s.id)}`}>{s.name || s.id}</a>
            <StateMark state={s.state} />
          </li>
        ))}
      </ul>
      {spots.length > LISTED ? <p className="dim">{t('map.inViewMore', { n: count(spots.length - LISTED) })}</p> : null}
    </aside>
  );
}

/** Beside the mark, within the map. */
const cardAt = (d: Drawn, { width, height }: Size) => `translate(${Math.min(d.sx + 14, width - 190)}px, ${Math.min(d.sy + 12, height - 90)}px)`;

/** The place in the address, so that a link and the back button show the same: "45.75,126.65,12". */
function viewOf(text: string | null): View | null {
  const [lat, lon, zoom] = (text ?? '').split(',').map(Number);
  if (lat === undefined || lon === undefined || zoom === undefined || [lat, lon, zoom].some(Number.isNaN)) return null;
  const [x, y] = worldOf(lat, lon);
  return within({ x, y, zoom });
}

export default function MapView({ filter }: { filter: Filter }) {
  const { may } = useSession();
  useLanguage();
  const tiles = useTiles();
  const { data, problem, moved, reload } = useMapData(filter, tiles.shift);
  const assets = useResource<Page<Asset>>(may('assets.read') ? 'assets' : null, { limit: 1000 });
  const labels = useMemo<Label[]>(
    () =>
      (assets.data?.items ?? []).flatMap((a) => {
        if (!a.location) return [];
        const [x, y] = worldOf(...tiles.shift(a.location.lat, a.location.lon));
        return [{ id: a.id, name: a.name, x, y }];
      }),
    [assets.data, tiles.shift],
  );
  if (problem && !data) return <ProblemView problem={problem} retry={reload} />;
  if (!data) return <Loading />;
  if (data.placed === 0 && labels.length === 0) {
    return <EmptyState title={t('map.none')} hint={t('map.noneHint')} action={<Button onClick={() => setQuery({ as: null })}>{t('view.list')}</Button>} />;
  }
  return (
    <section className="map-view" aria-label={t('map.title')}>
      <ProblemView problem={problem} retry={reload} />
      <div className="toolbar">
        <span className="dim">{t('map.counts', { placed: count(data.placed), total: count(data.total) })}</span>
        {data.marks.length > 0 ? <span className="dim">{t('map.gathered')}</span> : null}
      </div>
      <Canvas spots={data.spots} marks={data.marks} extent={data.extent} labels={labels} tiles={tiles} moved={moved} />
    </section>
  );
}

interface CanvasProps {
  spots: Spot[];
  marks: Mark[];
  extent: Box | null;
  labels: Label[];
  tiles: ReturnType<typeof useTiles>;
  moved: (box: Box) => void;
}

function Canvas({ spots, marks, extent, labels, tiles, moved }: CanvasProps) {
  const [canvas, setCanvas] = useState<HTMLCanvasElement | null>(null);
  const view = useRef<View | null>(viewOf(new URLSearchParams(location.search).get('at')));
  const drawn = useRef<Drawn[]>([]);
  const [over, setOver] = useState<Drawn | null>(null);
  const overMark = useRef<Mark | null>(null);
  overMark.current = over?.mark ?? null;
  const [seen, setSeen] = useState<Spot[]>([]);
  const frame = useRef(0);
  const idle = useRef<ReturnType<typeof setTimeout> | null>(null);
  const touches = useRef(new Map<number, [number, number]>());
  const pressed = useRef<{ x: number; y: number; moved: boolean } | null>(null);
  const grouped = useRef<{ zoom: number; of: unknown; marks: Mark[] } | null>(null);

  const size = useCallback((): Size => ({ width: canvas?.clientWidth || 1, height: canvas?.clientHeight || 1 }), [canvas]);
  const all = useCallback((): View => {
    const places: Box = extent ?? [-180, -60, 180, 70];
    const box = labels.reduce<Box>(
      (b, l) => {
        const lon = (l.x - 0.5) * 360;
        const lat = (Math.atan(Math.sinh((0.5 - l.y) * 2 * Math.PI)) * 180) / Math.PI;
        return extent ? [Math.min(b[0], lon), Math.min(b[1], lat), Math.max(b[2], lon), Math.max(b[3], lat)] : b;
      },
      places,
    );
    const [s, w] = tiles.shift(box[1], box[0]);
    const [n, e] = tiles.shift(box[3], box[2]);
    return fitMap([w, s, e, n], size());
  }, [extent, labels, size, tiles]);

  const marksNow = useCallback(
    (zoom: number): Mark[] => {
      if (marks.length > 0) return marks;
      const whole = Math.round(zoom * 4) / 4; // not at each step of a wheel
      const known = grouped.current;
      if (known && known.zoom === whole && known.of === spots) return known.marks;
      const made = cluster(spots, SQUARE / pixelsOf(whole));
      grouped.current = { zoom: whole, of: spots, marks: made };
      return made;
    },
    [spots, marks],
  );
  const paint = useCallback(() => {
    cancelAnimationFrame(frame.current);
    frame.current = requestAnimationFrame(() => {
      if (!canvas) return;
      view.current ??= all();
      drawn.current = draw(canvas, {
        view: view.current,
        size: size(),
        marks: marksNow(view.current.zoom),
        labels,
        over: overMark.current,
        north: t('map.north'),
        tile: tiles.tile,
      });
    });
  }, [canvas, all, size, marksNow, labels, tiles]);
  const rest = useCallback(() => {
    if (idle.current) clearTimeout(idle.current);
    idle.current = setTimeout(() => {
      const v = view.current;
      if (!v) return;
      const box = boxOf(v, size());
      moved(box);
      const s = size();
      setSeen(
        spots.filter((spot) => {
          const [sx, sy] = toScreen(v, s, [spot.x, spot.y]);
          return sx >= 0 && sy >= 0 && sx <= s.width && sy <= s.height;
        }),
      );
    }, IDLE_MS);
  }, [moved, size, spots]);
  const show = useCallback(
    (next: View) => {
      view.current = within(next);
      setOver(null);
      paint();
      rest();
    },
    [paint, rest],
  );
  useEffect(() => {
    paint();
    rest();
  }, [paint, rest]);
  useEffect(() => tiles.onLoad(paint), [tiles, paint]);
  useEffect(() => {
    if (!canvas) return undefined;
    const watcher = new ResizeObserver(paint);
    watcher.observe(canvas);
    const theme = new MutationObserver(paint);
    theme.observe(document.documentElement, { attributes: true });
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      if (!view.current) return;
      const r = canvas.getBoundingClientRect();
      const steps = -event.deltaY * (event.deltaMode === 1 ? 0.06 : 0.0022);
      show(zoomMap(view.current, size(), steps, event.clientX - r.left, event.clientY - r.top));
    };
    canvas.addEventListener('wheel', wheel, { passive: false });
    return () => {
      watcher.disconnect();
      theme.disconnect();
      canvas.removeEventListener('wheel', wheel);
      cancelAnimationFrame(frame.current);
      if (idle.current) clearTimeout(idle.current);
    };
  }, [canvas, paint, show, size]);

  const place = (event: PointerEvent): [number, number] => {
    const r = canvas?.getBoundingClientRect();
    return [event.clientX - (r?.left ?? 0), event.clientY - (r?.top ?? 0)];
  };
  const down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    const [x, y] = place(event);
    touches.current.set(event.pointerId, [x, y]);
    pressed.current = { x, y, moved: touches.current.size > 1 };
    event.currentTarget.setPointerCapture(event.pointerId);
  };
  const move = (event: PointerEvent) => {
    const now = place(event);
    const was = touches.current.get(event.pointerId);
    const v = view.current;
    if (!v) return;
    if (!was) {
      const found = hit(drawn.current, now[0], now[1]);
      if (found?.mark !== over?.mark) {
        setOver(found);
        overMark.current = found?.mark ?? null;
        paint();
      }
      return;
    }
    const p = pressed.current;
    if (p && !p.moved && Math.hypot(now[0] - p.x, now[1] - p.y) < 4) return;
    if (p) p.moved = true;
    const other = [...touches.current].find(([id]) => id !== event.pointerId)?.[1];
    touches.current.set(event.pointerId, now);
    if (other) {
      const span = (a: [number, number]) => Math.hypot(a[0] - other[0], a[1] - other[1]) || 1;
      show(zoomMap(v, size(), Math.log2(span(now) / span(was)), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2));
    } else {
      const px = pixelsOf(v.zoom);
      show({ ...v, x: v.x - (now[0] - was[0]) / px, y: v.y - (now[1] - was[1]) / px });
    }
  };
  const up = (event: PointerEvent) => {
    touches.current.delete(event.pointerId);
    const p = pressed.current;
    pressed.current = null;
    const v = view.current;
    if (!p || p.moved || !v) return;
    const found = hit(drawn.current, p.x, p.y);
    if (found?.mark.spot) {
      keep(v);
      navigate(`/devices/${seg(found.mark.spot.id)}`);
    } else if (found) show(zoomMap({ ...v, x: found.mark.x, y: found.mark.y }, size(), 2));
  };
  /** The place into the address, for the way back. */
  const keep = (v: View) => {
    const lat = (Math.atan(Math.sinh((0.5 - v.y) * 2 * Math.PI)) * 180) / Math.PI;
    setQuery({ at: `${lat.toFixed(5)},${((v.x - 0.5) * 360).toFixed(5)},${v.zoom.toFixed(2)}` });
  };
  const key = (event: KeyboardEvent) => {
    const v = view.current;
    if (!v) return;
    const px = pixelsOf(v.zoom);
    const keys: Record<string, () => View> = {
      ArrowLeft: () => ({ ...v, x: v.x - STEP / px }),
      ArrowRight: () => ({ ...v, x: v.x + STEP / px }),
      ArrowUp: () => ({ ...v, y: v.y - STEP / px }),
      ArrowDown: () => ({ ...v, y: v.y + STEP / px }),
      '+': () => zoomMap(v, size(), 0.5),
      '=': () => zoomMap(v, size(), 0.5),
      '-': () => zoomMap(v, size(), -0.5),
      '0': all,
    };
    const next = keys[event.key]?.();
    if (!next) return;
    event.preventDefault();
    show(next);
  };
  const zoomBy = (steps: number) => view.current && show(zoomMap(view.current, size(), steps));
  return (
    <div className="map-body">
      <div className="map-frame">
        <canvas
          ref={setCanvas}
          role="application"
          aria-label={t('map.stage')}
          tabIndex={0}
          data-over={over ? true : undefined}
          onPointerDown={down}
          onPointerMove={move}
          onPointerUp={up}
          onPointerCancel={up}
          onPointerLeave={() => setOver(null)}
          onKeyDown={key}
        />
        {over ? (
          <div className="map-card" role="tooltip" style={{ transform: cardAt(over, size()) }}>
            {over.mark.spot ? (
              <>
                <strong>{over.mark.spot.name || over.mark.spot.id}</strong>
                <span className="mono">{over.mark.spot.id}</span>
                <StateMark state={over.mark.spot.state} />
                <span className="dim">
                  {over.mark.spot.lat.toFixed(5)}, {over.mark.spot.lon.toFixed(5)}
                </span>
              </>
            ) : (
              <>
                <strong>{t('map.cluster', { n: count(over.mark.n) })}</strong>
                {(['online', 'offline', 'never'] as const).map((s) => (over.mark[s] > 0 ? <span key={s}>{t(`device.${s}`)} {count(over.mark[s])}</span> : null))}
              </>
            )}
          </div>
        ) : null}
        {tiles.attribution ? <div className="map-credit">{tiles.attribution}</div> : null}
        <div className="stage-zoom" role="group" aria-label={t('plan.zoom')}>
          <button type="button" aria-label={t('plan.zoomIn')} onClick={() => zoomBy(1)}>
            +
          </button>
          <button type="button" aria-label={t('plan.zoomOut')} onClick={() => zoomBy(-1)}>
            −
          </button>
          <button type="button" aria-label={t('plan.whole')} title={t('plan.whole')} onClick={() => show(all())}>
            ⤢
          </button>
        </div>
      </div>
      {marks.length === 0 ? <InView spots={seen} /> : null}
    </div>
  );
}
