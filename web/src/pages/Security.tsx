// The self check: every security control of this node, what was found, what mends it; printed for an assessor.
import { Button, Input } from 'antd';
import { useMemo } from 'react';
import type { Control, ControlState, SecurityReport } from '../api/types';
import { useResource } from '../api/useResource';
import { setQuery, usePlace } from '../app/router';
import { EmptyState } from '../components/EmptyState';
import { Loading } from '../components/Loading';
import { PageHeader } from '../components/PageHeader';
import { ProblemView } from '../components/ProblemView';
import { language, t, useLanguage } from '../i18n';
import { moment } from '../i18n/format';

const STATES: ControlState[] = ['not_met', 'part', 'met', 'none'];

/** Is the text anywhere in what is shown of the control? */
function fits(c: Control, q: string): boolean {
  const lang = language();
  const texts = [c.id, c.title[lang], c.evidence[lang], c.remedy[lang], c.dengbao, c.iec62443, c.setting ?? ''];
  return texts.some((text) => text.toLowerCase().includes(q.toLowerCase()));
}

function StateFilter({ report, chosen }: { report: SecurityReport; chosen: string }) {
  const button = (state: ControlState | '', count: number) => (
    <Button
      key={state}
      size="small"
      type={chosen === state ? 'primary' : 'default'}
      aria-pressed={chosen === state}
      onClick={() => setQuery({ state: state || null })}
    >
      {state ? t(`security.${state}`) : t('security.all')} {count}
    </Button>
  );
  return (
    <span className="state-filter" role="group" aria-label={t('security.state')}>
      {button('', report.items.length)}
      {STATES.map((state) => button(state, report.summary[state]))}
    </span>
  );
}

function Remedy({ control }: { control: Control }) {
  if (control.state === 'met' || control.state === 'none') return <span className="dim">–</span>;
  return (
    <>
      {control.remedy[language()]}
      {control.setting && !control.remedy[language()].includes(control.setting) ? (
        <>
          {' '}
          <code>{control.setting}</code>
        </>
      ) : null}
      {control.page ? (
        <>
          {' '}
          <a className="no-print" href={control.page}>
            {t('security.open')}
          </a>
        </>
      ) : null}
    </>
  );
}

function Row({ control }: { control: Control }) {
  const lang = language();
  return (
    <tr>
      <td>
        <span className="mark" data-control={control.state}>
          {t(`security.${control.state}`)}
        </span>
      </td>
      <th scope="row">
        {control.title[lang]}
        <code className="dim">{control.id}</code>
      </th>
      <td>{control.evidence[lang]}</td>
      <td>
        <Remedy control={control} />
      </td>
      <td className="clauses">
        {control.dengbao}
        <br />
        {control.iec62443}
      </td>
    </tr>
  );
}

function Controls({ rows }: { rows: Control[] }) {
  return (
    <div className="table-frame">
      <div className="table-box" tabIndex={0} role="region" aria-label={t('nav.security')}>
        <table className="controls" aria-label={t('nav.security')}>
          <thead>
            <tr>
              <th scope="col" style={{ width: 122 }}>{t('security.state')}</th>
              <th scope="col" style={{ width: '20%' }}>{t('security.control')}</th>
              <th scope="col">{t('security.evidence')}</th>
              <th scope="col" style={{ width: '25%' }}>{t('security.remedy')}</th>
              <th scope="col" style={{ width: 190 }}>{t('security.clauses')}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((c) => (
              <Row key={c.id} control={c} />
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

export default function Security() {
  const lang = useLanguage();
  const { query } = usePlace();
  const { data, problem, loading, reload } = useResource<SecurityReport>('security');
  const state = query.get('state') ?? '';
  const q = (query.get('q') ?? '').trim();
  const rows = useMemo(
    () => (data?.items ?? []).filter((c) => (!state || c.state === state) && (!q || fits(c, q))),
    [data, state, q, lang],
  );
  return (
    <div className="print-report">
      <PageHeader
        title={t('nav.security')}
        note={
          data ? (
            <>
              <span>{t('security.node', { name: data.host, version: data.version })}</span>
              <span>{t('security.at', { time: moment(data.time) })}</span>
              <span>{t('security.schemes')}</span>
            </>
          ) : (
            t('security.what')
          )
        }
        actions={
          <>
            <Button href="/security/data">{t('data.title')}</Button>
            <Button href="/security/keys">{t('nodeKeys.title')}</Button>
            <Button href="/security/components">{t('components.title')}</Button>
            <Button disabled={loading} onClick={reload}>
              {t('security.again')}
            </Button>
            <Button type="primary" disabled={!data} onClick={() => window.print()}>
              {t('security.print')}
            </Button>
          </>
        }
      />
      {problem && !data ? <ProblemView problem={problem} retry={reload} /> : null}
      {!data && loading ? <Loading /> : null}
      {data ? (
        <>
          <div className="toolbar" role="search">
            <StateFilter report={data} chosen={state} />
            <Input
              allowClear
              style={{ width: 260 }}
              value={query.get('q') ?? ''}
              aria-label={t('security.search')}
              placeholder={t('security.search')}
              onChange={(e) => setQuery({ q: e.target.value })}
            />
          </div>
          <p className="print-only">
            {STATES.map((s) => `${t(`security.${s}`)} ${data.summary[s]}`).join(' · ')}
          </p>
          {rows.length > 0 ? (
            <Controls rows={rows} />
          ) : (
            <EmptyState title={t('security.noneSuch')} hint={t('security.noneSuchHint')} />
          )}
        </>
      ) : null}
    </div>
  );
}
