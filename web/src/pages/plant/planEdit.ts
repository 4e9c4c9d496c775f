// A plan while it is edited: markers, what was before, what was taken back. Pure.
import type { DeviceState } from '../../api/types';

export interface Marker {
  device?: string;
  asset?: string;
  name?: string;
  state?: DeviceState;
  x: number;
  y: number;
  point?: string;
}
export interface Draft {
  markers: readonly Marker[];
  file: string;
}
export interface Edit {
  now: Draft;
  past: readonly Draft[];
  future: readonly Draft[];
}
export type Step =
  | { do: 'place'; marker: Marker }
  | { do: 'move'; key: string; x: number; y: number }
  | { do: 'point'; key: string; point: string | undefined }
  | { do: 'remove'; key: string }
  | { do: 'picture'; file: string }
  | { do: 'undo' }
  | { do: 'redo' }
  | { do: 'start'; draft: Draft };

const KEPT = 100;

export const keyOf = (m: Marker): string => (m.device !== undefined ? `d:${m.device}` : `a:${m.asset}`);

export function begin(draft: Draft): Edit {
  return { now: draft, past: [], future: [] };
}

function next(draft: Draft, step: Step): Draft {
  const change = (key: string, part: Partial<Marker>) => ({
    ...draft,
    markers: draft.markers.map((m) => (keyOf(m) === key ? { ...m, ...part } : m)),
  });
  switch (step.do) {
    case 'place': // what is placed already moves
      return { ...draft, markers: [...draft.markers.filter((m) => keyOf(m) !== keyOf(step.marker)), step.marker] };
    case 'move':
      return change(step.key, { x: step.x, y: step.y });
    case 'point':
      return change(step.key, { point: step.point });
    case 'remove':
      return { ...draft, markers: draft.markers.filter((m) => keyOf(m) !== step.key) };
    case 'picture':
      return { ...draft, file: step.file };
    default:
      return draft;
  }
}

export function reduce(edit: Edit, step: Step): Edit {
  if (step.do === 'start') return begin(step.draft);
  if (step.do === 'undo') {
    const before = edit.past.at(-1);
    return before ? { now: before, past: edit.past.slice(0, -1), future: [edit.now, ...edit.future] } : edit;
  }
  if (step.do === 'redo') {
    const [after, ...rest] = edit.future;
    return after ? { now: after, past: [...edit.past, edit.now], future: rest } : edit;
  }
  return { now: next(edit.now, step), past: [...edit.past, edit.now].slice(-KEPT), future: [] };
}

/** What is sent. */
export function planBody(draft: Draft) {
  return {
    file: draft.file,
    markers: draft.markers.map(({ device, asset, x, y, point }) => ({ ...(device !== undefined ? { device } : { asset }), x, y, ...(point ? { point } : {}) })),
  };
}
