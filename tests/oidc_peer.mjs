// A provider of OpenID Connect for tests: the npm package oidc-provider as it is, with people of the test, and beside it a second
// issuer that answers by hand what a hostile or broken one would. Everything is on loopback.
//
//   node oidc_peer.mjs <port> <hostile port> <callback> [<callback>...]
//
// Prints "ready" when both listen. The page of the good one asks for name and password (any), and takes one-time codes for given when
// the box is ticked. What the hostile one does to its next token is set by POST /next {"break":"nonce"|...}; GET /seen tells what it saw.
// Packages come from web/node_modules (npm ci in web/).
// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const need = createRequire(new URL('../web/package.json', import.meta.url));
const load = async (name) => import(pathToFileURL(need.resolve(name)).href);
const { default: Provider } = await load('oidc-provider');
const jose = await load('jose');

const [port, hostilePort, ...callbacks] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const hostileIssuer = `http://127.0.0.1:${hostilePort}`;
const CLIENT = 'songhua';
let listening = 0;
const SECRET = 'a secret: with %signs/and+more';

// ---- the good one ----

const GROUPS = { li: ['line 3', 'operators'], boss: ['administrators'], wang: [] };

const rsa = await jose.generateKeyPair('RS256', { extractable: true });
const ps = await jose.generateKeyPair('PS256', { extractable: true });
const ec = await jose.generateKeyPair('ES256', { extractable: true });
const ed = await jose.generateKeyPair('EdDSA', { extractable: true });
const jwk = async (pair, alg, kid) => ({ ...(await jose.exportJWK(pair.privateKey)), alg, kid, use: 'sig' });

const client = (id, more) => ({
  client_id: id,
  client_secret: SECRET,
  redirect_uris: callbacks,
  post_logout_redirect_uris: callbacks.map((url) => url.replace(/callback$/, 'signed-out')),
  response_types: ['code'],
  grant_types: ['authorization_code'],
  ...more,
});
const provider = new Provider(issuer, {
  clients: [
    client(CLIENT, { id_token_signed_response_alg: 'RS256' }),
    client('songhua-ps', { id_token_signed_response_alg: 'PS256' }),
    client('songhua-es', { id_token_signed_response_alg: 'ES256', token_endpoint_auth_method: 'client_secret_post' }),
    client('songhua-ed', { id_token_signed_response_alg: 'EdDSA', client_secret: undefined, token_endpoint_auth_method: 'none' }),
  ],
  jwks: { keys: [await jwk(rsa, 'RS256', 'rsa'), await jwk(ps, 'PS256', 'ps'), await jwk(ec, 'ES256', 'ec'), await jwk(ed, 'EdDSA', 'ed')] },
  cookies: { keys: ['of the test'] },
  features: { devInteractions: { enabled: false }, claimsParameter: { enabled: true } },
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA', 'HS256'] },
  pkce: { required: () => true, methods: ['S256'] },
  scopes: ['openid', 'profile', 'groups'],
  claims: { openid: ['sub'], profile: ['preferred_username', 'name', 'locale'], groups: ['groups'], amr: null, acr: null, auth_time: null, iss: null, sid: null },
  findAccount: (_ctx, id) => ({
    accountId: id,
    claims: () => ({ sub: id, preferred_username: id.replace(/^id-of-/, ''), name: `${id.replace(/^id-of-/, '')} (corp)`, locale: 'en', groups: GROUPS[id.replace(/^id-of-/, '')] ?? [] }),
  }),
  loadExistingGrant: async (ctx) => {
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope('openid profile groups');
    await grant.save();
    return grant;
  },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  ttl: { AccessToken: 600, AuthorizationCode: 60, IdToken: 600, Interaction: 600, Session: 3600, Grant: 3600 },
});
provider.on('server_error', (_ctx, error) => console.error(error));

const page = `<!doctype html><meta charset="utf-8"><title>Corp sign-in</title><h1>Corp</h1>
<form method="post"><input name="login" id="login" autofocus><input name="password" id="password" type="password">
<label><input type="checkbox" name="otp" id="otp">code</label><button type="submit">Sign in</button>
<button name="abort" value="1">Cancel</button></form>`;
const body = async (req) => {
  let text = '';
  for await (const part of req) text += part;
  return text;
};
const answer = provider.callback();
createServer(async (req, res) => {
  if (!req.url.startsWith('/interaction/')) return answer(req, res);
  if (req.method === 'GET') return res.writeHead(200, { 'Content-Type': 'text/html' }).end(page);
  const form = new URLSearchParams(await body(req));
  const login = { accountId: `id-of-${form.get('login')}`, amr: form.get('otp') ? ['pwd', 'otp'] : ['pwd'], remember: true };
  return provider.interactionFinished(req, res, form.get('abort') ? { error: 'access_denied' } : { login });
}).listen(Number(port), '127.0.0.1', tell);

// ---- the hostile one ----

