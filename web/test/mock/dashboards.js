// Dashboards of the mock: revisions, and the checks that the console can run into.
import { answer, id8, notFound, Refusal } from './answer.js';
import { qualityAt, valueAt } from './plant.js';

const KINDS = ['chart', 'value', 'gauge', 'table', 'devices', 'text'];

function checked(body) {
  const bad = (at, words) => {
    throw new Refusal(400, 'bad_request', `${at}：${words}`, '请改正请求后重发。');
  };
  if (!body.name) bad('name', '需要名称（1 至 200 字节）');
  if (!Array.isArray(body.widgets) || body.widgets.length > 200) bad('widgets', '此处须为组件列表，最多 200 个');
  body.widgets.forEach((w, i) => {
    if (!KINDS.includes(w.kind)) bad(`widgets[${i}].kind`, '须为 chart、value、gauge、table、text、devices 之一');
    if (!(w.x >= 0 && w.w >= 1 && w.x + w.w <= 12)) bad(`widgets[${i}].w`, 'x + w 不能超过网格的 12 列');
  });
  const { name, description = '', shared = false, range = '', widgets } = body;
  return { name, description, shared, range, widgets };
}

export function demoBoard() {
  const at = (id, kind, x, y, w, h, more) => ({ id, kind, x, y, w, h, ...more });
  const levels = [{ at: 0, level: 'good' }, { at: 60, level: 'warning' }, { at: 80, level: 'bad' }];
  return {
    name: '循环水站', description: '一厂循环水泵与水箱', range: '1h', shared: true,
    widgets: [
      at('w1', 'value', 0, 0, 3, 3, { points: ['pump-1/flow'], decimals: 1 }),
      at('w2', 'value', 3, 0, 3, 3, { points: ['pump-1/bearing_temp'], title: '轴承温度', decimals: 1, thresholds: levels }),
      at('w3', 'gauge', 6, 0, 3, 5, { points: ['tank-1/level'], thresholds: [{ at: 0, level: 'bad' }, { at: 1, level: 'good' }, { at: 3.4, level: 'warning' }] }),
      at('w4', 'gauge', 9, 0, 3, 3, { points: ['pump-1/pressure'], dial: 'bar', thresholds: [{ at: 0, level: 'good' }, { at: 8, level: 'bad' }] }),
      at('w5', 'chart', 0, 3, 6, 6, { title: '流量与压力', points: ['pump-1/flow', 'pump-1/pressure'] }),
      at('w6', 'devices', 9, 3, 3, 5, { devices: ['pump-1', 'pump-2', 'pump-3', 'tank-1'] }),
      at('w7', 'table', 6, 5, 3, 4, { devices: ['pump-1', 'pump-2'], properties: ['flow', 'state'] }),
      at('w8', 'text', 9, 8, 3, 3, { text: '# 值班须知\n- 水箱液位低于 **1 m** 时报班长\n- 备用泵切换见 [设备](/devices/pump-3)' }),
      at('w9', 'table', 0, 9, 9, 5, { title: '一号泵', points: ['pump-1/flow', 'pump-1/pressure', 'pump-1/power', 'pump-1/vibration', 'pump-1/state'] }),
    ],
  };
}

/** The points of a dashboard. */
export function shownBy(board) {
  const grid = (w) => (w.devices ?? []).flatMap((d) => (w.properties ?? []).map((p) => `${d}/${p}`));
  return (board?.widgets ?? []).flatMap((w) => [...(w.points ?? []), ...grid(w)]);
}

export const dashboardRoutes = {
  /** The dashboard of a panel's token; undefined: it carries none. */
  panelOf(req) {
    const id = this.secrets.get(/^Bearer (.+)$/.exec(req.headers.authorization ?? '')?.[1]);
    return this.tokens.find((x) => x.id === id)?.dashboard;
  },

  /** A panel may come to what its page needs, as at the platform. */
  panelSession(req, path) {
    if (!req.headers.authorization) return null;
    const board = this.panelOf(req);
    if (!board) throw new Refusal(401, 'not_signed_in', '令牌不存在、已过期或已吊销');
    const asked = `${req.method} ${path.join('/')}`;
    const allowed = ['GET stream', 'POST history/query', 'POST dashboards/data', `GET dashboards/${board}`];
    if (!allowed.includes(asked)) throw new Refusal(403, 'denied', '该令牌只能显示一个仪表板');
    return { user: { name: 'panel' } };
  },

  storeBoard(board, id = id8()) {
    const now = new Date().toISOString();
    const old = this.boards.get(id);
    const made = { id, owner: 'person:admin', created: now, revision: 0, ...old };
    const stored = { ...made, ...checked(board), updated: now, author: 'person:admin', revision: made.revision + 1 };
    this.boards.set(id, stored);
    for (const stream of this.streams) if (stream.dashboard === id) stream.res.end();
    return stored;
  },

  on_dashboards({ req, res, q, rest, json }) {
    const head = (b) => ({ ...b, mine: b.owner === 'person:admin' });
    const [id] = rest;
    if (id === 'data') return this.boardData(res, json());
    if (!id && req.method === 'POST') {
      const made = this.storeBoard(json());
      this.log('admin', 'dashboard.created', `dashboard:${made.id}`);
      return answer(res, 201, { ...head(made), hidden: 0 }, { ETag: `"${made.revision}"` });
    }
    if (!id) {
      const text = (q.get('q') ?? '').toLowerCase();
      const items = [...this.boards.values()].filter((b) => `${b.name} ${b.description}`.toLowerCase().includes(text));
      return answer(res, 200, { items: items.map((b) => ({ ...head(b), widgets: b.widgets.length })), next: null, total: items.length });
    }
    const board = this.boards.get(id);
    if (!board) throw notFound('仪表板');
    const tag = req.headers['if-match'];
    if (req.method !== 'GET' && tag && tag !== `"${board.revision}"`) throw new Refusal(412, 'conflict', '内容已被他人修改', '请重新读取后再修改。');
    if (req.method === 'DELETE') {
      this.boards.delete(id);
      return answer(res, 204);
    }
    const now = req.method === 'PUT' ? this.storeBoard(json(), id) : board;
    return answer(res, 200, { ...head(now), hidden: 0 }, { ETag: `"${now.revision}"` });
  },

  boardData(res, { points = [], devices = [] }) {
    const now = Date.now();
    const out = { points: {}, devices: {} };
    for (const name of points) {
      const found = this.point(name);
      if (!found) continue;
      const { device, property } = found;
      const { name: words, range, enum: enumeration, type, unit } = property;
      const time = device.state === 'online' ? now : Date.parse(device.since);
      out.points[name] = {
        device: device.id, property: property.id, type, unit, tag: '', name: words, range, ...(enumeration ? { enum: enumeration } : {}),
        ...(device.state === 'never' ? {} : { time, value: valueAt(device, property, time), quality: qualityAt(device, property, time) }),
      };
    }
    for (const id of devices) {
      const device = this.devices.get(id);
      if (device) out.devices[id] = { name: device.name, state: device.state, since: device.since };
    }
    return answer(res, 200, out);
  },
};
