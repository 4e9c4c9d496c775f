// Sign-in by a certificate in the mock: texts to sign are made and used up as by the real server; one signature is good.
import { answer, notFound, Refusal } from './answer.js';

/** base64 of "songhua": the mock can not check a real one. */
export const GOOD_SIGNATURE = 'c29uZ2h1YQ==';

const AUTHORITY = {
  subject: 'CN=SM2 root,O=Plant,C=CN', issuer: 'CN=SM2 root,O=Plant,C=CN', serial: '4D52', key: 'SM2',
  from: '2026-01-01T00:00:00Z', until: '2036-01-01T00:00:00Z',
  sha256: 'a0'.repeat(32), sm3: 'b1'.repeat(32),
};
export const FRESH_CERTIFICATE = {
  kind: 'certificate', ca: '', distid: '1234567812345678', policies: '', revocation: 'strict', client_auth: false, match: 'fingerprint',
  name_claim: 'cn', self_bind: true, people: 'linked', roles: [], roles_claim: 'ou', map: [], second_factor: 'own', zh: '', en: '', disabled: false,
  authorities: [AUTHORITY], revocation_lists: [],
};

/** What an entry changes: the lists are told and not given back. */
export function certificateEntered(asked) {
  if (asked.ca !== undefined && !asked.ca.includes('BEGIN CERTIFICATE')) {
    throw new Refusal(400, 'bad_request', '信任列表不是 PEM 格式的证书。', '请粘贴 CA 证书（PEM，最多 16 张）。');
  }
  const { crl, ...rest } = asked;
  if (crl === undefined) return rest;
  const list = {
    issuer: AUTHORITY.subject, this_update: '2026-11-01T00:00:00Z', next_update: '2036-12-01T00:00:00Z', revoked: 1, of_trust_list: true,
    sha256: 'c2'.repeat(32),
  };
  return { ...rest, revocation_lists: crl === '' ? [] : [list] };
}

export function certificateTrial(p, asked) {
  const step = (name, result, detail = '') => ({ step: name, result, detail });
  const lists = p.revocation_lists.length > 0;
  const steps = [step('trust', 'ok'), step('lists', lists ? 'ok' : 'skipped', lists ? '' : '未配置吊销列表。')];
  if (!asked?.certificate) return { good: true, steps, found: null, code: null, detail: null };
  const good = asked.signature === GOOD_SIGNATURE;
  steps.push(
    step('certificate', 'ok', 'CN=李雷,O=Plant,C=CN'), step('key', 'ok'),
    step('signature', good ? 'ok' : 'failed', good ? '' : '签名与此密钥及文本不符（密钥、文本或杂凑算法不同，或 SM2 的用户身份标识不同）。'),
    step('validity', 'ok'), step('chain', 'ok'), step('revocation', lists ? 'ok' : 'skipped'), step('usage', 'ok'),
    step('person', 'failed', '本平台没有人员与其关联。'),
  );
  const found = {
    ...AUTHORITY, subject: 'CN=李雷,O=Plant,C=CN', name: '李雷', display: '李雷', groups: ['operators'], roles: p.roles, person: null,
  };
  return { good: false, steps, found, code: null, detail: null };
}

const purposes = { 'sign-in': 'sign-in', confirm: 'confirmation', bind: 'binding of a certificate' };

export const certificateRoutes = {
  certificateDoor(req, res, path, json) {
    const p = (this.providers ?? []).find((x) => x.id === path[1] && x.kind === 'certificate' && !x.disabled);
    if (!p) throw notFound(path.join('/'));
    if (path[2] === 'challenge') {
      const purpose = json().for ?? 'sign-in';
      const nonce = Math.random().toString(36).slice(2).padEnd(43, '0');
      const text = `Songhua ${purposes[purpose]}\nsite: http://${req.headers.host}\nprovider: ${p.id}\ntime: ${new Date().toISOString()}\nnonce: ${nonce}\n`;
      this.challenge = { purpose, text };
      return answer(res, 201, { challenge: text, expires: new Date(Date.now() + 300_000).toISOString(), distid: p.distid },
        { 'Set-Cookie': 'songhua_outside=mock; Path=/; HttpOnly; SameSite=Lax' });
    }
    if (path[2] === 'bind') return this.bindCertificate(req, res, p.id, json());
    const purpose = this.proveCertificate(json());
    if (purpose === 'sign-in' && !(this.account.providers ?? []).includes(p.id)) {
      throw new Refusal(403, 'certificate_refused', '不能使用该证书登录', '请联系管理员：审计记录写明原因，并可在“统一认证”页逐步测试。');
    }
    if (purpose === 'sign-in') return this.enter(res, req.headers['user-agent']);
    this.confirmed = true;
    return answer(res, 204);
  },

  /** Uses the text up. */
  proveCertificate({ certificate, signature }) {
    const waiting = this.challenge;
    this.challenge = undefined;
    if (!waiting) throw new Refusal(409, 'challenge_over', '质询已失效', '请重新获取：每个质询仅可用一次，五分钟内在获取它的浏览器中有效。');
    if (!certificate.includes('CERTIFICATE') || signature.trim() !== GOOD_SIGNATURE) {
      throw new Refusal(403, 'certificate_refused', '不能使用该证书登录', '签名与所示质询文本及证书不符');
    }
    return waiting.purpose;
  },

  bindCertificate(req, res, provider, body) {
    this.session(req);
    this.dangerous();
    this.proveCertificate(body);
    this.account = { ...this.account, providers: [...new Set([...(this.account.providers ?? []), provider])] };
    return answer(res, 204);
  },
};
