// A mock of the platform for browser tests and `npm run dev`: docs/api.md over a made-up plant.
// It checks what the real server checks of a browser (cookie, CSRF header, content security policy).
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { existsSync, readFileSync } from 'node:fs';
import { extname, join, normalize } from 'node:path';
import { gzipSync } from 'node:zlib';
import { accessRoutes } from './access.js';
import { accountRoutes } from './account.js';
import { Backups } from './backups.js';
import { classRoutes } from './classes.js';
import { dashboardRoutes, demoBoard, shownBy } from './dashboards.js';
import { certificateRoutes } from './certificate.js';
import { outsideRoutes } from './outside.js';
import { deviceRoutes } from './devices.js';
import { fileRoutes } from './files.js';
import { plantRoutes } from './plant_view.js';
import { answer, id8, notFound, Refusal } from './answer.js';
import { commandRoutes } from './commands.js';
import { expressionRoutes } from './expressions.js';
import { Edits, exportBook, noteRoutes, qualitySeries, querySeries, toMs } from './history.js';
import { NodeState, nodeRoutes } from './node.js';
import { openapi } from './openapi.js';
import { securityRoutes } from './security.js';
import { thingRoutes } from './things.js';
import { demoAssets, demoDevices, demoThings, qualityAt, valueAt } from './plant.js';

const TYPES = { '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.html': 'text/html; charset=utf-8' };
const CURSOR = (n) => Buffer.from(String(n)).toString('base64url');
const RESTART_MS = 1500;

export class Mock {
  constructor({ password = 'songhua-demo', dist = null, extraDevices = 0 } = {}) {
    this.password = password;
    this.dist = dist;
    this.devices = new Map(demoDevices(extraDevices).map((d) => [d.id, d]));
    this.things = new Map();
    demoThings().forEach((thing) => this.storeThing(thing.id, thing));
    this.assets = demoAssets();
    this.people = [{ name: 'admin', display: '管理员', roles: ['admin'], language: 'zh', disabled: false }];
    this.tokens = [];
    this.keys = [];
    this.backups = new Backups();
    this.edits = new Edits();
    this.node = new NodeState();
    this.charts = [{ id: 'demo-water', name: { zh: '供水：流量与压力', en: 'Water: flow and pressure' }, window: '1h', points: ['pump-1/flow', 'pump-1/pressure'] }];
    this.views = [];
    this.templates = [];
    this.audit = [];
    this.sessions = new Map();
    this.down = 0;
    this.account = {
      password: true, providers: [], must: [], second_factor: false, totp: false, keys: [], recovery_left: 0, password_set: new Date().toISOString(), password_expires: null,
    };
    this.confirmed = true;
    this.links = new Set(['welcome']);
    this.streams = new Set();
    this.boards = new Map();
    this.secrets = new Map();
    this.storeBoard(demoBoard(), 'demo');
    this.started = Date.now();
    this.total = 48_211_930;
    this.log('system', 'platform.start', '');
    this.log('admin', 'device.create', 'device:agv-1');
    this.server = createServer((req, res) => void this.handle(req, res));
  }

  listen(port = 0) {
    return new Promise((done) => {
      this.server.listen(port, '127.0.0.1', () => {
        this.timer = setInterval(() => this.tick(), 1000);
        done(`http://127.0.0.1:${this.server.address().port}`);
      });
    });
  }

  close() {
    clearInterval(this.timer);
    this.streams.forEach(({ res }) => res.end());
    this.server.closeAllConnections();
    return new Promise((done) => this.server.close(done));
  }

  log(principal, act, object, detail = '') {
    const time = new Date().toISOString();
    this.audit.unshift({ seq: this.audit.length + 1, time, principal, tenant: '', act, object, result: 'ok', detail, hash: id8() });
  }

  properties(device) {
    const known = this.things.get(device.thing);
    return known ? (this.wholeThing(known.thing).properties ?? []) : [];
  }

