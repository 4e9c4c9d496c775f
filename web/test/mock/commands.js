// Commands to devices and their attributes; part of the mock. A device of it answers a second after it was told.
import { answer, id8, notFound, Refusal } from './answer.js';

const ANSWER_MS = 900;

export const commandRoutes = {
  commandNow(c) {
    if (c.state === 'sent' && Date.now() >= c.at + ANSWER_MS) Object.assign(c, { state: 'done', finished: new Date().toISOString(), result: { ok: true } });
    const { at, ...shown } = c;
    return shown;
  },

  deviceCommands({ req, res, json }, device) {
    this.commands ??= [];
    if (req.method === 'GET') {
      return answer(res, 200, { items: this.commands.filter((c) => c.device === device.id).map((c) => this.commandNow(c)), next: null });
    }
    if (!device.write_enabled) throw new Refusal(403, 'denied', '设备为只读接入：请先启用写入', '');
    const { service, property, value, id } = json();
    const now = Date.now();
    const made = {
      id: id ?? id8(), device: device.id, ...(service ? { service } : { property }), value, state: 'sent', created: new Date(now).toISOString(),
      deadline: new Date(now + 30_000).toISOString(), by: 'person:admin', at: now,
    };
    this.commands.unshift(made);
    this.log('admin', 'device.commanded', `device:${device.id}`);
    return answer(res, 202, this.commandNow(made));
  },

  on_commands({ res, rest }) {
    const found = (this.commands ?? []).find((c) => c.id === rest[0]);
    if (!found) throw notFound('命令');
    return answer(res, 200, this.commandNow(found));
  },

  writeGrant({ req, res, json }, device) {
    if (req.method === 'DELETE') Object.assign(device, { write_enabled: false, write_until: undefined });
    else Object.assign(device, { write_enabled: true, write_until: json().until });
    return answer(res, 204);
  },

  deviceAttributes({ req, res, json }, device) {
    this.attributes ??= new Map();
    const sides = this.attributes.get(device.id) ?? { desired: {}, reported: { firmware: '1.4.2', period: 10 } };
    this.attributes.set(device.id, sides);
    if (req.method === 'PATCH') {
      for (const [name, value] of Object.entries(json())) {
        if (value === null) delete sides.desired[name];
        else sides.desired[name] = value;
      }
      return answer(res, 204);
    }
    return answer(res, 200, sides);
  },
};
