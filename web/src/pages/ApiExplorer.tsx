import { Button, Input } from 'antd';
import { useMemo, useState } from 'react';
import { addressOf, byTag, fillPath, operations, summaryOf, type OpenApi, type Operation } from '../api/openapi';
import { useResource } from '../api/useResource';
import { setQuery, usePlace } from '../app/router';
import { CodeBlock } from '../components/CodeBlock';
import { EmptyState } from '../components/EmptyState';
import { Loading } from '../components/Loading';
import { PageHeader } from '../components/PageHeader';
import { ProblemView } from '../components/ProblemView';
import { language, t } from '../i18n';

const SHOWN = 200_000;

function Method({ method }: { method: string }) {
  return (
    <span className="method" data-method={method}>
      {method.toUpperCase()}
    </span>
  );
}

interface Tried {
  status: number;
  ms: number;
  text: string;
}

async function tryIt(url: string): Promise<Tried> {
  const started = performance.now();
  const response = await fetch(url, { headers: { 'Accept-Language': language() } });
  const text = await response.text();
  const ms = Math.round(performance.now() - started);
  let shown = text;
  try {
    shown = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // Not JSON (metrics, CSV): shown as it came.
  }
  return { status: response.status, ms, text: shown.slice(0, SHOWN) };
}

function TryIt({ doc, operation }: { doc: OpenApi; operation: Operation }) {
  const [values, setValues] = useState<Record<string, string>>({});
  const [tried, setTried] = useState<Tried | null>(null);
  const [busy, setBusy] = useState(false);
  const inputs = (operation.parameters ?? []).filter((p) => p.in === 'path' || p.in === 'query');
  const query = new URLSearchParams(
    inputs.filter((p) => p.in === 'query' && values[p.name]).map((p) => [p.name, values[p.name] ?? '']),
  ).toString();
  const url = addressOf(doc, fillPath(operation.path, values)) + (query ? `?${query}` : '');
  const missing = inputs.some((p) => p.required && !values[p.name]);
  const run = async () => {
    setBusy(true);
    try {
      setTried(await tryIt(url));
    } catch (error) {
      setTried({ status: 0, ms: 0, text: String(error) });
    } finally {
      setBusy(false);
    }
  };
  return (
    <form
      className="try"
      onSubmit={(event) => {
        event.preventDefault();
        if (!missing) void run();
      }}
    >
      <h3>{t('explorer.try')}</h3>
      {inputs.map((p) => (
        <label key={p.name} className="try-row">
          <span className="mono">{p.name}</span>
          <Input
            size="small"
            value={values[p.name] ?? ''}
            onChange={(e) => setValues((old) => ({ ...old, [p.name]: e.target.value }))}
          />
        </label>
      ))}
      <div className="try-run">
        <Button size="small" type="primary" htmlType="submit" loading={busy} disabled={missing}>
          GET
        </Button>
        <code>{url}</code>
      </div>
      {tried ? (
        <>
          <p role="status" className={tried.status >= 200 && tried.status < 300 ? '' : 'bad'}>
            {tried.status} · {tried.ms} ms
          </p>
          <CodeBlock text={tried.text} label={t('explorer.answer')} />
        </>
      ) : null}
    </form>
  );
}

function Detail({ doc, operation }: { doc: OpenApi; operation: Operation }) {
  const parameters = operation.parameters ?? [];
  const bodies = Object.entries(operation.requestBody?.content ?? {});
  return (
    <article className="operation">
      <h2>
        <Method method={operation.method} /> <code>{addressOf(doc, operation.path)}</code>
      </h2>
      <p>{summaryOf(operation, language())}</p>
      {operation.description ? <p className="dim">{operation.description}</p> : null}
      {operation['x-permission'] ? (
        <p>
          {t('explorer.permission')} <code>{operation['x-permission']}</code>
        </p>
      ) : null}
      {parameters.length > 0 ? (
        <>
          <h3>{t('explorer.parameters')}</h3>
          <dl className="facts">
            {parameters.map((p) => (
              <div key={`${p.in}${p.name}`}>
                <dt>
                  <code>{p.name}</code> {p.required ? <span className="bad">*</span> : null}
                </dt>
                <dd>
                  <span className="dim">
                    {p.in} {String(p.schema?.type ?? '')}
                  </span>{' '}
                  {p.description}
                </dd>
              </div>
            ))}
          </dl>
        </>
      ) : null}
      {bodies.map(([type, { schema, example }]) => (
        <div key={type}>
          <h3>
            {t('explorer.body')} <code>{type}</code>
          </h3>
          <CodeBlock text={JSON.stringify(example ?? schema ?? {}, null, 2)} label={t('explorer.body')} />
        </div>
      ))}
      <h3>{t('explorer.answers')}</h3>
      <dl className="facts">
        {Object.entries(operation.responses ?? {}).map(([status, response]) => (
          <div key={status}>
            <dt>{status}</dt>
            <dd>{response.description}</dd>
          </div>
        ))}
      </dl>
      {operation.method === 'get' ? <TryIt doc={doc} operation={operation} /> : null}
    </article>
  );
}

export default function ApiExplorer() {
  const { query } = usePlace();
  const { data, problem, reload } = useResource<OpenApi>('openapi.json');
  const [search, setSearch] = useState('');
  const all = useMemo(() => (data ? operations(data) : []), [data]);
  const wanted = search.trim().toLowerCase();
  const shown = all.filter((o) => `${o.method} ${o.path} ${o.summary ?? ''} ${o['x-summary-zh'] ?? ''}`.toLowerCase().includes(wanted));
  const chosen = all.find((o) => `${o.method} ${o.path}` === query.get('op')) ?? all[0];
  return (
    <div className="page-fill">
      <PageHeader
        title={t('nav.api')}
        marks={data ? <span className="dim">OpenAPI {data.openapi}</span> : null}
        actions={
          <Button href="/api/v1/openapi.json" target="_blank">
            openapi.json
          </Button>
        }
      />
      <ProblemView problem={problem} retry={reload} />
      {!data && !problem ? <Loading /> : null}
      {data ? (
        <div className="explorer">
          <nav className="explorer-side" aria-label={t('explorer.routes')}>
            <Input
              allowClear
              value={search}
              aria-label={t('explorer.search')}
              placeholder={t('explorer.search')}
              onChange={(e) => setSearch(e.target.value)}
            />
            <div className="route-list">
              {byTag(shown).map(([tag, list]) => (
                <div key={tag}>
                  <div className="menu-group">{tag}</div>
                  {list.map((o) => (
                    <button
                      key={`${o.method} ${o.path}`}
                      type="button"
                      className="route"
                      aria-current={o === chosen}
                      onClick={() => setQuery({ op: `${o.method} ${o.path}` }, false)}
                    >
                      <Method method={o.method} />
                      <span>{o.path.replace(/^\/api\/v1/, '')}</span>
                    </button>
                  ))}
                </div>
              ))}
            </div>
          </nav>
          <div className="explorer-main scroll" tabIndex={0} role="region" aria-label={t('explorer.detail')}>
            {chosen ? (
              <Detail key={`${chosen.method} ${chosen.path}`} doc={data} operation={chosen} />
            ) : (
              <EmptyState title={t('explorer.none')} />
            )}
          </div>
        </div>
      ) : null}
    </div>
  );
}
