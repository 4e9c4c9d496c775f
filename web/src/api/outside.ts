// Signing in by a provider: how the browser came back (#/sign-in=...), and the windows that confirm.
import { isWord, t, type WordKey } from '../i18n';
import { Problem } from './client';

export interface Door {
  id: string;
  zh: string;
  en: string;
}
/** What both kinds have. */
interface ProviderBase extends Door {
  has_secret: boolean;
  /** Claim, or attribute of a directory. */
  name_claim: string;
  people: 'linked' | 'create' | 'map';
  roles: string[];
  roles_claim: string;
  map: { value: string; role: string }[];
  second_factor: 'own' | 'provider';
  disabled: boolean;
  revision: number;
}
export interface OidcProvider extends ProviderBase {
  kind: 'oidc';
  issuer: string;
  client_id: string;
  scopes: string;
  acr_values: string;
  /** Who signs out here does so there as well, where it offers that. */
  sign_out: boolean;
}
export interface DirectoryProvider extends ProviderBase {
  kind: 'ldap';
  servers: string[];
  tls: 'ldaps' | 'starttls' | 'none';
  allow_clear: boolean;
  ca: string;
  bind_dn: string;
  base: string;
  filter: string;
  dn_template: string;
  subject_attribute: string;
  display_attribute: string;
  group_base: string;
  group_filter: string;
}
export interface CertificateProvider extends ProviderBase {
  kind: 'certificate';
  ca: string;
  distid: string;
  policies: string;
  revocation: 'strict' | 'lenient';
  client_auth: boolean;
  match: 'fingerprint' | 'name';
  self_bind: boolean;
  authorities: { subject: string; issuer: string; serial: string; key: string; from: string; until: string; sha256: string; sm3: string }[];
  revocation_lists: {
    issuer: string;
    this_update: string;
    next_update: string | null;
    revoked: number;
    of_trust_list: boolean;
    sha256: string;
  }[];
}
export type Provider = OidcProvider | DirectoryProvider | CertificateProvider;
/** What trying a provider of certificates answers. */
export interface CertificateTrial {
  good: boolean;
  steps: { step: string; result: 'ok' | 'failed' | 'skipped'; detail: string }[];
  found: {
    subject: string;
    issuer: string;
    serial: string;
    key: string;
    from: string;
    until: string;
    sha256: string;
    sm3: string;
    name: string;
    display: string;
    groups: string[];
    roles: string[];
    person: string | null;
  } | null;
}
/** What trying a directory answers. */
export interface DirectoryTrial {
  good: boolean;
  steps: { step: string; result: 'ok' | 'failed' | 'skipped'; detail: string }[];
  found: {
    dn: string;
    subject: string;
    name: string;
    display: string;
    disabled: boolean;
    groups: string[];
    roles: string[];
    person: string | null;
  } | null;
}
export interface Identity {
  provider: string;
  subject?: string;
  name?: string;
  /** Of a directory: what was typed there last. */
  login?: string;
}

const CHANNEL = 'songhua-sign-in';

/** What the address says behind the '#', taken once; only words that the console knows are shown. */
function take(): { why: string; confirm: boolean } | null {
  const found = /^#sign-in=([a-z_]+)(&confirm=1)?$/.exec(location.hash);
  if (!found) return null;
  history.replaceState(null, '', location.pathname + location.search);
  return { why: found[1] ?? '', confirm: found[2] !== undefined };
}
export const outsideReturn = take();

export function outsideProblem(why: string, detail = ''): Problem {
  const known = isWord(`outsideWhy.${why}`) ? why : 'provider_error';
  return new Problem(401, {
    code: why,
    title: t(`outsideWhy.${known}` as WordKey),
    detail,
    remedy: t(`outsideFix.${known}` as WordKey),
  });
}

export function startAt(id: string, query: Record<string, string>): string {
  return `/api/v1/sign-in/${encodeURIComponent(id)}/start?${new URLSearchParams(query).toString()}`;
}

/** In the window that was opened to confirm: tells the one that asked. */
export function tellConfirmed(): void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage('confirmed');
  channel.close();
}
export function whenConfirmed(then: () => void): () => void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = (event) => {
    if (event.data === 'confirmed') then();
  };
  return () => channel.close();
}
