// Requests and statements that took long: GET slow.
export interface SlowItem {
  id: number;
  time: string;
  ms: number;
  /** Of which it waited for a worker; null: not known. */
  waited_ms: number | null;
  /** 'SQL' for a statement of the PostgreSQL protocol. */
  method: string;
  route: string;
  status: number | null;
  tenant: string;
  who: string;
  rows: number | null;
  bytes: number | null;
  /** The time that the client took is in `ms`. */
  streamed: boolean;
  form?: 'json' | 'query' | 'sql' | 'promql';
  text?: string;
  cut?: boolean;
  /** There is a text, and it is not for whoever looks. */
  masked?: boolean;
}
export interface SlowRoute {
  method: string;
  route: string;
  tenant: string;
  count: number;
  worst_ms: number;
  /** In the last quarter of an hour. */
  lately: number;
  lately_worst_ms: number;
  last: string;
}
export interface SlowPage {
  items: SlowItem[];
  next: string | null;
  routes: SlowRoute[];
  /** The limit, api.slow; 0: none are kept. */
  over_ms: number;
  since: string;
}
