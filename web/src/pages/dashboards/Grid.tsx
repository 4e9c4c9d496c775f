// The grid: widgets where they stand. In the editor they are moved and resized by the pointer (by the
// head, and by the corner) or by keys when one has the focus.
import { useEffect, useRef, useState, type KeyboardEvent, type PointerEvent } from 'react';
import { t } from '../../i18n';
import { arranged, COLUMNS, readingOrder, type Box } from './layout';
import type { Widget } from './model';
import type { View } from './widgets/Chart';
import { useTitle, WidgetBody, WidgetFrame } from './widgets';

const ROW = 40;
const GAP = 10;

const area = (box: Box) => ({ gridColumn: `${box.x + 1} / span ${box.w}`, gridRow: `${box.y + 1} / span ${box.h}` });

export function Grid({ widgets, view }: { widgets: Widget[]; view: View }) {
  return (
    <div className="board">
      {readingOrder(widgets).map((widget) => (
        <div key={widget.id} className="board-cell" style={area(widget)}>
          <WidgetFrame widget={widget} view={view} />
        </div>
      ))}
    </div>
  );
}

interface EditorProps {
  widgets: Widget[];
  view: View;
  selected: string | null;
  onSelect: (id: string | null) => void;
  /** kind: steps of the same kind in quick succession are one. */
  onArrange: (widgets: Widget[], kind: string) => void;
  onRemove: (id: string) => void;
  onCopy: (id: string) => void;
}

interface Drag {
  id: string;
  part: 'move' | 'size';
  startX: number;
  startY: number;
  box: Box;
}

/** What a key does to a box; null when it does nothing. */
export function keyBox(key: string, shift: boolean, box: Box): Partial<Box> | null {
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key] ?? [0, 0];
  if (dx === 0 && dy === 0) return null;
  if (shift) return { w: Math.min(COLUMNS - box.x, Math.max(1, box.w + (dx ?? 0))), h: Math.max(1, box.h + (dy ?? 0)) };
  return { x: box.x + (dx ?? 0), y: Math.max(0, box.y + (dy ?? 0)) };
}

interface CellProps {
  widget: Widget;
  view: View;
  selected: boolean;
  dragged: boolean;
  onKey: (event: KeyboardEvent, widget: Widget) => void;
  onSelect: (id: string) => void;
  onGrab: (event: PointerEvent, widget: Widget, part: Drag['part']) => void;
}

function EditorCell({ widget, view, selected, dragged, onKey, onSelect, onGrab }: CellProps) {
  const title = useTitle(widget) || t(`kind.${widget.kind}`);
  const place = t('board.place', { x: widget.x + 1, y: widget.y + 1, w: widget.w, h: widget.h });
  return (
    <div
      className="board-cell"
      style={area(widget)}
      data-selected={selected}
      data-dragged={dragged}
      data-widget={widget.id}
      data-box={`${widget.x},${widget.y},${widget.w},${widget.h}`}
      role="group"
      tabIndex={0}
      aria-label={`${title}, ${place}`}
      aria-describedby="board-keys"
      onKeyDown={(event) => onKey(event, widget)}
      onFocus={(event) => event.target === event.currentTarget && onSelect(widget.id)}
    >
      <section className="widget" data-kind={widget.kind}>
        <div className="widget-head grab" onPointerDown={(event) => onGrab(event, widget, 'move')}>
          <h2>{title}</h2>
        </div>
        <div className="widget-still" onPointerDown={() => onSelect(widget.id)}>
          <WidgetBody widget={widget} view={view} />
        </div>
      </section>
      <span className="resize" aria-hidden="true" onPointerDown={(event) => onGrab(event, widget, 'size')} />
    </div>
  );
}

export function GridEditor({ widgets, view, selected, onSelect, onArrange, onRemove, onCopy }: EditorProps) {
  const el = useRef<HTMLDivElement>(null);
  const [drag, setDrag] = useState<Drag | null>(null);
  const [preview, setPreview] = useState<Widget[] | null>(null);
  const [said, setSaid] = useState('');
  const shown = preview ?? widgets;
  const latest = useRef<Widget[] | null>(null);
  latest.current = preview;

  useEffect(() => {
    if (!drag) return undefined;
    const cell = ((el.current?.clientWidth ?? 1200) + GAP) / COLUMNS;
    const move = (event: globalThis.PointerEvent) => {
      const dx = Math.round((event.clientX - drag.startX) / cell);
      const dy = Math.round((event.clientY - drag.startY) / (ROW + GAP));
      const { box } = drag;
      const change = drag.part === 'move' ? { x: box.x + dx, y: box.y + dy } : { w: Math.min(COLUMNS - box.x, Math.max(1, box.w + dx)), h: Math.max(1, box.h + dy) };
      setPreview(arranged(widgets, drag.id, change));
    };
    const end = (keep: boolean) => {
      if (keep && latest.current) onArrange(latest.current, '');
      setPreview(null);
      setDrag(null);
    };
    const up = () => end(true);
    const cancel = () => end(false);
    const key = (event: globalThis.KeyboardEvent) => {
      if (event.key === 'Escape') cancel();
    };
    window.addEventListener('pointermove', move);
    window.addEventListener('pointerup', up);
    window.addEventListener('pointercancel', cancel);
    window.addEventListener('keydown', key);
    return () => {
      window.removeEventListener('pointermove', move);
      window.removeEventListener('pointerup', up);
      window.removeEventListener('pointercancel', cancel);
      window.removeEventListener('keydown', key);
    };
  }, [drag]);

  const onGrab = (event: PointerEvent, widget: Widget, part: Drag['part']) => {
    if (event.button !== 0) return;
    event.preventDefault();
    onSelect(widget.id);
    (event.currentTarget.closest('.board-cell') as HTMLElement | null)?.focus({ preventScroll: true });
    setDrag({ id: widget.id, part, startX: event.clientX, startY: event.clientY, box: widget });
  };
  const onKey = (event: KeyboardEvent, widget: Widget) => {
    if (event.target !== event.currentTarget || event.altKey) return;
    if (event.key === 'Delete' || event.key === 'Backspace') {
      event.preventDefault();
      onRemove(widget.id);
    } else if (event.key.toLowerCase() === 'd' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      onCopy(widget.id);
    } else if (!event.ctrlKey && !event.metaKey) {
      const change = keyBox(event.key, event.shiftKey, widget);
      if (!change) return;
      event.preventDefault();
      const next = arranged(widgets, widget.id, change);
      const now = next.find((w) => w.id === widget.id);
      onArrange(next, `keys ${widget.id}`);
      if (now) setSaid(t('board.place', { x: now.x + 1, y: now.y + 1, w: now.w, h: now.h }));
    }
  };
  return (
    <>
      <p id="board-keys" className="hidden">
        {t('board.keys')}
      </p>
      <p className="hidden" role="status">
        {said}
      </p>
      <div ref={el} className="board editing" data-dragging={drag !== null} onPointerDown={(event) => event.target === event.currentTarget && onSelect(null)}>
        {readingOrder(widgets).map((w) => {
          const widget = shown.find((s) => s.id === w.id) ?? w;
          return (
            <EditorCell
              key={w.id}
              widget={widget}
              view={view}
              selected={selected === w.id}
              dragged={drag?.id === w.id}
              onKey={onKey}
              onSelect={onSelect}
              onGrab={onGrab}
            />
          );
        })}
      </div>
    </>
  );
}
