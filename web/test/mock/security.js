import { answer } from './answer.js';

// Controls of the self check, as the real server lists them (a few of each state).
const row = (id, state, title, evidence, remedy, setting, page, dengbao, iec62443) => ({
  id, state,
  title: { zh: title[0], en: title[1] },
  evidence: { zh: evidence[0], en: evidence[1] },
  remedy: { zh: remedy[0], en: remedy[1] },
  setting, page, dengbao, iec62443,
});
const nothing = ['无需处理。', 'Nothing to do.'];

function securityItems() {
  return [
    row('people.first_password', 'met', ['首次密码已失效', 'No first password is lying about'], ['没有 keys/first-password 文件', 'no keys/first-password'],
      ['用它登录一次即自动删除；或运行 songhua passwd。', 'Sign in with it once, then it is gone; or songhua passwd.'], null, '/account', '8.1.4.1 a), 8.1.4.2 b)', 'SR 1.5'),
    row('people.second_factor', 'not_met', ['管理员双因素登录', 'Second factor of administrators'],
      ['guard.second_factor = choice；管理员 0/1 人、全部人员 0/1 人已启用', 'guard.second_factor = choice; 0 of 1 administrators have one, 0 of 1 people'],
      ['设置 guard.second_factor = administrators 或 all；各人在“个人账户”页启用动态验证码。', 'Set guard.second_factor = administrators or all; each sets up codes under Account.'],
      'guard.second_factor', '/people', '8.1.4.1 d)', 'SR 1.1 RE 2'),
    row('people.password_rules', 'part', ['密码复杂度', 'Strength of passwords'],
      ['至少 10 个字符、0 类字符；最近 5 个密码不得重复使用', 'at least 10 characters of 0 kinds; the last 5 may not come back'],
      ['设置 guard.password_min = 10、guard.password_classes = 3。', 'Set guard.password_min = 10 and guard.password_classes = 3.'],
      'guard.password_classes', null, '8.1.4.1 a)', 'SR 1.7'),
    row('network.zones', 'none', ['网络分区与边界', 'Zones and conduits'], ['防火墙、分区与单向隔离由现场网络实现', 'firewalls, zones and one-way gates are the plant\'s network'],
      ['将节点置于现场防火墙之后的独立分区。',
        'Put the node behind the plant\'s firewall, in a zone of its own.'], null, null, '8.1.2.1, 8.1.3.1, 8.5.2.1', 'SR 5.1, SR 5.2'),
    row('audit.chain', 'met', ['审计链完整', 'The audit chain is whole'],
      ['已核验至第 12 条，由节点密钥封存', 'proved whole up to entry 12, sealed by the node key'],
      nothing, null, '/audit', '8.1.4.3 c)', 'SR 2.8, SR 3.9'),
  ];
}

const component = (purl, name, version, licenses, more = {}) => ({ type: 'library', 'bom-ref': purl, name, version, licenses, purl, ...more });

function bomComponents() {
  return [
    component('pkg:generic/songhua-console@0.1.0', 'songhua-console', '0.1.0', [{ license: { id: 'Apache-2.0' } }]),
    component('pkg:deb/debian/libssl3@3.0.17-1?arch=amd64', 'libssl3', '3.0.17-1', [{ license: { id: 'Apache-2.0' } }]),
    component('pkg:deb/debian/libargon2-1@0~2017?arch=amd64', 'libargon2-1', '0~2017', [{ expression: 'CC0-1.0 OR Apache-2.0' }]),
    component('pkg:npm/%40ant-design/icons@6.0.0', 'icons', '6.0.0', [{ license: { id: 'MIT' } }], { group: '@ant-design' }),
  ];
}

// Keys of the node: a new one, and the recovery sheet.
function nodeKeys(server, { req, res, rest, json, session }) {
  const k = (server.nodeKeys ??= { keys: [{ id: 1, algorithm: 'aes-256-gcm', made: '2026-01-05T08:00:00Z', in_use: true }], sheet: null });
  const shown = { master: { kind: 'file', where: 'keys/node.key' }, ...k };
  if (req.method === 'GET') return answer(res, 200, shown);
  if (rest[1] === 'rotation') {
    k.keys.forEach((x) => (x.in_use = false));
    k.keys.unshift({ id: k.keys[0].id + 1, algorithm: 'aes-256-gcm', made: new Date().toISOString(), in_use: true });
    return answer(res, 200, { resealed: json?.master ? 4 : 3, ...shown });
  }
  if (req.method === 'DELETE') {
    k.sheet = null;
    return answer(res, 204);
  }
  k.sheet = { made: new Date().toISOString(), by: session.user.name };
  return answer(res, 201, { code: '7KQ2A-90XM4-HN3TC-0V8RW-YB5E1-ZJ6G2-1PD7S-4FK9M', ...shown, ...k });
}

export const securityRoutes = {
  on_security({ req, res, rest, json, session }) {
    if (rest[0] === 'keys') return nodeKeys(this, { req, res, rest, json, session });
    const items = securityItems();
    const summary = { met: 0, part: 0, not_met: 0, none: 0 };
    items.forEach((c) => (summary[c.state] += 1));
    return answer(res, 200, { host: 'harbin-1', version: '0.1.0', time: new Date().toISOString(), running: true, summary, items, next: null });
  },

  on_sbom({ res }) {
    return answer(res, 200, { bomFormat: 'CycloneDX', specVersion: '1.5', version: 1, components: bomComponents() });
  },
};