  overview() {
    const all = [...this.devices.values()];
    const demo = all.filter((d) => d.demo);
    const own = all.filter((d) => !d.demo && !d.archived);
    const of = (state) => own.filter((d) => d.state === state).length;
    const rate = 84 + Math.round(10 * Math.sin(Date.now() / 9000) + 4 * Math.random());
    this.total += rate;
    const hour = new Date(Date.now() - 3_600_000).toISOString();
    return {
      devices: {
        total: own.length,
        online: of('online'),
        offline: of('offline'),
        never: of('never'),
        demo: demo.length,
        demo_online: demo.filter((d) => d.state === 'online').length,
      },
      samples: { per_second: rate, total: this.total, refused: 12 },
      mqtt: { connections: 9, sessions: 11, in_per_second: rate / 4, out_per_second: 3 },
      storage: { bytes: 61_482_113, bytes_per_sample: 1.27, disk_free: 210e9, disk_total: 500e9, full_date: '2031-03-01' },
      journal: { commits_per_second: 41, commit_ms: 1.2 + 0.5 * Math.random(), queue_bytes: 18_432 },
      slow: { count: this.node.slow.length, worst_ms: 4200, over_ms: 1000 },
      problems: [
        { level: 'error', code: 'device_offline', text: '3 号备用泵离线，最近一次通信在一小时前', remedy: '检查网线和电源；仍不通时看设备页的通信计数。', object: 'device:pump-3', since: hour },
        { level: 'warning', code: 'clock_off', text: '6 号加工中心的时钟慢 42 秒，数据质量记为存疑', remedy: '在设备上打开 NTP 校时。', object: 'device:cnc-06', since: hour },
      ],
      version: '0.1.0',
      uptime_s: (Date.now() - this.started) / 1000 + 200_000,
      demo: true,
    };
  }

  tick() {
    const overview = this.overview();
    const now = Date.now();
    for (const stream of this.streams) {
      const samples = {};
      for (const name of stream.points) {
        const found = this.point(name);
        if (!found || found.device.state !== 'online') continue;
        samples[name] = [[now, valueAt(found.device, found.property, now), qualityAt(found.device, found.property, now)]];
      }
      if (Object.keys(samples).length > 0) send(stream.res, 'samples', samples);
      if (stream.overview) send(stream.res, 'overview', overview);
    }
  }

  point(name) {
    const at = name.lastIndexOf('/');
    const device = this.devices.get(name.slice(0, at));
    const property = device && this.properties(device).find((p) => p.id === name.slice(at + 1));
    return property ? { device, property } : null;
  }

  async handle(req, res) {
    const url = new URL(req.url, 'http://mock');
    try {
      if (url.pathname.startsWith('/api/v1/')) await this.api(req, res, url);
      else this.file(res, url.pathname);
    } catch (error) {
      const body = error.body ?? { title: 'internal', status: 500, code: 'internal', detail: String(error.stack) };
      answer(res, error.status ?? 500, body, { 'Content-Type': 'application/problem+json' });
    }
  }

  /** Files as the binary serves them: gzip, immutable below /assets/, a nonce for each index.html. */
  file(res, path) {
    if (!this.dist) throw notFound(path);
    const known = normalize(join(this.dist, path));
    const isFile = path !== '/' && path !== '/index.html' && extname(path) !== '' && existsSync(known) && known.startsWith(this.dist);
    if (isFile) {
      const headers = {
        'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream',
        'Content-Encoding': 'gzip',
        'Cache-Control': path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
      };
      res.writeHead(200, headers).end(gzipSync(readFileSync(known)));
      return;
    }
    if (path.startsWith('/assets/')) throw notFound(path);
    const nonce = randomBytes(16).toString('base64');
    const html = readFileSync(join(this.dist, 'index.html'), 'utf8').replaceAll('__NONCE__', nonce);
    const policy =
      `default-src 'none'; script-src 'self' 'nonce-${nonce}'; style-src 'self' 'nonce-${nonce}'; img-src 'self' data:${this.tiles ? ` ${new URL(this.tiles).origin}` : ''}; ` +
      `font-src 'self'; connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'`;
    res.writeHead(200, { 'Content-Type': TYPES['.html'], 'Cache-Control': 'no-store', 'Content-Security-Policy': policy, 'X-Content-Type-Options': 'nosniff' }).end(html);
  }

