// One way to the server: JSON in and out, problems as exceptions, the CSRF header on every change.
import { tenantOf } from '../app/tenant';
import { language } from '../i18n';
import type { PlaceError, ProblemBody } from './types';

export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  readonly remedy: string;
  readonly errors: PlaceError[];
  readonly factors: ('totp' | 'key')[];

  constructor(status: number, body: ProblemBody) {
    super(body.detail ?? body.title ?? `HTTP ${status}`);
    this.status = status;
    this.code = body.code ?? '';
    this.title = body.title ?? '';
    this.detail = body.detail ?? '';
    this.remedy = body.remedy ?? '';
    this.errors = body.errors ?? [];
    this.factors = body.factors ?? [];
  }
}

export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new Problem(0, { code: 'network', detail: message });
}

let csrf = '';
let onSignedOut: () => void = () => {};

export function setCsrf(value: string): void {
  csrf = value;
}
let bearer = '';
/** A page that carries a token instead of a session: no cookie is sent. */
export function setBearer(token: string): void {
  bearer = token;
}
export function csrfHeader(): Record<string, string> {
  return csrf ? { 'X-CSRF-Token': csrf } : {};
}
/** Asks for the password once more; false: the person would rather not. */
let confirmIdentity: () => Promise<boolean> = () => Promise.resolve(false);
export function whenConfirmNeeded(ask: () => Promise<boolean>): void {
  confirmIdentity = ask;
}
export function whenSignedOut(handler: () => void): void {
  onSignedOut = handler;
}

type QueryValue = string | number | boolean | null | undefined;

export interface CallOptions {
  query?: Record<string, QueryValue>;
  json?: unknown;
  body?: BodyInit;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}
export interface Answer<T> {
  data: T;
  etag: string | null;
}

export const API = '/api/v1/';

export function apiUrl(path: string, query?: Record<string, QueryValue>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== '') search.set(name, String(value));
  }
  const tenant = path.startsWith('/') || path.includes('tenant=') ? '' : tenantOf(path);
  if (tenant && !search.has('tenant')) search.set('tenant', tenant);
  const tail = search.toString();
  return `${path.startsWith('/') ? path : API + path}${tail ? `${path.includes('?') ? '&' : '?'}${tail}` : ''}`;
}

async function readProblem(response: Response): Promise<Problem> {
  try {
    return new Problem(response.status, (await response.json()) as ProblemBody);
  } catch {
    return new Problem(response.status, { title: response.statusText });
  }
}

export async function call<T>(
  method: string,
  path: string,
  options: CallOptions = {},
): Promise<Answer<T>> {
  try {
    return await callOnce<T>(method, path, options);
  } catch (error) {
    const again = error instanceof Problem && error.code === 'confirm_needed' && (await confirmIdentity());
    if (!again) throw error;
    return callOnce<T>(method, path, options);
  }
}

async function callOnce<T>(method: string, path: string, options: CallOptions): Promise<Answer<T>> {
  const headers: Record<string, string> = {
    Accept: 'application/json',
    'Accept-Language': language(),
    ...options.headers,
  };
  if (options.json !== undefined) headers['Content-Type'] = 'application/json';
  if (method !== 'GET' && csrf) headers['X-CSRF-Token'] = csrf;
  if (bearer) headers.Authorization = `Bearer ${bearer}`;
  const response = await fetch(apiUrl(path, options.query), {
    method,
    headers,
    body: options.json !== undefined ? JSON.stringify(options.json) : options.body,
    signal: options.signal,
    credentials: bearer ? 'omit' : 'same-origin',
  });
  if (!response.ok) {
    const problem = await readProblem(response);
    if (response.status === 401 && !path.startsWith('sessions') && !path.startsWith('sign-in')) onSignedOut();
    throw problem;
  }
  const text = response.status === 204 ? '' : await response.text();
  return { data: (text ? JSON.parse(text) : null) as T, etag: response.headers.get('ETag') };
}

/** A file of the server, as it comes, asked for with a body or without, under the name that the server gives; tells how many bytes are here. One that is cut off is an error. */
export async function fetchFile(url: string, onBytes: (n: number) => void, signal: AbortSignal, json?: unknown): Promise<File> {
  const asked = json === undefined ? {} : { 'Content-Type': 'application/json', ...csrfHeader() };
  const response = await fetch(url, {
    method: json === undefined ? 'GET' : 'POST',
    headers: { 'Accept-Language': language(), ...asked },
    body: json === undefined ? undefined : JSON.stringify(json),
    signal,
    credentials: 'same-origin',
  });
  if (!response.ok) {
    const problem = await readProblem(response);
    if (problem.code === 'confirm_needed' && (await confirmIdentity())) return fetchFile(url, onBytes, signal, json);
    throw problem;
  }
  const reader = response.body?.getReader();
  const parts: BlobPart[] = [];
  let n = 0;
  for (let step = await reader?.read(); step && !step.done; step = await reader?.read()) {
    parts.push(step.value);
    n += step.value.byteLength;
    onBytes(n);
  }
  const name = /filename="([^"]+)"/.exec(response.headers.get('Content-Disposition') ?? '')?.[1] ?? '';
  return new File(parts, name, { type: response.headers.get('Content-Type') ?? '' });
}

export async function get<T>(path: string, query?: CallOptions['query'], signal?: AbortSignal) {
  return (await call<T>('GET', path, { query, signal })).data;
}
export async function post<T>(path: string, json?: unknown, options: CallOptions = {}) {
  return (await call<T>('POST', path, { json: json ?? {}, ...options })).data;
}
export async function put<T>(path: string, json: unknown, etag?: string | null) {
  const headers: Record<string, string> | undefined = etag ? { 'If-Match': etag } : undefined;
  return call<T>('PUT', path, { json, headers });
}
export async function remove(path: string, json?: unknown): Promise<void> {
  await call('DELETE', path, json === undefined ? {} : { json });
}

export const seg = encodeURIComponent;
