// Thing models in the mock: inheritance, versions, consequences. Methods of Mock; answers as the real server gives them.
import { answer, notFound, Refusal } from './answer.js';

const LISTS = ['properties', 'events', 'services'];
const KIND = { properties: 'property', events: 'event', services: 'service' };
const MAY = {
  properties: ['name', 'description', 'range', 'enum', 'access', 'scale'],
  events: ['name', 'description', 'level'],
  services: ['name', 'description'],
};
const ANSWERS = ['revision', 'shared', 'updated', 'created', 'devices', 'archived', 'children', 'comment'];
const LEVELS = ['same', 'compatible', 'caution', 'breaking'];
const DEFAULTS = { access: 'r', level: 'info' };

const plain = (attr, value) => {
  if (value === undefined || value === null || value === '' || value === false) return DEFAULTS[attr] ?? null;
  return typeof value === 'object' && Object.keys(value).length === 0 ? null : value;
};
const same = (attr, a, b) => JSON.stringify(plain(attr, a)) === JSON.stringify(plain(attr, b));
const attrs = (a, b) =>
  [...new Set([...Object.keys(a ?? {}), ...Object.keys(b ?? {})])]
    .filter((k) => !['id', 'inherited', 'overrides'].includes(k) && !same(k, a?.[k], b?.[k]))
    .map((name) => ({ name, before: a?.[name] ?? null, after: b?.[name] ?? null }));

function effectsOf(list, a, b) {
  if (!a) return [['compatible', `${{ properties: 'point', events: 'event', services: 'command' }[list]}_comes`]];
  if (!b) {
    if (list === 'events') return [['caution', 'event_gone']];
    if (list === 'services') return [['breaking', 'command_gone']];
    return [['caution', 'point_stays'], ...(a.access === 'rw' ? [['breaking', 'write_gone']] : [])];
  }
  return attrs(a, b).map(({ name }) => {
    if (name === 'type') return ['breaking', 'history_splits'];
    if (name === 'unit') return a.unit && b.unit ? ['breaking', 'unit_reread'] : ['caution', a.unit ? 'unit_taken' : 'unit_given'];
    if (name === 'scale') return ['caution', 'scale_from_now'];
    if (name === 'access') return b.access === 'rw' ? ['compatible', 'write_comes'] : ['breaking', 'write_gone'];
    if (name === 'fields') return ['caution', 'event_fields'];
    if (name === 'input') return ['caution', 'command_fields'];
    if (name === 'output') return ['caution', 'command_result'];
    return ['compatible', 'words'];
  });
}
const worst = (levels) => LEVELS[Math.max(0, ...levels.map((l) => LEVELS.indexOf(l)))];

function diff(before, after) {
  const changes = LISTS.flatMap((list) => {
    const old = new Map((before?.[list] ?? []).map((m) => [m.id, m]));
    const now = new Map((after[list] ?? []).map((m) => [m.id, m]));
    return [...new Set([...old.keys(), ...now.keys()])].flatMap((id) => {
      const [a, b] = [old.get(id), now.get(id)];
      const found = effectsOf(list, a, b);
      if (found.length === 0) return [];
      const from = (b ?? a).inherited;
      return [{
        kind: KIND[list], id, change: a ? (b ? 'changed' : 'removed') : 'added', ...(from ? { inherited: from } : {}),
        level: worst(found.map(([l]) => l)), effects: [...new Set(found.map(([, e]) => e))], attrs: attrs(a, b),
      }];
    });
  });
  const model = ['name', 'description', 'version', 'extends'].filter((k) => !same(k, before?.[k], after[k]))
    .map((name) => ({ name, before: before?.[name] ?? null, after: after[name] ?? null }));
  return { model, changes, level: worst([...changes.map((c) => c.level), ...(model.length ? ['compatible'] : [])]) };
}