  session(req) {
    const cookie = /songhua_session=([^;]+)/.exec(req.headers.cookie ?? '')?.[1];
    const session = this.sessions.get(cookie);
    if (!session) throw new Refusal(401, 'unauthorized', '请先登录', '');
    if (req.method !== 'GET' && req.headers['x-csrf-token'] !== session.csrf) {
      throw new Refusal(403, 'csrf', '缺少 X-CSRF-Token', '重新加载页面。');
    }
    return session;
  }

  enter(res, agent = '') {
    const key = id8();
    const session = {
      id: id8(), created: new Date().toISOString(), agent,
      csrf: id8(),
      expires: new Date(Date.now() + 43_200_000).toISOString(),
      user: { id: 'u1', name: 'admin', tenant: '', roles: ['admin'], language: 'zh' },
      permissions: ['*'],
    };
    this.sessions.set(key, session);
    answer(res, 201, { token: key, ...session }, { 'Set-Cookie': `songhua_session=${key}; Path=/; HttpOnly; SameSite=Strict` });
  }

  async api(req, res, url) {
    if (Date.now() < this.down) return req.socket.destroy(); // it restarts
    const path = url.pathname.slice('/api/v1/'.length).split('/').map(decodeURIComponent);
    const raw = await readBody(req);
    const json = () => JSON.parse(raw.toString() || '{}');
    if (req.method === 'POST' && path[0] === 'sessions') {
      if (path[1] === 'link') {
        if (!this.links.delete(json().link)) throw new Refusal(401, 'bad_credentials', '用户名或密码错误', '');
        return this.enter(res);
      }
      if (path[2] === 'confirm') return this.confirm(this.session(req), json(), res);
      if (path[1] === 'current') return this.on_sessions({ req, res, json, session: this.session(req), rest: path.slice(1) });
      const { user, password, code, assertion } = json();
      if (user !== 'admin' || password !== this.password) throw new Refusal(401, 'bad_credentials', '用户名或密码不对', '检查大小写；忘记密码时请管理员重设。');
      if (path[1] === 'key') return answer(res, 200, { challenge: 'AAAA', rp_id: 'localhost', ids: this.account.keys.map((k) => k.id) });
      if (this.account.second_factor && !this.account.keys?.some((k) => k.id === assertion?.id)) this.checkCode(code);
      return this.enter(res, req.headers['user-agent']);
    }
    if (path[0] === 'sign-in') return path[1] === undefined ? this.doors(res) : this.door(req, res, path, json);
    if (path[0] === 'ingest' && req.headers.authorization) return this.deviceIngest(req, res);
    const session = this.panelSession(req, path) ?? this.session(req);
    const call = { req, res, url, q: url.searchParams, json, raw, session, rest: path.slice(1) };
    const handler = this[`on_${path[0].replace(/[^a-z]/g, '_')}`];
    if (!handler) throw notFound(url.pathname);
    return handler.call(this, call);
  }

  on_overview({ res }) {
    answer(res, 200, this.overview());
  }

  on_openapi_json({ res }) {
    answer(res, 200, openapi);
  }

  on_config({ res }) {
    answer(res, 200, { items: [{ key: 'mqtt.listen', value: '127.0.0.1:1883', source: 'default', live: false }], next: null });
  }

  on_audit({ res, q, rest }) {
    if (rest[0] === 'checkpoint') return answer(res, 200, { checkpoint: 'songhua-checkpoint-1\n', signature: 'AA==', seq: this.audit.length });
    const text = q.get('q') ?? '';
    const found = this.audit.filter(
      (e) =>
        (!q.get('device') || e.object === `device:${q.get('device')}`) &&
        e.principal.includes(q.get('who') ?? '') &&
        (!q.get('from') || Date.parse(e.time) >= Number(q.get('from'))) &&
        (!q.get('to') || Date.parse(e.time) < Number(q.get('to'))) &&
        (q.get('refused') !== 'true' || e.result !== 'ok'),
    );
    answer(res, 200, page(found.filter((e) => `${e.principal} ${e.act} ${e.object}`.includes(text)), q));
  }

