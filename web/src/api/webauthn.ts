// Security keys and passkeys: between the server's base64url and the browser's buffers.
import { post, put } from './client';

interface Begun {
  challenge: string;
  rp_id: string;
  user: { id: string; name: string; display: string };
  exclude: string[];
}
interface Asked {
  challenge: string;
  rp_id: string;
  ids: string[];
}
export interface Assertion {
  id: string;
  client_data: string;
  authenticator_data: string;
  signature: string;
}
export interface KeyAdded {
  id: string;
  recovery_codes: string[] | null;
}

export function toBase64url(bytes: ArrayBuffer): string {
  let text = '';
  for (const byte of new Uint8Array(bytes)) text += String.fromCharCode(byte);
  return btoa(text).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
}

export function fromBase64url(text: string): ArrayBuffer {
  const plain = atob(text.replace(/-/g, '+').replace(/_/g, '/'));
  const out = new Uint8Array(plain.length);
  for (let i = 0; i < plain.length; i += 1) out[i] = plain.charCodeAt(i);
  return out.buffer;
}

/** Browsers offer keys to pages of https and of localhost, and to host names only. */
export function keysPossible(): boolean {
  const named = /[a-z]/i.test(location.hostname) && !location.hostname.includes(':');
  return window.isSecureContext && named && typeof window.PublicKeyCredential === 'function';
}

const TIMEOUT_MS = 120_000;
const ALGORITHMS = [-7, -8, -257];

function descriptors(ids: string[]): PublicKeyCredentialDescriptor[] {
  return ids.map((id) => ({ type: 'public-key', id: fromBase64url(id) }));
}

/** Makes a key and has the server keep it. */
export async function addKey(name: string): Promise<KeyAdded> {
  const begun = await post<Begun>('sessions/current/keys');
  const made = (await navigator.credentials.create({
    publicKey: {
      challenge: fromBase64url(begun.challenge),
      rp: { id: begun.rp_id, name: 'Songhua' },
      user: { id: fromBase64url(begun.user.id), name: begun.user.name, displayName: begun.user.display },
      pubKeyCredParams: ALGORITHMS.map((alg) => ({ type: 'public-key', alg })),
      excludeCredentials: descriptors(begun.exclude),
      authenticatorSelection: { userVerification: 'preferred' },
      attestation: 'none',
      timeout: TIMEOUT_MS,
    },
  })) as PublicKeyCredential;
  const response = made.response as AuthenticatorAttestationResponse;
  const body = {
    name,
    client_data: toBase64url(response.clientDataJSON),
    attestation: toBase64url(response.attestationObject),
  };
  return (await put<KeyAdded>('sessions/current/keys', body)).data;
}

/** Has a key sign what the server asks: to sign in (`who`), behind a provider, or for one's own session. */
export async function signWithKey(who?: { user: string; password: string } | 'outside'): Promise<Assertion> {
  const path = who === 'outside' ? 'sign-in/key' : who ? 'sessions/key' : 'sessions/current/key';
  const asked = await post<Asked>(path, typeof who === 'object' ? who : undefined);
  const got = (await navigator.credentials.get({
    publicKey: {
      challenge: fromBase64url(asked.challenge),
      rpId: asked.rp_id,
      allowCredentials: descriptors(asked.ids),
      userVerification: 'preferred',
      timeout: TIMEOUT_MS,
    },
  })) as PublicKeyCredential;
  const response = got.response as AuthenticatorAssertionResponse;
  return {
    id: toBase64url(got.rawId),
    client_data: toBase64url(response.clientDataJSON),
    authenticator_data: toBase64url(response.authenticatorData),
    signature: toBase64url(response.signature),
  };
}
