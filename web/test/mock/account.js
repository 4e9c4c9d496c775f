// Sessions, second factor and confirmation in the mock: methods of Mock.
import { answer, id8, notFound, Refusal } from './answer.js';

const CODE = '123456'; // what the authenticator app shows here

const RIGHTS = {
  stopped: null,
  items: [
    { name: 'devices.read', zh: '查看设备', en: 'see devices', held: true, roles: ['admin'] },
    { name: 'people.write', zh: '修改人员', en: 'change people', held: true, roles: ['admin'] },
    { name: 'backup.run', zh: '备份和恢复', en: 'back up and restore', held: false, roles: ['system_administrator'] },
  ],
};

const ROLES = [
  { name: 'admin', permissions: ['*'], builtin: true },
  { name: 'operator', permissions: ['devices.read', 'history.read', 'things.read'], builtin: true },
  { name: 'ingest', permissions: ['ingest.write'], builtin: true },
];

export const accountRoutes = {
  /** Takes what the browser made without looking at it: what a signature is worth is the real server's to say. */
  keyRoutes(req, res, rest, json) {
    this.dangerous();
    const keys = this.account.keys ?? [];
    if (req.method === 'POST') {
      return answer(res, 201, { challenge: 'AAAAAAAAAAAAAAAA', rp_id: 'localhost', user: { id: 'AAAA', name: 'admin', display: '管理员' }, exclude: keys.map((k) => k.id) });
    }
    if (req.method === 'DELETE') {
      const left = keys.filter((k) => k.id !== rest[2]);
      this.account = { ...this.account, keys: left, second_factor: left.length > 0 || this.account.totp };
      return answer(res, 204);
    }
    const { name, attestation } = json();
    // the credential id stands behind 37 + 16 bytes of the authenticator data, its length before it
    const bytes = Buffer.from(attestation, 'base64url');
    const at = bytes.indexOf('authData') + 8;
    const data = bytes.subarray(at + (bytes[at] === 0x58 ? 2 : 3));
    const id = data.subarray(55, 55 + data.readUInt16BE(53)).toString('base64url');
    const first = !this.account.second_factor;
    const made = { id, name: name || '1', host: 'localhost', created: new Date().toISOString(), used: null };
    this.account = { ...this.account, second_factor: true, recovery_left: 10, keys: [...keys, made] };
    return answer(res, 200, { id, recovery_codes: first ? Array.from({ length: 10 }, () => `${id8().slice(0, 5)}-${id8().slice(0, 5)}`.toUpperCase()) : null });
  },

  on_roles({ req, res, rest, json }) {
    this.roles ??= [...ROLES];
    const at = this.roles.findIndex((r) => r.name === rest[0]);
    if (req.method === 'GET') return answer(res, 200, { items: this.roles, next: null, total: this.roles.length });
    if (this.roles[at]?.builtin) throw new Refusal(409, 'state', '内置角色不能修改', '');
    if (req.method === 'DELETE') {
      this.roles.splice(at, 1);
      return answer(res, 204);
    }
    const role = { name: rest[0], permissions: json().permissions, clearance: json().clearance };
    if (at < 0) this.roles.push(role);
    else this.roles[at] = role;
    return answer(res, 200, role);
  },

  on_tenants({ req, res, rest, json }) {
    this.tenants ??= [{ path: '', name: '', disabled: false, quotas: {}, use: { devices: 12, points: 88, connections: 9, storage_bytes: 48e6 }, refused: {} }];
    if (req.method === 'GET') return answer(res, 200, { items: this.tenants, next: null, total: this.tenants.length });
    const asked = json();
    const old = this.tenants.find((x) => x.path === (rest[0] ?? asked.path));
    if (req.method === 'POST') {
      if (old) throw new Refusal(409, 'exists', '名称已存在', '请换一个名称。');
      this.tenants.push({ disabled: false, use: { devices: 47, points: 310, connections: 4, storage_bytes: 9e6 }, refused: { devices: 3 }, ...asked });
      return answer(res, 201, asked);
    }
    return answer(res, 200, Object.assign(old, asked));
  },

  on_administrators({ req, res, json, session }) {
    if (req.method === 'GET') return answer(res, 200, { separated: false, system: ['admin'], security: ['admin'], audit: ['admin'], ...this.administrators });
    const names = ['system', 'security', 'audit'].map((kind) => json()[kind].name);
    if (new Set(names).size < 3) throw new Refusal(400, 'bad_request', '需要三个不同的新人员', '请使用不同的用户名。');
    this.administrators = { separated: true, system: [names[0]], security: [names[1]], audit: [names[2]] };
    for (const [key, s] of this.sessions) if (s.user.name === session.user.name) this.sessions.delete(key);
    return answer(res, 204);
  },

  on_sessions({ req, res, session, rest, json }) {
    const end = (gone) => {
      for (const [key, s] of this.sessions) if (gone(s)) this.sessions.delete(key);
      return answer(res, 204);
    };
    if (rest[0] === undefined) {
      if (req.method === 'DELETE') return end((s) => s !== session);
      return answer(res, 200, { items: this.sessionRows(session) });
    }
    if (rest[1] === 'rights') return answer(res, 200, RIGHTS);
    if (rest[1] === 'key') return answer(res, 200, { challenge: 'AAAA', rp_id: 'localhost', ids: (this.account.keys ?? []).map((k) => k.id) });
    if (rest[1] === 'keys') return this.keyRoutes(req, res, rest, json);
    if (rest[1] === 'totp' && req.method === 'POST') {
      this.dangerous();
      return answer(res, 201, { secret: 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ', uri: 'otpauth://totp/Songhua:admin?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Songhua' });
    }
    if (rest[1] === 'totp' && req.method === 'PUT') {
      if (json().code !== CODE) throw new Refusal(422, 'bad_code', '验证码不正确', '请输入当前显示的验证码。');
      this.account = { ...this.account, second_factor: true, totp: true, recovery_left: 10, must: [] };
      return answer(res, 200, { recovery_codes: Array.from({ length: 10 }, () => `${id8().slice(0, 5)}-${id8().slice(0, 5)}`.toUpperCase()) });
    }
    if (rest[1] === 'totp') {
      this.account = { ...this.account, second_factor: (this.account.keys ?? []).length > 0, totp: false, recovery_left: 0 };
      return answer(res, 204);
    }
    if (rest[1] === 'recovery-codes') return answer(res, 200, { recovery_codes: Array.from({ length: 10 }, () => id8()) });
    if (rest[1] === 'password') {
      if (json().old !== this.password) throw new Refusal(403, 'bad_credentials', '旧密码错误', '');
      this.password = json().new;
      this.account = { ...this.account, must: [], password_set: new Date().toISOString() };
      return answer(res, 204);
    }
    if (rest[0] !== 'current') return end((s) => s.id === rest[0]);
    if (req.method === 'DELETE') return end((s) => s === session);
    return answer(res, 200, { ...session, ...this.account });
  },

  sessionRows(own) {
    const now = new Date().toISOString();
    return [...this.sessions.values()].map((s) => ({ id: s.id, created: s.created, used: now, expires: s.expires, address: '127.0.0.1', agent: s.agent, current: s === own }));
  },

  checkCode(code) {
    if (!code) {
      const factors = [this.account.totp === false ? '' : 'totp', this.account.keys?.length ? 'key' : ''].filter(Boolean);
      const refusal = new Refusal(401, 'code_needed', '还需要二次验证', '');
      refusal.body.factors = factors;
      throw refusal;
    }
    if (code !== CODE) throw new Refusal(401, 'bad_credentials', '用户名、密码或验证码不正确', '');
  },

  confirm(session, { password, code, assertion }, res) {
    if (password !== this.password) throw new Refusal(401, 'bad_credentials', '用户名、密码或验证码不正确', '');
    if (this.account.second_factor && !this.account.keys?.some((k) => k.id === assertion?.id)) this.checkCode(code);
    this.confirmed = true;
    return answer(res, 204);
  },

  dangerous() {
    if (!this.confirmed) throw new Refusal(403, 'confirm_needed', '该操作需要再次确认密码', '');
  },
};