  on_stream({ res, q, req }) {
    res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    const list = (name) => (q.get(name) ?? '').split(',').filter(Boolean);
    const ofDevices = list('devices').flatMap((id) => {
      const device = this.devices.get(id);
      return device ? this.properties(device).map((p) => `${id}/${p.id}`) : [];
    });
    const board = this.boards.get(this.panelOf(req) ?? q.get('dashboard'));
    const stream = { res, dashboard: board?.id, points: [...list('points'), ...ofDevices, ...shownBy(board)], overview: q.has('overview') };
    this.streams.add(stream);
    send(res, 'ping', {});
    req.on('close', () => this.streams.delete(stream));
  }

  summary(device) {
    const { driver, description, location, write_enabled, aliases, created, revision, ...summary } = device;
    const last_time = device.state === 'online' ? new Date().toISOString() : device.since;
    return { ...summary, points: this.properties(device).length, last_time };
  }

  /** Texts that look like certificates: nothing here checks a signature. */
  certificates(device, { req, res, rest, json, q }) {
    device.certificates ??= [];
    const all = device.certificates;
    if (req.method === 'DELETE') {
      const one = all.find((c) => c.fingerprint === rest[2] && c.state !== 'revoked');
      if (!one) throw notFound('证书');
      const why = { reason: q?.get('reason') ?? 'unspecified', note: q?.get('note') ?? '' };
      Object.assign(one, { state: 'revoked', revoked: new Date().toISOString(), ...why });
      this.log('admin', 'device.certificate_revoked', `device:${device.id}`);
      return answer(res, 204, null);
    }
    if (req.method === 'GET') return answer(res, 200, { items: all, common_names: [], next: null });
    const { pem, csr, days = 1825 } = json();
    if (pem && all.some((c) => c.pem === pem)) throw new Refusal(409, 'exists', '该证书或名称已登记给某台设备，或已被吊销');
    const now = Date.now();
    const one = {
      fingerprint: randomBytes(32).toString('hex'), subject: device.id, issuer: pem ? 'own' : 'Songhua device CA', serial: randomBytes(16).toString('hex').toUpperCase(),
      not_before: new Date(now).toISOString(), not_after: new Date(now + days * 86_400_000).toISOString(),
      source: pem ? 'entered' : 'issued', state: days < 60 ? 'expiring' : 'valid',
      added: new Date(now).toISOString(), revoked: null, reason: null, note: '',
    };
    all.unshift(one);
    const text = (what) => `-----BEGIN ${what}-----\n${randomBytes(48).toString('base64')}\n-----END ${what}-----\n`;
    const shown = { ...one };
    if (!pem) Object.assign(shown, { certificate: text('CERTIFICATE'), ca: text('CERTIFICATE') }, csr ? {} : { key: text('PRIVATE KEY') });
    one.pem = pem;
    return answer(res, 201, shown);
  }
  async on_devices(call) {
    const { req, res, q, rest, json } = call;
    const [id, act] = rest;
    if (id === 'import') return this.importDevices(call);
    if (id === 'export') return this.exportDevices(call);
    if (id === 'bulk') return this.bulkDevices(call);
    if (id === 'map') return this.mapOf(call);
    if (!id && req.method === 'POST') {
      const body = json();
      if (this.devices.has(body.id)) throw new Refusal(409, 'exists', `设备标识 ${body.id} 已被使用`, '换一个标识。');
      const device = { labels: {}, state: 'never', aliases: [], driver: '', write_enabled: false, created: new Date().toISOString(), revision: 1, ...body };
      this.devices.set(device.id, device);
      this.log('admin', 'device.create', `device:${device.id}`);
      return answer(res, 201, device);
    }
    if (!id) return answer(res, 200, page(this.selectDevices(q).map((d) => this.summary(d)), q));
    const device = this.devices.get(id) ?? [...this.devices.values()].find((d) => d.aliases.includes(id));
    if (!device) throw notFound(`设备 ${id}`);
    if (act === 'files') return this.filesOf(call, `devices/${device.id}`, rest.slice(2));
    if (act) return this.deviceAct(call, device, act);
    if (req.method === 'DELETE') {
      this.devices.delete(device.id);
      this.log('admin', 'device.delete', `device:${device.id}`);
      return answer(res, 204);
    }
    if (req.method === 'PUT' || req.method === 'PATCH') {
      const { labels, ...body } = json();
      const reread = 'thing' in body && q.get('units') !== 'corrected' ? this.rereadBy(device, body.thing) : null;
      if (reread) throw new Refusal(409, 'unit_changes_history', `/thing: ${reread}`, '请选择单位一致的物模型。');
      const merged = req.method === 'PATCH' ? { ...device.labels, ...labels } : labels;
      this.noteChange(device, { ...body, ...(labels ? { labels: merged } : {}) });
      Object.assign(device, body, { labels: merged ?? {}, revision: device.revision + 1 });
      this.log('admin', 'device.update', `device:${device.id}`);
    }
    return answer(res, 200, { ...device, thing_revision: this.things.get(device.thing)?.etag ?? null }, { ETag: `"${device.revision}"` });
  }

