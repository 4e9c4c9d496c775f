// From where devices are admitted, clones and quarantine: routes of the mock, as docs/api.md says.
import { answer, notFound, Refusal } from './answer.js';

const ENTRY = /^(\d{1,3}(\.\d{1,3}){3}|[0-9a-f:]*:[0-9a-f:]*)(\/\d{1,3})?$/i;

export const accessRoutes = {
  accessOf(device) {
    device.guarded ??= { allow: [], refused: null, clone: null, quarantine: null, clones: 'warn' };
    return device.guarded;
  },

  accessAct({ req, res, json }, device, act) {
    const state = this.accessOf(device);
    const log = (what, detail) => this.log('admin', `device.${what}`, `device:${device.id}`, detail);
    if (act === 'access' && req.method === 'GET') return answer(res, 200, state);
    if (act === 'access') {
      const { allow } = json();
      const bad = allow.findIndex((entry) => !ENTRY.test(entry));
      if (bad >= 0) {
        throw new Refusal(400, 'bad_request', `第 ${bad + 1} 项“${allow[bad]}”无效，或超过 16 项。`, '格式：10.8.0.7、10.8.0.0/24、2001:db8::7、2001:db8::/64；网段的主机位须为 0，最多 16 项。');
      }
      state.allow = [...new Set(allow)];
      log('allow_list', allow.join(' '));
      return answer(res, 200, state);
    }
    if (act === 'clone') {
      if (!state.clone) throw notFound('克隆标记');
      state.clone = null;
      log('clone_dismissed');
      return answer(res, 204);
    }
    this.dangerous();
    if (req.method === 'DELETE') {
      if (!state.quarantine) throw notFound('隔离');
      state.quarantine = null;
      log('released');
      return answer(res, 204);
    }
    if (state.quarantine) throw new Refusal(409, 'state', '该设备已处于隔离状态');
    const { reason } = json();
    state.quarantine = { since: new Date().toISOString(), reason, by: 'person:admin' };
    log('quarantined', reason);
    return answer(res, 200, state);
  },

  /** A device brings something: only who it is and from where counts here. */
  deviceIngest(req, res) {
    const [user] = Buffer.from((req.headers.authorization ?? '').replace(/^Basic /, ''), 'base64').toString().split(':');
    const device = this.devices.get(user);
    if (!device) throw new Refusal(401, 'not_signed_in', '令牌不存在、已过期或已吊销');
    const state = this.accessOf(device);
    const from = req.socket.remoteAddress.replace(/^::ffff:/, '');
    const now = new Date().toISOString();
    const refuse = (why, code, detail) => {
      state.refused = { count: (state.refused?.count ?? 0) + 1, last: now, address: from, why, how: 'http' };
      throw new Refusal(403, code, detail);
    };
    if (state.quarantine) refuse('quarantine', 'quarantined', '该设备处于隔离状态。');
    if (state.allow.length > 0 && !state.allow.includes(from)) refuse('address', 'address_refused', '该设备的凭据不允许从此地址使用。');
    const way = (device.way ??= []);
    if (way.at(-1) !== from) way.push(from);
    const last = way.slice(-4);
    if (last.length === 4 && last[0] === last[2] && last[1] === last[3]) {
      const times = (state.clone?.times ?? 0) + 1;
      state.clone = { addresses: [last[2], last[3]], first: state.clone?.first ?? now, last: now, times, how: 'http' };
    }
    return answer(res, 200, { accepted: 1 });
  },
};