export const thingRoutes = {
  /** The whole of a model: what it inherits first. */
  wholeThing(own) {
    const parent = own.extends ? this.things.get(own.extends) : null;
    if (!parent) return { ...own, ...Object.fromEntries(LISTS.map((l) => [l, (own[l] ?? []).filter((m) => !m.override)])) };
    const above = this.wholeThing(parent.thing);
    const lists = LISTS.map((list) => {
      const mine = new Map((own[list] ?? []).map((m) => [m.id, m]));
      const inherited = (above[list] ?? []).map(({ overrides: _, ...m }) => {
        const { id: _i, override: _o, ...said } = mine.get(m.id) ?? {};
        const names = Object.keys(said).filter((k) => !same(k, said[k], m[k]));
        mine.delete(m.id);
        return { ...m, ...said, inherited: m.inherited ?? above.id, ...(names.length ? { overrides: names } : {}) };
      });
      return [list, [...inherited, ...[...mine.values()].filter((m) => !m.override)]];
    });
    return { ...own, ...Object.fromEntries(lists) };
  },

  /** What is stored of a body. */
  ownThing(body) {
    const kept = Object.fromEntries(Object.entries(body).filter(([k]) => !ANSWERS.includes(k)));
    if (!kept.extends) delete kept.extends;
    const parent = kept.extends ? this.things.get(kept.extends) : null;
    if (kept.extends && !parent) throw new Refusal(400, 'bad_request', `/extends: there is no thing model ${kept.extends}`, 'Make or import the model that it extends first.');
    const above = parent ? this.wholeThing(parent.thing) : null;
    for (const list of LISTS) {
      kept[list] = (kept[list] ?? []).flatMap((m) => {
        const { inherited, overrides, ...own } = m;
        const from = above?.[list]?.find((x) => x.id === m.id);
        if (!from) return [own];
        const said = Object.keys(own).filter((k) => k !== 'id' && (!inherited || (overrides ?? []).includes(k)) && !same(k, own[k], from[k]));
        const bad = said.find((k) => !MAY[list].includes(k));
        if (bad) throw new Refusal(400, 'bad_request', `/${list}: ${m.id} ${bad} is inherited and cannot be changed in a model below`);
        return said.length ? [{ id: m.id, override: true, ...Object.fromEntries(said.map((k) => [k, own[k]])) }] : [];
      });
    }
    return kept;
  },

  /** Points of a device that another model would read in another unit, as "temp (Cel, K)"; null: none. */
  rereadBy(device, thing) {
    const [from, to] = [device?.thing, thing].map((id) => (id && this.things.has(id) ? this.wholeThing(this.things.get(id).thing).properties ?? [] : []));
    if (!device || device.thing === thing) return null;
    const other = to.flatMap((now) => {
      const was = from.find((x) => x.id === now.id && x.type === now.type);
      return was?.unit && now.unit && was.unit !== now.unit ? [`${now.id} (${was.unit}, ${now.unit})`] : [];
    });
    return other.length ? `kept values of ${other.length} points would be read in another unit: ${other.join(', ')}` : null;
  },

  thingUsers(id) {
    const devices = [...this.devices.values()].filter((d) => d.thing === id);
    const children = [...this.things.values()].filter((x) => x.thing.extends === id).map((x) => x.thing.id);
    return { devices, children };
  },

  thingsBelow(id) {
    return this.thingUsers(id).children.flatMap((child) => [child, ...this.thingsBelow(child)]);
  },

  thingAnswer(known) {
    return { ...this.wholeThing(known.thing), revision: known.etag, shared: false, updated: known.versions.at(-1).time };
  },

  consequences(id, own) {
    const known = this.things.get(id);
    const before = known ? this.wholeThing(known.thing) : null;
    const found = diff(before, this.wholeThing(own));
    const children = this.thingsBelow(id);
    const devices = [id, ...children].flatMap((one) => this.thingUsers(one).devices);
    const reread = found.changes.find((c) => c.effects.includes('unit_reread'));
    const unit = reread?.attrs.find((a) => a.name === 'unit');
    return {
      ...found, fresh: !known, revision: known?.etag ?? 0, devices: devices.filter((d) => !d.archived).length, archived: devices.filter((d) => d.archived).length,
      models: children.map((child) => ({ id: child, devices: this.thingUsers(child).devices.length, archived: 0, level: found.level })),
      units_reread: reread && devices.length ? `${reread.id} (${unit.before}, ${unit.after})` : null, mappings: [], mappings_total: 0,
    };
  },

  storeThing(id, own, comment = '', restored = null) {
    const known = this.things.get(id) ?? { etag: 0, versions: [] };
    known.thing = { ...own, id };
    known.etag += 1;
    known.versions.push({ revision: known.etag, time: new Date().toISOString(), by: 'person:admin', comment, restored, own: known.thing });
    known.versions = known.versions.slice(-100);
    this.things.set(id, known);
    return known;
  },

  /** PUT, POST or restore: tried, or done. */
  changeThing({ req, res, q }, id, own, comment, restored, status) {
    const report = this.consequences(id, own);
    if (q.get('dry_run') && q.get('dry_run') !== '0') return answer(res, 200, report);
    if (report.units_reread && q.get('units') !== 'corrected') {
      throw new Refusal(409, 'unit_changes_history', `已存的历史值会被当作另一单位解读: ${report.units_reread}`, '请为新单位新增一个不同标识的属性。');
    }
    const known = this.storeThing(id, own, comment, restored);
    this.log('admin', req.method === 'POST' && status === 201 ? 'thing.created' : 'thing.changed', id);
    return answer(res, status, this.thingAnswer(known), { ETag: `"${known.etag}"` });
  },

  importThings({ res, q, json }) {
    const list = json();
    const report = { created: 0, updated: 0, unchanged: 0, rejected: [] };
    const models = [];
    const kept = new Map([...this.things].map(([k, v]) => [k, { ...v, versions: [...v.versions] }]));
    const waiting = list.map((thing, i) => ({ thing, row: i + 1 }));
    while (waiting.length > 0) {
      const at = Math.max(0, waiting.findIndex((x) => !waiting.some((y) => y !== x && y.thing.id === x.thing.extends)));
      const [{ thing, row }] = waiting.splice(at, 1);
      try {
        const own = this.ownThing(thing);
        const found = this.consequences(thing.id, own);
        models.push({ id: thing.id, ...found });
        report[found.fresh ? 'created' : found.level === 'same' ? 'unchanged' : 'updated'] += 1;
        if (found.fresh || found.level !== 'same') this.storeThing(thing.id, own);
      } catch (error) {
        report.rejected.push({ row, column: '/extends', code: 'unknown_thing', detail: error.message });
      }
    }
    if (q.get('dry_run')) this.things = kept;
    return answer(res, 200, q.get('dry_run') ? { ...report, models } : report);
  },

  oneThing(all, id, known, rest) {
    const { req, res, q, json } = all;
    const own = (n) => known.versions.find((v) => v.revision === Number(n))?.own;
    if (rest[1] === 'versions' && !rest[2]) {
      const items = known.versions.map(({ own: o, ...v }) => ({
        ...v, deleted: false, version: o.version ?? null, extends: o.extends ?? null, ...Object.fromEntries(LISTS.map((l) => [l, (o[l] ?? []).length])),
      }));
      return answer(res, 200, { items: items.reverse(), kept: 100, next: null });
    }
    if (rest[1] === 'compare') {
      const [from, to] = [Number(q.get('from')), Number(q.get('to') ?? known.etag)];
      return answer(res, 200, { from, to, ...diff(this.wholeThing(own(from)), this.wholeThing(own(to))) });
    }
    if (rest[1] === 'uses') {
      const { devices, children } = this.thingUsers(id);
      return answer(res, 200, { devices: devices.length, archived: 0, device_ids: devices.slice(0, 10).map((d) => d.id), children: children.length, child_ids: children });
    }
    if (rest[1] === 'restore') {
      const { revision, comment } = json();
      if (!own(revision)) throw notFound(`版本 ${revision}`);
      return this.changeThing(all, id, own(revision), comment, revision, 200);
    }
    if (req.method === 'DELETE') {
      const { devices, children } = this.thingUsers(id);
      if (devices.length + children.length > 0) throw new Refusal(409, 'thing_in_use', `${devices.length} 台设备正在使用，${children.length} 个物模型扩展自它`, '先给这些设备换别的物模型。');
      this.things.delete(id);
      return answer(res, 204);
    }
    if (req.method === 'PUT') {
      if (req.headers['if-match'] && req.headers['if-match'] !== `"${known.etag}"`) throw new Refusal(412, 'conflict', '别人刚改过它', '重新加载后再改。');
      const body = json();
      return this.changeThing(all, id, { ...this.ownThing(body), id }, body.comment, null, 200);
    }
    return answer(res, 200, this.thingAnswer(known), { ETag: `"${known.etag}"` });
  },

  on_things(all) {
    const { req, res, q, rest, json } = all;
    const [id] = rest;
    const listed = () => [...this.things.values()].map((x) => {
      const { devices, children } = this.thingUsers(x.thing.id);
      return { ...this.thingAnswer(x), devices: devices.length, archived: 0, children: children.length };
    });
    if (id === 'export') return answer(res, 200, [...this.things.values()].map((x) => x.thing));
    if (id === 'import') return this.importThings(all);
    if (rest[1] === 'files') {
      if (!this.things.has(id)) throw notFound(`物模型 ${id}`);
      return this.filesOf(all, `things/${id}`, rest.slice(2));
    }
    if (!id && req.method === 'GET') {
      const text = (q.get('q') ?? '').toLowerCase();
      return answer(res, 200, { items: listed().filter((x) => JSON.stringify([x.id, x.name]).toLowerCase().includes(text)), next: null });
    }
    if (req.method === 'POST' && !rest[1]) {
      const thing = json();
      if (this.things.has(thing.id)) throw new Refusal(409, 'exists', `物模型 ${thing.id} 已存在`, '换一个标识。');
      return this.changeThing(all, thing.id, { ...this.ownThing(thing), id: thing.id }, thing.comment, null, 201);
    }
    const known = this.things.get(id);
    if (!known) throw notFound(`物模型 ${id}`);
    return this.oneThing(all, id, known, rest);
  },
};