  selectDevices(q) {
    const text = (q.get('q') ?? '').toLowerCase();
    const [key, value] = (q.get('label') ?? '').split(':');
    const sort = (q.get('sort') ?? 'id').replace(/^-/, '');
    const sign = (q.get('sort') ?? '').startsWith('-') ? -1 : 1;
    return [...this.devices.values()]
      .filter((d) => `${d.id} ${d.name ?? ''}`.toLowerCase().includes(text))
      .filter((d) => q.get('archived') === 'any' || Boolean(d.archived) === (q.get('archived') === 'true'))
      .filter((d) => ['state', 'thing', 'asset'].every((f) => !q.get(f) || d[f] === q.get(f)))
      .filter((d) => !key || (value === undefined ? key in (d.labels ?? {}) : d.labels?.[key] === value))
      .sort((a, b) => (String(a[sort] ?? '') < String(b[sort] ?? '') ? -sign : sign));
  }

  deviceAct({ req, res, rest, json, q }, device, act) {
    const now = Date.now();
    if (act === 'commands') return this.deviceCommands({ req, res, json }, device);
    if (act === 'write-enable') return this.writeGrant({ req, res, json }, device);
    if (act === 'attributes') return this.deviceAttributes({ req, res, json }, device);
    if (act === 'changes') return answer(res, 200, { items: this.changesOf(device), next: null });
    if (act === 'latest') {
      const points = Object.fromEntries(
        (device.state === 'never' ? [] : this.properties(device)).map((p) => [
          p.id,
          { time: new Date(now).toISOString(), value: valueAt(device, p, now), quality: qualityAt(device, p, now) },
        ]),
      );
      return answer(res, 200, { device: device.id, points });
    }
    if (act === 'connection') {
      const down = device.state === 'offline';
      const one = {
        kind: device.driver,
        state: device.state,
        since: device.since,
        rtt_ms: 1.8 + Math.random(),
        ok: Math.floor(now / 1000) % 1e6,
        errors: down ? 37 : 0,
        last_error: down ? '连接超时' : '',
      };
      return answer(res, 200, { items: device.state === 'never' ? [] : [one], next: null });
    }
    if (act === 'secret' && req.method === 'POST') {
      this.log('admin', 'device.secret', `device:${device.id}`);
      return answer(res, 200, { user: device.id, password: randomBytes(18).toString('base64url') });
    }
    if (act === 'certificates') return this.certificates(device, { req, res, rest, json, q });
    if (['access', 'clone', 'quarantine'].includes(act)) return this.accessAct({ req, res, json }, device, act);
    if (act === 'rename') {
      const { to } = json();
      if (this.devices.has(to)) throw new Refusal(409, 'exists', `设备标识 ${to} 已被使用`, '换一个标识。');
      this.devices.delete(device.id);
      device.aliases.push(device.id);
      this.log('admin', 'device.rename', `device:${device.id}`, to);
      device.id = to;
      this.devices.set(to, device);
      return answer(res, 200, device);
    }
    if (act === 'replace') {
      this.log('admin', 'device.replace', `device:${device.id}`, json().note);
      return answer(res, 200, device);
    }
    throw notFound(act);
  }