const other = await jose.generateKeyPair('RS256', { extractable: true });
const rotated = await jose.generateKeyPair('RS256', { extractable: true });
let keys = [{ ...(await jose.exportJWK(rsa.publicKey)), kid: 'first', use: 'sig' }];
let breaks = '';
const codes = new Map();
const seen = { tokens: 0, keys: 0, basic: '', verifier: '' };

async function signed(claims) {
  const header = { alg: 'RS256', kid: 'first' };
  const b64 = (o) => Buffer.from(JSON.stringify(o)).toString('base64url');
  if (breaks === 'alg_none') return `${b64({ alg: 'none' })}.${b64(claims)}.`;
  if (breaks === 'alg_hs256') {
    // the public key, which everybody knows, as the secret (RFC 8725, 2.1)
    const secret = new TextEncoder().encode(await jose.exportSPKI(rsa.publicKey));
    return new jose.SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'first' }).sign(secret);
  }
  if (breaks === 'other_key') return new jose.SignJWT(claims).setProtectedHeader(header).sign(other.privateKey);
  if (breaks === 'own_key_in_header') {
    const own = await jose.exportJWK(other.publicKey);
    return new jose.SignJWT(claims).setProtectedHeader({ alg: 'RS256', jwk: own }).sign(other.privateKey);
  }
  if (breaks === 'rotated') return new jose.SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'second' }).sign(rotated.privateKey);
  return new jose.SignJWT(claims).setProtectedHeader(header).sign(rsa.privateKey);
}

function claimsOf(nonce) {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: hostileIssuer, aud: CLIENT, sub: 'id-of-li', preferred_username: 'li', nonce, iat: now, exp: now + 300, auth_time: now };
  const change = {
    nonce: { nonce: 'of another sign-in' },
    no_nonce: { nonce: undefined },
    audience: { aud: 'another client' },
    two_audiences: { aud: [CLIENT, 'another client'] },
    azp: { aud: [CLIENT, 'another client'], azp: 'another client' },
    issuer: { iss: issuer },
    expired: { iat: now - 400, exp: now - 100 },
    future: { iat: now + 600, exp: now + 900 },
    skew: { iat: now + 30, exp: now - 30 },
    old_auth: { auth_time: now - 3600 },
    no_auth: { auth_time: undefined },
    no_sub: { sub: '' },
  }[breaks];
  return { ...claims, ...change };
}

const json = (res, status, o) => res.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(o));
const routes = {
  '/.well-known/openid-configuration': (_url, _req, res) =>
    breaks === 'down'
      ? json(res, 503, {})
      : json(res, 200, {
          issuer: breaks === 'document_issuer' ? issuer : hostileIssuer,
          authorization_endpoint: `${hostileIssuer}/auth`,
          token_endpoint: breaks === 'inside' ? 'http://10.255.255.1/token' : `${hostileIssuer}/token`,
          jwks_uri: `${hostileIssuer}/jwks`,
          authorization_response_iss_parameter_supported: true,
        }),
  '/jwks': (_url, _req, res) => {
    seen.keys += 1;
    json(res, 200, { keys: breaks === 'no_keys' ? [] : keys });
  },
  '/auth': (url, _req, res) => {
    const code = createHash('sha256').update(String(Math.random())).digest('hex');
    const q = url.searchParams;
    codes.set(code, { nonce: q.get('nonce'), challenge: q.get('code_challenge'), redirect: q.get('redirect_uri') });
    const back = new URL(q.get('redirect_uri'));
    back.searchParams.set('code', code);
    back.searchParams.set('state', breaks === 'state' ? 'of another sign-in' : q.get('state'));
    if (breaks !== 'no_iss') back.searchParams.set('iss', breaks === 'mix_up' ? issuer : hostileIssuer);
    res.writeHead(302, { Location: back.href }).end();
  },
  '/token': async (_url, req, res) => {
    const form = new URLSearchParams(await body(req));
    const was = codes.get(form.get('code'));
    seen.tokens += 1;
    seen.basic = req.headers.authorization ?? '';
    seen.verifier = form.get('code_verifier') ?? '';
    codes.delete(form.get('code'));
    const challenge = createHash('sha256').update(seen.verifier).digest('base64url');
    if (!was || was.challenge !== challenge || was.redirect !== form.get('redirect_uri')) return json(res, 400, { error: 'invalid_grant' });
    return json(res, 200, { access_token: 'x', token_type: 'Bearer', id_token: await signed(claimsOf(was.nonce)) });
  },
  '/next': async (_url, req, res) => {
    breaks = JSON.parse(await body(req)).break;
    if (breaks === 'rotated') keys = [{ ...(await jose.exportJWK(rotated.publicKey)), kid: 'second', use: 'sig' }];
    json(res, 200, {});
  },
  '/seen': (_url, _req, res) => json(res, 200, seen),
};
createServer((req, res) => {
  const url = new URL(req.url, hostileIssuer);
  const run = routes[url.pathname];
  if (!run) return json(res, 404, {});
  return run(url, req, res);
}).listen(Number(hostilePort), '127.0.0.1', tell);

function tell() {
  listening += 1;
  if (listening === 2) console.log('ready');
}
process.stdin.on('end', () => process.exit(0)).resume(); // whoever started it has gone
