// Providers of sign-in in the mock: methods of Mock. There is no provider behind it: what the exchange does is the real server's to say.
import { answer, notFound, Refusal } from './answer.js';
import { certificateEntered, certificateTrial, FRESH_CERTIFICATE } from './certificate.js';

const FRESH = {
  kind: 'oidc',
  scopes: 'openid profile', name_claim: 'preferred_username', people: 'linked', roles: [], roles_claim: 'groups', map: [],
  second_factor: 'own', acr_values: '', sign_out: true, zh: '', en: '', disabled: false,
};

const FRESH_DIRECTORY = {
  kind: 'ldap', servers: [], tls: 'ldaps', allow_clear: false, ca: '', bind_dn: '', base: '', filter: '(uid={login})', dn_template: '',
  subject_attribute: 'entryUUID', display_attribute: 'cn', group_base: '', group_filter: '(member={dn})', name_claim: 'uid', people: 'linked',
  roles: [], roles_claim: 'memberOf', map: [], second_factor: 'own', zh: '', en: '', disabled: false,
};

/** One directory, in which li lives. */
function directoryTrial(p, asked) {
  const steps = [['connect', 'ok', p.servers[0]], ['tls', p.tls === 'none' ? 'skipped' : 'ok', ''], ['bind', 'ok', p.bind_dn]];
  const end = (good, found) => ({
    good, steps: steps.map(([step, result, detail]) => ({ step, result, detail })), found, code: null, detail: null,
  });
  if (!asked?.user) {
    steps.push(['search', 'ok', p.base]);
    return end(true, null);
  }
  if (asked.user !== 'li') {
    steps.push(['search', 'failed', `no entries below ${p.base} fit`], ['prove', 'skipped', '']);
    return end(false, null);
  }
  const dn = `uid=li,${p.base}`;
  const right = asked.password === 'Directory-river-7';
  steps.push(['search', 'ok', dn], ['prove', right ? 'ok' : 'failed', right ? dn : 'the password was refused: result 49'], ['attributes', 'ok', ''],
    ['roles', 'ok', '']);
  return end(right, {
    dn, subject: '4c993ea8-8094-1041-8a03-89fc2de85208', name: 'li', display: '李雷', disabled: false,
    groups: [`cn=operators,ou=groups,dc=plant,dc=cn`], roles: p.roles, person: null,
  });
}

export const outsideRoutes = {
  doors(res) {
    const open = (this.providers ?? []).filter((p) => !p.disabled);
    const of = (kind) => open.filter((p) => p.kind === kind).map(({ id, zh, en }) => ({ id, zh, en }));
    return answer(res, 200, { providers: of('oidc'), directories: of('ldap'), certificates: of('certificate') });
  },

  /** A page of the browser: always refused here. */
  door(req, res, path, json) {
    if (['challenge', 'answer', 'bind'].includes(path[2])) return this.certificateDoor(req, res, path, json);
    if (path[1] === 'code' || path[1] === 'key') throw new Refusal(401, 'sign_in_over', '此浏览器没有等待验证码的登录', '请重新通过统一认证登录。');
    if (path[2] !== 'start' && path[2] !== 'callback') throw notFound(path.join('/'));
    const known = (this.providers ?? []).some((p) => p.id === path[1] && p.kind === 'oidc' && !p.disabled);
    const confirm = req.url.includes('for=confirm') ? '&confirm=1' : '';
    res.writeHead(303, { Location: `/#sign-in=${known ? 'provider_down' : 'provider_off'}${confirm}` }).end();
    return undefined;
  },

  on_identity_providers({ req, res, rest, json }) {
    this.providers ??= [];
    const at = this.providers.findIndex((p) => p.id === rest[0]);
    if (rest[0] === undefined && req.method === 'GET') {
      return answer(res, 200, { items: this.providers, next: null, callback: `http://${req.headers.host}/api/v1/sign-in/{id}/callback`,
        signed_out: `http://${req.headers.host}/api/v1/sign-in/{id}/signed-out` });
    }
    if (rest[0] !== undefined && at < 0) throw notFound(rest[0]);
    if (rest[1] === 'try' && this.providers[at].kind === 'ldap') return answer(res, 200, directoryTrial(this.providers[at], json()));
    if (rest[1] === 'try' && this.providers[at].kind === 'certificate') return answer(res, 200, certificateTrial(this.providers[at], json()));
    if (rest[1] === 'try') return answer(res, 200, { good: false, code: 'provider_down', detail: "the provider's document: no route to host" });
    if (req.method === 'GET') return answer(res, 200, this.providers[at]);
    this.dangerous();
    if (req.method === 'DELETE') {
      if (Object.values(this.identities ?? {}).flat().some((i) => i.provider === rest[0]))
        throw new Refusal(409, 'state', 'People are linked to this provider.', 'Unlink them first.');
      this.providers.splice(at, 1);
      return answer(res, 204);
    }
    const { client_secret, bind_password, ...entered } = json();
    const asked = (entered.kind ?? this.providers[at]?.kind) === 'certificate' ? certificateEntered(entered) : entered;
    const secret = client_secret ?? bind_password;
    if (asked.tls === 'none' && !asked.allow_clear && asked.servers.some((s) => !/^(localhost|127\.)/.test(s))) {
      throw new Refusal(400, 'bad_request', 'Without TLS passwords cross the network in clear.', 'Use ldaps or starttls; allow_clear takes it nevertheless.');
    }
    if (req.method === 'POST' && this.providers.some((p) => p.id === asked.id)) throw new Refusal(409, 'exists', '名称已存在', '请换一个名称。');
    const fresh = { ldap: FRESH_DIRECTORY, certificate: FRESH_CERTIFICATE }[asked.kind] ?? FRESH;
    const old = this.providers[at] ?? { ...fresh, tenant: '', has_secret: false, created: new Date().toISOString(), revision: 0 };
    const made = { ...old, ...asked, has_secret: secret === undefined ? old.has_secret : secret !== '', revision: old.revision + 1 };
    if (at < 0) this.providers.push(made);
    else this.providers[at] = made;
    return answer(res, req.method === 'POST' ? 201 : 200, made);
  },

  identityRoutes(req, res, rest, json) {
    this.identities ??= {};
    const own = (this.identities[rest[0]] ??= []);
    if (req.method === 'GET') return answer(res, 200, { items: own });
    if (req.method === 'POST') own.push(json());
    else this.identities[rest[0]] = own.filter((i) => i.provider !== rest[2]);
    return answer(res, 204);
  },
};