  on_points({ res, q }) {
    const text = (q.get('q') ?? '').toLowerCase();
    const only = q.get('device');
    const items = [];
    for (const device of this.devices.values()) {
      if (only && device.id !== only) continue;
      if (device.state === 'never') continue;
      for (const p of this.properties(device)) {
        const tag = device.id === 'pump-1' ? `P101.${p.id.slice(0, 2).toUpperCase()}` : undefined;
        if (!`${device.id}/${p.id} ${device.name} ${p.name.zh} ${tag ?? ''}`.toLowerCase().includes(text)) continue;
        items.push({ id: `${device.id}/${p.id}`, name: `${device.id}/${p.id}`, device: device.id, property: p.id, type: p.type, unit: p.unit, tag, aliases: [] });
      }
    }
    answer(res, 200, page(items, q));
  }

  historyEdits({ req, res, rest, json, q }) {
    if (rest[0] === 'edits' && req.method === 'GET') {
      const items = this.edits.of(q.get('point')).map(({ points: _, values: __, ...edit }) => edit);
      return answer(res, 200, { items, next: null });
    }
    const ask = json();
    if (!ask.reason?.trim()) throw new Refusal(400, 'bad_request', '需要填写原因（会记入审计）', '');
    if (rest[0] === 'edits') {
      this.edits.list = this.edits.list.filter((e) => String(e.id) !== rest[1]);
      return answer(res, 204);
    }
    if (rest[0] === 'correct') {
      const { point, samples, reason } = ask;
      const times = samples.map((s) => toMs(s.time)).sort((a, b) => a - b);
      const [from, to] = [times[0], times[times.length - 1]].map((t) => new Date(t).toISOString());
      const values = new Map(samples.map((s) => [toMs(s.time), s.value]));
      const edit = this.edits.add({ kind: 'correction', points: [point], values, from, to, samples: samples.length, reason });
      return answer(res, 200, { corrected: samples.length, edit: edit.id });
    }
    this.dangerous();
    const [from, to] = [ask.from, ask.to].map((t) => new Date(toMs(t)).toISOString());
    const edit = this.edits.add({ kind: 'deletion', points: ask.points, from, to, samples: null, reason: ask.reason });
    return answer(res, 200, { deleted: 0, edit: edit.id });
  }

  on_history({ req, res, rest, json, q }) {
    if (rest[0] === 'export' && q.get('format') === 'xlsx') return exportBook({ res, q });
    if (rest[0] === 'export') {
      res.writeHead(200, { 'Content-Type': 'text/csv', 'Content-Disposition': 'attachment; filename="history.csv"' });
      return res.end(`\ufefftime,${q.get('points')}\r\n`);
    }
    if (rest[0] === 'edits' || rest[0] === 'correct' || req.method === 'DELETE') return this.historyEdits({ req, res, rest, json, q });
    if (rest[0] === 'calculate') return this.calculate({ res, rest, json });
    const ask = json();
    const quality = rest[0] === 'quality';
    const series = ask.points.map((name) => {
      const found = this.point(name);
      if (!found) throw notFound(`点位 ${name}`);
      if (quality) return qualitySeries(ask, found.device, found.property);
      return querySeries(ask, found.device, found.property, this.edits);
    });
    const to = Math.max(toMs(ask.from), Math.min(toMs(ask.to), Date.now()));
    return answer(res, 200, quality ? { from: toMs(ask.from), to, series } : { series, next: null });
  }

  on_records({ req, res, rest, json, q }) {
    if (rest[0] !== 'chart') throw notFound(`业务记录类型 ${rest[0]}`);
    const row = ({ id, ...record }) => ({ id, type: 'chart', revision: 1, record });
    if (req.method === 'GET') return answer(res, 200, page(this.charts.map(row), q));
    if (req.method === 'DELETE') {
      this.charts = this.charts.filter((c) => c.id !== rest[1]);
      return answer(res, 204);
    }
    const chart = { id: id8(), ...json() };
    this.charts.push(chart);
    return answer(res, 201, row(chart));
  }

