// Many devices at once: bulk changes, import, export, saved views, assets; part of the mock.
import { answer, id8, notFound, Refusal } from './answer.js';

const KINDS = ['enterprise', 'site', 'area', 'line', 'cell'];

export const deviceRoutes = {
  /** What a change of a device's description says. */
  noteChange(device, body) {
    const members = Object.keys(body).filter((name) => JSON.stringify(body[name]) !== JSON.stringify(device[name]))
      .map((name) => ({ name, before: device[name] ?? null, after: body[name] ?? null }));
    this.changes ??= new Map();
    const list = this.changes.get(device.id) ?? [];
    this.changes.set(device.id, [{ revision: device.revision + 1, time: new Date().toISOString(), by: 'person:admin', change: 'changed', members }, ...list]);
  },

  changesOf(device) {
    const made = { revision: 1, time: device.created ?? new Date().toISOString(), by: 'person:admin', change: 'created', members: [] };
    return [...(this.changes?.get(device.id) ?? []), made];
  },

  /** The devices that `ids` or `filter` mean. */
  pickDevices(body) {
    const except = new Set(body.except ?? []);
    const ids = body.ids ?? this.selectDevices(new URLSearchParams(body.filter)).map((d) => d.id);
    return ids.filter((id) => !except.has(id));
  },

  bulkDevices({ res, rest, json }) {
    const body = json();
    const remove = rest[1] === 'delete';
    const fix = body.units === 'corrected';
    if (remove) this.dangerous();
    if (body.change?.asset && !this.assets.some((a) => a.id === body.change.asset)) throw new Refusal(400, 'bad_request', `there is no asset ${body.change.asset}`);
    const answered = { matched: 0, changed: 0, unchanged: 0, refused: [], refused_total: 0, undo: remove ? null : [], next: null };
    const known = this.pickDevices(body).filter((id) => {
      if (this.devices.has(id)) return true;
      answered.refused.push({ id, code: 'not_found', detail: 'there is no such device' });
      return false;
    });
    const from = body.filter && body.cursor ? Number(body.cursor) : 0;
    const part = body.filter && body.limit ? known.slice(from, from + body.limit) : known;
    answered.matched = body.dry_run ? known.length : part.length;
    const fit = part.filter((id) => {
      const detail = body.change?.thing && !fix ? this.rereadBy(this.devices.get(id), body.change.thing) : null;
      if (detail) answered.refused.push({ id, code: 'unit_changes_history', detail });
      return !detail;
    });
    answered.refused_total = answered.refused.length;
    if (!body.dry_run) fit.forEach((id) => this.bulkOne(id, body.change, answered, remove));
    if (fix) answered.undo?.forEach((one) => Object.assign(one, { units: 'corrected' }));
    // Those that were changed out of the filter are not there to be skipped.
    if (part.length < known.length - from) answered.next = String(this.pickDevices(body).includes(part[0]) ? from + part.length : from);
    if (answered.changed) this.log('admin', remove ? 'devices.deleted' : 'devices.changed', 'devices', JSON.stringify({ changed: answered.changed }));
    return answer(res, 200, answered);
  },

  bulkOne(id, change, answered, remove) {
    const device = this.devices.get(id);
    if (remove) {
      this.devices.delete(id);
      answered.changed += 1;
      return;
    }
    const before = JSON.stringify(device);
    const back = {};
    for (const [name, value] of Object.entries(change)) {
      if (name === 'labels') {
        back.labels = Object.fromEntries(Object.keys(value).map((key) => [key, device.labels?.[key] ?? null]));
        device.labels = Object.fromEntries(Object.entries({ ...device.labels, ...value }).filter(([, v]) => v !== null));
      } else {
        back[name] = device[name] || null;
        if (value) device[name] = value;
        else if (name === 'archived') delete device.archived;
        else device[name] = '';
      }
    }
    if (JSON.stringify(device) === before) answered.unchanged += 1;
    else {
      answered.changed += 1;
      answered.undo.push({ ids: [id], change: back });
    }
  },

  importDevices({ res, q, raw }) {
    const text = new TextDecoder(q.get('encoding') || 'utf-8').decode(raw).replace(/^\ufeff/, '');
    const json = q.get('format') === 'json';
    const [head, ...lines] = json ? [[]] : text.split(/\r?\n/).filter(Boolean).map((line) => line.split(','));
    const rows = json ? JSON.parse(text) : lines.map((cells) => Object.fromEntries(head.map((name, k) => [name, cells[k] ?? ''])));
    const report = { created: 0, updated: 0, rejected: [] };
    const seen = new Set();
    rows.forEach((row, i) => {
      const refuse = (column, code, detail) => report.rejected.push({ row: i + (json ? 1 : 2), column, code, detail });
      if (!row.id) return refuse('id', 'id_missing', 'a device needs an id');
      if (seen.has(row.id)) return refuse('id', 'duplicate_row', 'the id was in an earlier row');
      seen.add(row.id);
      if (row.thing && !this.things.has(row.thing)) return refuse('thing', 'unknown_thing', `there is no thing model ${row.thing}`);
      if (row.asset && !this.assets.some((a) => a.id === row.asset)) return refuse('asset', 'unknown_asset', `there is no asset ${row.asset}`);
      const known = this.devices.get(row.id);
      const reread = row.thing && q.get('units') !== 'corrected' ? this.rereadBy(known, row.thing) : null;
      if (reread) return refuse('thing', 'unit_changes_history', reread);
      if (known && q.get('existing') === 'refuse') return refuse('id', 'exists', 'there is a device with this id');
      report[known ? 'updated' : 'created'] += 1;
      if (q.get('dry_run') === 'true') return undefined;
      const fresh = { labels: {}, state: 'never', aliases: [], revision: 1 };
      this.devices.set(row.id, { ...fresh, ...known, ...row, labels: { ...known?.labels, ...row.labels } });
      return undefined;
    });
    answer(res, 200, report);
  },

  exportDevices({ req, res, q, json }) {
    const body = req.method === 'POST' ? json() : null;
    const all = body ? this.pickDevices(body).map((id) => this.devices.get(id)) : this.selectDevices(q);
    const rows = all.map((d) => [d.id, d.name, d.thing, d.asset].join(','));
    const text = `\ufeffid,name,thing,asset\r\n${rows.join('\r\n')}\r\n`;
    res.writeHead(200, { 'Content-Type': 'text/csv; charset=utf-8', 'Content-Disposition': 'attachment; filename="devices.csv"' }).end(text);
  },

  on_device_templates({ req, res, rest, json }) {
    const known = this.templates.find((one) => one.id === rest[0]);
    if (rest[0] && !known) throw notFound('建档模板');
    if (req.method === 'GET') {
      return answer(res, 200, known ?? { items: this.templates, next: null, total: this.templates.length });
    }
    if (req.method === 'DELETE') {
      this.templates = this.templates.filter((one) => one !== known);
      return answer(res, 204);
    }
    const { name, description = null, device } = json();
    if (!name || !device) throw new Refusal(400, 'bad_request', 'a template needs a name');
    if (this.templates.some((one) => one.name === name && one !== known)) throw new Refusal(409, 'exists', 'there is a template of this name');
    const made = { id: known?.id ?? id8(), name, description, device, revision: (known?.revision ?? 0) + 1, updated: new Date().toISOString(), author: 'person:admin' };
    this.templates = [...this.templates.filter((one) => one !== known), made];
    return answer(res, known ? 200 : 201, made);
  },

  on_views({ req, res, rest, json, q }) {
    const shown = ({ owner, ...view }) => ({ ...view, owner, mine: owner === 'person:admin' });
    if (req.method === 'GET') {
      const all = this.views.filter((v) => !q.get('page') || v.page === q.get('page'));
      return answer(res, 200, { items: all.map(shown), next: null });
    }
    if (req.method === 'POST') {
      const view = { shared: false, ...json(), id: id8(), owner: 'person:admin' };
      if (!view.name || !view.query) throw new Refusal(400, 'bad_request', 'a view needs a name');
      this.views.push(view);
      return answer(res, 201, shown(view));
    }
    const view = this.views.find((v) => v.id === rest[0]);
    if (!view) throw notFound('视图');
    if (req.method === 'DELETE') {
      this.views = this.views.filter((v) => v !== view);
      return answer(res, 204);
    }
    Object.assign(view, json());
    return answer(res, 200, shown(view));
  },

  on_assets(call) {
    const { req, res, rest, json } = call;
    if (rest[1] && !this.assets.some((a) => a.id === rest[0])) throw notFound(`资产 ${rest[0]}`);
    if (rest[1] === 'plan') return this.planOf(call, rest[0]);
    if (rest[1] === 'files') return this.filesOf(call, `assets/${rest[0]}`, rest.slice(2));
    if (req.method === 'GET') return answer(res, 200, { items: this.assets, next: null });
    const old = this.assets.find((a) => a.id === rest[0]);
    if (req.method === 'DELETE') {
      const busy = this.assets.some((a) => a.parent === rest[0]) || [...this.devices.values()].some((d) => d.asset === rest[0]);
      if (busy) throw new Refusal(409, 'state', '该节点之下仍有内容');
      this.assets = this.assets.filter((a) => a !== old);
      return answer(res, 204);
    }
    const asset = json();
    const parent = this.assets.find((a) => a.id === asset.parent);
    if (asset.parent && (!parent || KINDS.indexOf(parent.kind) >= KINDS.indexOf(asset.kind))) throw new Refusal(400, 'bad_request', '上级的类型必须在前');
    if (req.method === 'POST') {
      if (this.assets.some((a) => a.id === asset.id)) throw new Refusal(409, 'exists', `资产 ${asset.id} 已存在`);
      this.assets.push(asset);
    } else Object.assign(old, asset);
    return answer(res, req.method === 'POST' ? 201 : 200, asset);
  },
};
