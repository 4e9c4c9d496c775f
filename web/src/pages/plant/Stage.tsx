// The picture of a plan with its markers: panned and zoomed by mouse, touch and keys. While it moves nothing is drawn anew but one transform:
// 500 markers follow smoothly. Markers keep their size whatever the zoom.
import { useCallback, useEffect, useImperativeHandle, useLayoutEffect, useRef, useState, type KeyboardEvent, type PointerEvent, type ReactNode, type Ref } from 'react';
import { t } from '../../i18n';
import { fit, fractionAt, panBy, pinch, zoomAt, ZOOM_STEP, type Size, type View } from './viewport';

const MAX = 20;
const STEP = 60; // pixels of an arrow key

export interface StageHandle {
  /** Fractions of the picture at a point of the window; null: outside of the stage. */
  at: (clientX: number, clientY: number) => [number, number] | null;
  middle: () => [number, number];
}

interface Props {
  picture: string;
  label: string;
  /** So many markers that their names are shown from near only. */
  many: boolean;
  children: ReactNode;
  ref?: Ref<StageHandle>;
  /** Pressed where there is no marker. */
  onGround?: () => void;
}

export function Stage({ picture, label, many, children, ref, onGround }: Props) {
  const [box, setBox] = useState<HTMLDivElement | null>(null);
  const layer = useRef<HTMLDivElement>(null);
  const [world, setWorld] = useState<Size | null>(null);
  const [broken, setBroken] = useState(false);
  const view = useRef<View>({ scale: 1, x: 0, y: 0 });
  const fitted = useRef(false);
  const whole0 = useRef(1); // scale at which all of it is seen
  const touches = useRef(new Map<number, [number, number]>());

  const size = useCallback((): Size => ({ width: box?.clientWidth ?? 1, height: box?.clientHeight ?? 1 }), [box]);
  const show = useCallback((next: View) => {
    view.current = next;
    const el = layer.current;
    if (!el) return;
    el.style.transform = `translate(${next.x}px, ${next.y}px) scale(${next.scale})`;
    el.style.setProperty('--unscale', String(1 / next.scale));
    el.toggleAttribute('data-far', next.scale < 1.7 * whole0.current);
  }, []);
  const whole = useCallback(() => {
    if (world) {
      const all = fit(world, size());
      whole0.current = all.scale;
      show(all);
    }
    fitted.current = true;
  }, [world, size, show]);
  const bounds = useCallback((): [number, number] => [world ? fit(world, size()).scale / 2 : 0.01, MAX], [world, size]);
  const zoom = useCallback(
    (by: number, x?: number, y?: number) => {
      const { width, height } = size();
      fitted.current = false;
      show(zoomAt(view.current, by, x ?? width / 2, y ?? height / 2, bounds()));
    },
    [size, show, bounds],
  );

  useLayoutEffect(whole, [whole, box]);
  useEffect(() => {
    if (!box) return undefined;
    const watcher = new ResizeObserver(() => fitted.current && whole());
    watcher.observe(box);
    const wheel = (event: WheelEvent) => {
      event.preventDefault(); // the page would scroll
      const at = box.getBoundingClientRect();
      zoom(Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.05 : 0.0015)), event.clientX - at.left, event.clientY - at.top);
    };
    box.addEventListener('wheel', wheel, { passive: false });
    return () => {
      watcher.disconnect();
      box.removeEventListener('wheel', wheel);
    };
  }, [box, whole, zoom]);

  useImperativeHandle(ref, () => ({
    at: (clientX, clientY) => {
      const r = box?.getBoundingClientRect();
      if (!r || !world || clientX < r.left || clientX > r.right || clientY < r.top || clientY > r.bottom) return null;
      return fractionAt(view.current, world, clientX - r.left, clientY - r.top);
    },
    middle: () => (world ? fractionAt(view.current, world, size().width / 2, size().height / 2) : [0.5, 0.5]),
  }));

  const place = (event: PointerEvent): [number, number] => {
    const r = box?.getBoundingClientRect();
    return [event.clientX - (r?.left ?? 0), event.clientY - (r?.top ?? 0)];
  };
  const down = (event: PointerEvent) => {
    if ((event.target as Element).closest('.plan-marker') || event.button !== 0) return;
    touches.current.set(event.pointerId, place(event));
    event.currentTarget.setPointerCapture(event.pointerId);
    onGround?.();
  };
  const move = (event: PointerEvent) => {
    const was = touches.current.get(event.pointerId);
    if (!was || !world) return;
    const now = place(event);
    const others = [...touches.current].filter(([id]) => id !== event.pointerId).map(([, p]) => p);
    touches.current.set(event.pointerId, now);
    fitted.current = false;
    const other = others[0];
    if (other) show(pinch(view.current, [was, other], [now, other], bounds()));
    else show(panBy(view.current, now[0] - was[0], now[1] - was[1], world, size()));
  };
  const up = (event: PointerEvent) => touches.current.delete(event.pointerId);

  const key = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget || !world) return;
    const pan = (dx: number, dy: number) => show(panBy(view.current, dx, dy, world, size()));
    const keys: Record<string, () => void> = {
      ArrowLeft: () => pan(STEP, 0),
      ArrowRight: () => pan(-STEP, 0),
      ArrowUp: () => pan(0, STEP),
      ArrowDown: () => pan(0, -STEP),
      '+': () => zoom(ZOOM_STEP),
      '=': () => zoom(ZOOM_STEP),
      '-': () => zoom(1 / ZOOM_STEP),
      '0': whole,
    };
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  };
  return (
    <div className="stage-frame">
      <div
        ref={setBox}
        className="stage"
        role="group"
        aria-label={label}
        tabIndex={0}
        onPointerDown={down}
        onPointerMove={move}
        onPointerUp={up}
        onPointerCancel={up}
        onKeyDown={key}
      >
        <div ref={layer} className="stage-layer" data-many={many || undefined} style={world ? { width: world.width, height: world.height } : undefined}>
          <img
            src={picture}
            alt=""
            draggable={false}
            onError={() => setBroken(true)}
            onLoad={(event) => {
              const { naturalWidth: width, naturalHeight: height } = event.currentTarget;
              setBroken(false);
              setWorld((old) => (old && old.width === width && old.height === height ? old : { width, height }));
            }}
          />
          {world ? children : null}
        </div>
        {broken ? <p className="stage-note" role="alert">{t('files.broken')}</p> : null}
      </div>
      <div className="stage-zoom" role="group" aria-label={t('plan.zoom')}>
        <button type="button" aria-label={t('plan.zoomIn')} onClick={() => zoom(ZOOM_STEP)}>
          +
        </button>
        <button type="button" aria-label={t('plan.zoomOut')} onClick={() => zoom(1 / ZOOM_STEP)}>
          −
        </button>
        <button type="button" aria-label={t('plan.whole')} title={t('plan.whole')} onClick={whole}>
          ⤢
        </button>
      </div>
    </div>
  );
}
