// The parts of an OpenAPI 3.1 document that the explorer shows.

export interface Schema {
  $ref?: string;
  type?: string | string[];
  description?: string;
  properties?: Record<string, Schema>;
  items?: Schema;
  required?: string[];
  enum?: unknown[];
  format?: string;
}
export interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header' | 'cookie';
  required?: boolean;
  description?: string;
  schema?: Schema;
}
export interface Operation {
  method: string;
  path: string;
  summary?: string;
  description?: string;
  tags?: string[];
  parameters?: Parameter[];
  requestBody?: { content?: Record<string, { schema?: Schema; example?: unknown }> };
  responses?: Record<string, { description?: string; content?: Record<string, { schema?: Schema }> }>;
  'x-permission'?: string;
  'x-summary-zh'?: string;
}
export interface OpenApi {
  openapi: string;
  info: { title: string; version: string };
  servers?: { url: string }[];
  paths: Record<string, Record<string, Omit<Operation, 'method' | 'path'>> & { parameters?: Parameter[] }>;
  components?: { schemas?: Record<string, Schema> };
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

export function operations(doc: OpenApi): Operation[] {
  return Object.entries(doc.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => method in item).map((method) => {
      const found = item[method] as Omit<Operation, 'method' | 'path'>;
      const parameters = [...(item.parameters ?? []), ...(found.parameters ?? [])];
      return { ...found, parameters, method, path };
    }),
  );
}

/** Groups by tag, else by the first word of the path; in the order of the document. */
export function byTag(all: Operation[]): [string, Operation[]][] {
  const groups = new Map<string, Operation[]>();
  for (const one of all) {
    const first = one.path.replace(/^\/api\/v1/, '').split('/')[1] ?? '';
    const tag = one.tags?.[0] ?? first;
    groups.set(tag, [...(groups.get(tag) ?? []), one]);
  }
  return [...groups];
}

/** Where an operation is called: the server's base before the path, unless the path has it already. */
export function addressOf(doc: OpenApi, path: string): string {
  const base = doc.servers?.[0]?.url ?? '';
  const root = base.startsWith('http') ? new URL(base).pathname : base;
  return path.startsWith('/api/') || !path.startsWith('/') ? path : root.replace(/\/$/, '') + path;
}

/** What the operation does, in Chinese where the document says so. */
export function summaryOf(operation: Operation, language: string): string {
  return (language === 'zh' ? operation['x-summary-zh'] : undefined) ?? operation.summary ?? '';
}

export function fillPath(path: string, values: Record<string, string>): string {
  return path.replace(/\{([^}]+)\}/g, (_, name: string) => encodeURIComponent(values[name] ?? ''));
}
