// The shapes of docs/api.md that the console reads. Members the server may leave out are optional.

import type { Classed, DataClassName } from './dataTypes';

export * from './dataTypes';
export * from './thingTypes';

export type Words = { zh?: string; en?: string };
export type Cell = number | boolean | string | null;

export interface ProblemBody {
  title?: string;
  status?: number;
  code?: string;
  detail?: string;
  remedy?: string;
  errors?: PlaceError[];
  /** Of code_needed: what the person has. */
  factors?: ('totp' | 'key')[];
}
export interface PlaceError {
  line?: number;
  row?: number;
  column?: string;
  path?: string;
  code?: string;
  detail?: string;
}

export interface Page<T> {
  items: T[];
  next: string | null;
  total?: number;
}

export interface User {
  id?: string;
  name: string;
  tenant: string;
  roles: string[];
  grants?: Grant[];
  language?: string;
}
export interface Session {
  csrf: string;
  expires?: string;
  user: User;
  permissions?: string[];
  /** Held for some devices only. */
  in_part?: string[];
  /** What has to be done before anything else is allowed. */
  must?: ('password' | 'second_factor')[];
  second_factor?: boolean;
  /** There is one here; without it one signs in by a provider. */
  password?: boolean;
  /** Providers that one is linked to. */
  providers?: string[];
  /** Those of them that are directories: the password lives there. */
  directories?: string[];
  /** One-time codes are set up. */
  totp?: boolean;
  keys?: SecurityKey[];
  recovery_left?: number;
  /** Up to which classes of data one sees values. */
  clearance?: Classed[];
  /** What is drawn over a screen that shows data from this class on. */
  watermark?: { from: 'all' | 'important' | 'core'; text: string } | null;
  password_set?: string | null;
  password_expires?: string | null;
}
export interface SecurityKey {
  id: string;
  name: string;
  host: string;
  created: string;
  used: string | null;
}
export interface SessionRow {
  id: string;
  created: string;
  used: string;
  expires: string;
  address: string;
  agent: string;
  /** By whom; '' = by a password here. */
  provider?: string;
  current: boolean;
}

export type DeviceState = 'never' | 'online' | 'offline';
export interface Device extends Classed {
  highest_class?: Classed;
  /** Of single points. */
  point_classes?: Record<string, Classed>;
  id: string;
  name?: string;
  thing?: string;
  asset?: string;
  labels?: Record<string, string>;
  state: DeviceState;
  since?: string;
  demo?: boolean;
  archived?: boolean;
  points?: number;
  last_time?: string;
  driver?: string;
  description?: string;
  location?: string;
  period_ms?: number;
  write_enabled?: boolean;
  write_until?: string;
  aliases?: string[];
  created?: string;
  thing_revision?: number | null;
  revision?: number;
}
export interface Latest extends Classed {
  time: string | number;
  value: Cell;
  quality: number;
  /** Above one's clearance: no time, no value. */
  masked?: boolean;
}
export interface DeviceLatest {
  device: string;
  points: Record<string, Latest>;
}
export interface Connection {
  kind: string;
  state: string;
  since?: string;
  rtt_ms?: number;
  ok?: number;
  errors?: number;
  last_error?: string;
}
export interface Point extends Classed {
  masked?: boolean;
  id: string | number;
  name: string;
  device: string;
  property: string;
  type: ValueType;
  unit?: string;
  tag?: string;
  aliases?: string[];
}

export type ValueType = 'bool' | 'i64' | 'f64' | 'text' | 'blob';
/** What every member of a thing model may carry when it comes from the model above. */
export interface Member {
  id: string;
  name?: Words;
  inherited?: string;
  overrides?: string[];
}
export interface Property extends Member, Classed {
  type: ValueType;
  unit?: string;
  range?: { min?: number | null; max?: number | null };
  access?: 'r' | 'rw';
  scale?: Record<string, unknown>;
  enum?: Record<string, Words>;
}
export interface Field {
  id: string;
  name?: Words;
  type: ValueType;
  unit?: string;
  required?: boolean;
  range?: { min?: number | null; max?: number | null };
}
export interface ThingEvent extends Member {
  level?: 'info' | 'warning' | 'error';
  fields?: Field[];
}
export interface Service extends Member {
  input?: Field[];
  output?: Field[];
}
export interface Thing extends Classed {
  id: string;
  name?: Words;
  description?: string;
  version?: string | number;
  demo?: boolean;
  extends?: string | null;
  properties?: Property[];
  events?: ThingEvent[];
  services?: Service[];
  revision?: number;
  updated?: string;
  shared?: boolean;
  /** In lists, for who may read all devices. */
  devices?: number;
  archived?: number;
  children?: number;
}

export interface Asset {
  id: string;
  kind: string;
  name: string;
  parent?: string | null;
  location?: { lat: number; lon: number; text?: string } | null;
}