  on_people({ req, res, q, rest, json, session }) {
    if (rest[1] === 'sessions') {
      if (req.method === 'DELETE') return answer(res, 204);
      return answer(res, 200, { items: rest[0] === 'admin' ? this.sessionRows(session) : [] });
    }
    if (rest[1] === 'identities') {
      if (req.method !== 'GET') this.dangerous();
      return this.identityRoutes(req, res, rest, json);
    }
    if (rest[1] === 'rights') return this.on_sessions({ req, res, session, rest, json });
    if (rest[1] === 'second-factor') {
      this.people.find((p) => p.name === rest[0]).second_factor = false;
      return answer(res, 204);
    }
    if (req.method !== 'GET') this.dangerous();
    if (req.method === 'GET') return answer(res, 200, page(this.people.filter((p) => p.name.includes(q.get('q') ?? '')), q));
    if (req.method === 'POST') {
      const { password, ...person } = json();
      this.people.push(given(person));
      return answer(res, 201, person);
    }
    const index = this.people.findIndex((p) => p.name === rest[0]);
    if (index < 0) throw notFound(rest[0]);
    if (req.method === 'DELETE') this.people.splice(index, 1);
    else Object.assign(this.people[index], given(json()));
    return answer(res, req.method === 'DELETE' ? 204 : 200, this.people[index]);
  }

  on_backups(asked) {
    if (asked.rest[1] === 'restore' || asked.rest[1] === 'apply') this.dangerous();
    return this.backups.answer(asked, this.node.set['backup.sftp'] ?? '', () => {
      this.sessions.clear();
      this.down = Date.now() + RESTART_MS;
    });
  }

  on_provisioning_keys({ req, res, rest, json }) {
    const shown = (k) => ({ ...k, state: k.used >= k.uses ? 'used' : Date.parse(k.expires) <= Date.now() ? 'expired' : 'open' });
    if (req.method === 'GET') return answer(res, 200, { items: this.keys.map(shown), next: null });
    if (req.method === 'DELETE') {
      this.keys = this.keys.filter((x) => x.id !== rest[0]);
      return answer(res, 204);
    }
    const { name, pattern = '*', thing = '', asset = '', uses = 1, expires } = json();
    const key = { id: id8(), name, pattern, thing, asset, uses, used: 0, expires, created: new Date().toISOString(), by: 'person:admin' };
    this.keys.push(key);
    return answer(res, 201, { ...shown(key), key: `shp_${randomBytes(32).toString('base64url')}` });
  }

  on_tokens({ req, res, q, rest, json }) {
    if (req.method === 'GET') return answer(res, 200, page(this.tokens, q));
    if (req.method === 'DELETE') {
      this.tokens = this.tokens.filter((x) => x.id !== rest[0]);
      return answer(res, 204);
    }
    const token = { id: id8(), created: new Date().toISOString(), ...json() };
    const secret = `sht_${randomBytes(24).toString('base64url')}`;
    this.tokens.push(token);
    this.secrets.set(secret, token.id);
    return answer(res, 201, { ...token, token: secret });
  }
}

Object.assign(
  Mock.prototype, accountRoutes, outsideRoutes, certificateRoutes, deviceRoutes, accessRoutes, nodeRoutes, dashboardRoutes, securityRoutes, noteRoutes,
  thingRoutes, expressionRoutes, commandRoutes, classRoutes, fileRoutes, plantRoutes,
);

/** Grants as the server answers them. */
function given(person) {
  const state = (g) => (g.until && g.until < new Date().toISOString() ? 'ended' : g.from && g.from > new Date().toISOString() ? 'coming' : 'active');
  return person.grants ? { ...person, grants: person.grants.map((g) => ({ tenant: '', ...g, state: state(g), by: 'admin', given: new Date().toISOString() })) } : person;
}

function page(items, q) {
  const limit = Math.min(1000, Number(q.get('limit') ?? 50));
  const start = q.get('cursor') ? Number(Buffer.from(q.get('cursor'), 'base64url').toString()) : 0;
  const end = start + limit;
  return { items: items.slice(start, end), next: end < items.length ? CURSOR(end) : null, total: items.length };
}

function send(res, event, data) {
  res.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

async function readBody(req) {
  const parts = [];
  for await (const part of req) parts.push(part);
  return Buffer.concat(parts);
}