/** A role for a time, below a tenant, or for a part of the plant. */
export interface Grant {
  role: string;
  tenant?: string;
  asset?: string;
  label?: string;
  own?: boolean;
  from?: string | null;
  until?: string | null;
  state?: 'active' | 'coming' | 'ended';
  reason?: string;
  by?: string;
  given?: string;
}
export interface Person {
  name: string;
  tenant?: string;
  grants?: Grant[];
  display?: string;
  roles: string[];
  language?: string;
  disabled?: boolean;
  must_change?: boolean;
  second_factor?: boolean;
  has_password?: boolean;
  linked?: number;
}
export interface Role {
  name: string;
  clearance?: Classed;
  permissions: string[];
  builtin?: boolean;
}
export interface ProvisioningKey {
  id: string;
  name: string;
  pattern: string;
  thing: string;
  asset: string;
  uses: number;
  used: number;
  state: 'open' | 'used' | 'expired';
  expires: string;
  created: string;
  by: string;
  /** Only in the answer that made it. */
  key?: string;
}
export interface Token {
  id: string;
  name: string;
  roles?: string[];
  permissions?: string[];
  device?: string;
  asset?: string;
  label?: string;
  /** Shows this one and may do nothing else. */
  dashboard?: string;
  expires?: string | null;
  created?: string;
  last_used?: string | null;
  last_from?: string;
  provision?: boolean;
  clearance?: Classed | null;
  token?: string;
}
export const REVOKE_REASONS = [
  'superseded',
  'key_compromise',
  'cessation_of_operation',
  'affiliation_changed',
  'privilege_withdrawn',
  'ca_compromise',
  'unspecified',
] as const;
export type RevokeReason = (typeof REVOKE_REASONS)[number];
export interface Certificate {
  fingerprint: string;
  subject: string;
  issuer: string;
  serial: string;
  not_before: string | null;
  not_after: string | null;
  source: 'issued' | 'entered';
  state: 'valid' | 'expiring' | 'not_yet' | 'expired' | 'revoked';
  added?: string | null;
  revoked?: string | null;
  reason?: RevokeReason | null;
  note?: string;
  /** Only in the answer that made it. */
  certificate?: string;
  key?: string;
  ca?: string;
}
/** GET devices/{id}/access. */
export type Door = 'mqtt' | 'http' | 'est' | 'api';
export interface DeviceAccess {
  allow: string[];
  refused: { count: number; last: string; address: string; why: 'address' | 'quarantine'; how: Door } | null;
  clone: { addresses: string[]; first: string; last: string; times: number; how: Door } | null;
  quarantine: { since: string; reason: string; by: string } | null;
  clones: 'off' | 'warn' | 'quarantine';
}
export interface Certificates {
  items: Certificate[];
  common_names: string[];
}
/** One revision of a device's description. Values are left out for who holds a part of the plant. */
export interface DeviceChange {
  revision: number;
  time: string;
  by: string;
  change: 'created' | 'changed' | 'deleted';
  members: { name: string; before?: unknown; after?: unknown }[];
}

export interface AuditEntry {
  seq: number;
  time: string;
  principal: string;
  tenant?: string;
  act: string;
  object?: string;
  result?: string;
  detail?: string;
  hash?: string;
}

export interface Overview {
  /** Demo devices are counted apart, never among the real ones. */
  devices: { total: number; online: number; offline: number; never: number; demo?: number; demo_online?: number };
  /** These and the rest of the node's figures: only for who may see all of it. */
  samples?: { per_second: number; total: number; refused: number };
  mqtt?: {
    connections: number;
    sessions: number;
    in_per_second?: number;
    out_per_second?: number;
    /** Counters since the start; rates are taken from them where the server gives none. */
    publish_in?: number;
    publish_out?: number;
  };
  storage?: {
    bytes: number;
    bytes_per_sample?: number | null;
    disk_free: number;
    disk_total: number;
    /** Which of disk.warn, disk.act and disk.stop is passed. */
    disk_level?: 'ok' | 'warn' | 'act' | 'stop';
    full_date?: string | null;
  };
  journal?: { commits_per_second: number; commit_ms: number; queue_bytes: number };
  /** Of the last quarter of an hour. */
  slow?: { count: number; worst_ms: number; over_ms: number };
  problems: Trouble[];
  changes?: AuditEntry[];
  version: string;
  uptime_s?: number;
  demo?: boolean;
}
export type WholeNode = Overview & Required<Pick<Overview, 'samples' | 'storage' | 'journal'>>;
export interface Trouble {
  level: 'info' | 'warning' | 'error';
  code: string;
  text: string;
  remedy?: string;
  object?: string;
  since?: string;
  count?: number;
  /** Of the disk's marks: how much is used and when it is full. */
  percent?: number;
  date?: string | null;
}

export interface ImportReport {
  created: number;
  updated: number;
  rejected: PlaceError[];
}

/** Something that happened to the device of a series. */
export interface SeriesMark {
  time: number | string;
  kind: 'replaced' | 'renamed';
  by?: string;
  note?: string;
  from?: string;
}
export interface DeviceEvent {
  time: string;
  event: string;
  data: unknown;
}
export interface QuerySeries {
  point: string;
  unit?: string;
  type?: ValueType;
  time: (number | string)[];
  value?: Cell[];
  quality?: number[];
  marks?: SeriesMark[];
  /** Above general at level 1, or masked. */
  data_class?: DataClassName;
  data_level?: 1 | 2 | 3;
  masked?: boolean;
  [aggregate: string]: unknown;
}
export interface QueryAnswer {
  series: QuerySeries[];
  next: string | null;
}

export type ControlState = 'met' | 'part' | 'not_met' | 'none';
export interface Control {
  id: string;
  state: ControlState;
  title: { zh: string; en: string };
  evidence: { zh: string; en: string };
  remedy: { zh: string; en: string };
  setting: string | null;
  page: string | null;
  dengbao: string;
  iec62443: string;
}
export interface SecurityReport {
  host: string;
  version: string;
  time: string;
  running: boolean;
  summary: Record<ControlState, number>;
  items: Control[];
}

/** Of CycloneDX 1.5: the members that the console shows. */
export interface BomComponent {
  'bom-ref': string;
  group?: string;
  name: string;
  version: string;
  purl: string;
  licenses?: { license?: { id: string }; expression?: string }[];
}
export interface BillOfMaterials {
  components: BomComponent[];
}

export type SettingType = 'text' | 'bool' | 'int' | 'size' | 'duration' | 'listen' | 'choice';
export interface Setting {
  key: string;
  /** What runs. */
  value: string;
  default: string;
  source: 'default' | 'file' | 'console' | 'environment' | 'set';
  /** What is set in the console; it may be outranked. */
  console: string | null;
  /** What holds from the next start on, where that is another value. */
  next: string | null;
  live: boolean;
  security: boolean;
  file_only: boolean;
  may: boolean;
  type: SettingType;
  min?: number;
  max?: number;
  choices?: string[];
  help: string;
}
export interface Settings {
  revision: number;
  /** False: settings of the console are left aside. */
  console: boolean;
  items: Setting[];
}
export interface SettingChange {
  key: string;
  from: string | null;
  to: string | null;
  live?: boolean;
  warning?: string | null;
}
export interface SettingsCheck {
  revision: number;
  errors: { key: string; code: string; detail: string; remedy: string }[];
  changes: SettingChange[];
  outranked?: string[];
}
export interface SettingsRevision {
  revision: number;
  time: string;
  who: string;
  note: string;
  changes: SettingChange[];
}

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';
export interface LogLine {
  seq: number;
  time: string;
  level: LogLevel;
  module: string;
  text: string;
  cut: boolean;
}
export interface LogPage {
  items: LogLine[];
  last: number;
  level: LogLevel;
  next: string | null;
}

export interface HealthSeries {
  time: number[];
  cpu: number[];
  memory_bytes: number[];
  samples: number[];
  commits: number[];
  commit_ms: number[];
  queue_bytes: number[];
  turn_ms: number[];
  waiting: number[];
  connections: number[];
  requests: number[];
  messages: number[];
}
type Numbers<K extends string> = Record<K, number>;
export interface Health {
  process: Numbers<'pid' | 'processors' | 'cpu_seconds' | 'memory_bytes' | 'memory_most_bytes' | 'threads' | 'files' | 'files_max'>;
  loops: Numbers<
    'connections' | 'accepted' | 'refused' | 'failed' | 'bytes_in' | 'bytes_out' | 'queued_bytes' | 'posts_queued' | 'tls_handshakes' | 'tls_failed'
  >[];
  workers: Numbers<'threads' | 'waiting' | 'sql_open' | 'sql_limited' | 'sql_timeouts'>;
  log: Numbers<'errors' | 'warnings'>;
  journal: Numbers<
    | 'commits' | 'commit_ms' | 'commit_p99_ms' | 'queue_bytes' | 'queue_max_bytes' | 'log_bytes' | 'files' | 'refused' | 'refused_full'
    | 'retries' | 'sealed_files' | 'made_inline'
  >;
  records: Numbers<'commits' | 'commit_mean_ms' | 'queued' | 'refused' | 'queue_full' | 'blob_bytes'>;
  history: Numbers<
    | 'samples' | 'points' | 'segments' | 'segment_bytes' | 'cold_segments' | 'head_samples' | 'head_bytes' | 'head_max_bytes' | 'flushes'
    | 'compactions' | 'damaged'
  >;
  settings_waiting: number;
  series: HealthSeries;
  version: string;
  uptime_s: number;
}

/** Keys that secrets at rest are sealed with. */
export interface NodeKey {
  id: number;
  algorithm: 'aes-256-gcm' | 'sm4';
  made: string | null;
  in_use: boolean;
}
export interface NodeKeys {
  master: { kind: 'file' | 'environment' | 'pkcs11'; where: string };
  keys: NodeKey[];
  sheet: { made: string; by: string } | null;
}
