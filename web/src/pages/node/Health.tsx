// How the node itself fares: processor, memory, loops and the road to the disk, now and over the last quarter of an hour.
import { Button } from 'antd';
import type { ReactNode } from 'react';
import type { Health as Data, HealthSeries } from '../../api/types';
import { useResource } from '../../api/useResource';
import { Sparkline, type SparkPoint } from '../../charts/Sparkline';
import { Loading } from '../../components/Loading';
import { PageHeader } from '../../components/PageHeader';
import { Panel } from '../../components/Panel';
import { ProblemView } from '../../components/ProblemView';
import { useEvery } from '../../components/useEvery';
import { t } from '../../i18n';
import { bytes, compact, count, span } from '../../i18n/format';
import { SlowPanel } from './SlowPanel';
import './node.css';

const EVERY_MS = 5000;

function pointsOf(series: HealthSeries, name: keyof HealthSeries): SparkPoint[] {
  return series.time.map((at, i) => [at, series[name][i] ?? null]);
}

function Figure(props: { label: string; title?: string; value: ReactNode; unit?: string; note?: ReactNode; points: SparkPoint[] }) {
  return (
    <section className="figure" aria-label={props.label} title={props.title}>
      <h2>{props.label}</h2>
      <div className="figure-value">
        {props.value}
        {props.unit ? <small>{props.unit}</small> : null}
      </div>
      <Sparkline points={props.points} label={t('health.trend', { name: props.label })} zero />
      <div className="figure-notes">{props.note ?? ' '}</div>
    </section>
  );
}

function Figures({ data }: { data: Data }) {
  const s = data.series;
  const last = (name: keyof HealthSeries) => s[name][s[name].length - 1];
  const rate = (name: keyof HealthSeries) => compact(last(name) === undefined ? null : Math.round(last(name) as number));
  return (
    <div className="figures five">
      <Figure
        label={t('health.cpu')}
        value={last('cpu')?.toFixed(2) ?? '–'}
        note={t('health.ofProcessors', { n: data.process.processors })}
        points={pointsOf(s, 'cpu')}
      />
      <Figure
        label={t('health.memory')}
        value={bytes(data.process.memory_bytes)}
        note={t('health.most', { n: bytes(data.process.memory_most_bytes) })}
        points={pointsOf(s, 'memory_bytes')}
      />
      <Figure
        label={t('health.commit')}
        value={Number(data.journal.commit_p99_ms.toPrecision(3))}
        unit="ms"
        note={t('overview.commits', { n: rate('commits') })}
        points={pointsOf(s, 'commit_ms')}
      />
      <Figure
        label={t('health.queue')}
        value={bytes(data.journal.queue_bytes)}
        note={t('health.ofMax', { n: bytes(data.journal.queue_max_bytes) })}
        points={pointsOf(s, 'queue_bytes')}
      />
      <Figure
        label={t('health.turn')}
        title={t('health.turnHint')}
        value={last('turn_ms') === undefined ? '–' : Number((last('turn_ms') as number).toPrecision(3))}
        unit="ms"
        points={pointsOf(s, 'turn_ms')}
      />
      <Figure
        label={t('health.jobs')}
        value={count(data.workers.waiting)}
        note={t('health.threads', { n: data.workers.threads })}
        points={pointsOf(s, 'waiting')}
      />
      <Figure label={t('health.samples')} value={rate('samples')} unit={t('unit.perSecond')} points={pointsOf(s, 'samples')} />
      <Figure label={t('health.messages')} value={rate('messages')} unit={t('unit.perSecond')} points={pointsOf(s, 'messages')} />
      <Figure label={t('health.requests')} value={rate('requests')} unit={t('unit.perSecond')} points={pointsOf(s, 'requests')} />
      <Figure
        label={t('health.connections')}
        value={count(data.loops.reduce((n, l) => n + l.connections, 0))}
        points={pointsOf(s, 'connections')}
      />
    </div>
  );
}

function Loops({ data }: { data: Data }) {
  return (
    <Panel title={t('health.loops')} className="table-panel">
      <table className="facts-table" aria-label={t('health.loops')}>
        <thead>
          <tr>
            <th scope="col">{t('health.loop')}</th>
            <th scope="col" className="right">{t('health.connections')}</th>
            <th scope="col" className="right">{t('health.accepted')}</th>
            <th scope="col" className="right">{t('health.refusedTotal')}</th>
            <th scope="col" className="right">{t('health.in')}</th>
            <th scope="col" className="right">{t('health.out')}</th>
            <th scope="col" className="right">{t('health.toSend')}</th>
            <th scope="col" className="right">{t('health.tls')}</th>
          </tr>
        </thead>
        <tbody>
          {data.loops.map((l, i) => (
            <tr key={i}>
              <th scope="row">{i + 1}</th>
              <td className="right">{count(l.connections)}</td>
              <td className="right">{count(l.accepted)}</td>
              <td className={l.refused + l.failed > 0 ? 'right warn' : 'right'}>{count(l.refused + l.failed)}</td>
              <td className="right">{bytes(l.bytes_in)}</td>
              <td className="right">{bytes(l.bytes_out)}</td>
              <td className="right">{bytes(l.queued_bytes)}</td>
              <td className="right">{`${count(l.tls_handshakes)} (${count(l.tls_failed)})`}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}

type Fact = [name: string, value: ReactNode, bad?: boolean];

function Facts({ title, facts }: { title: string; facts: Fact[] }) {
  return (
    <Panel title={title}>
      <dl className="facts">
        {facts.map(([name, value, bad]) => (
          <div key={name} className="fact">
            <dt>{name}</dt>
            <dd className={bad ? 'warn' : undefined}>{value}</dd>
          </div>
        ))}
      </dl>
    </Panel>
  );
}

const pair = (a: number, b: number) => `${count(a)} / ${count(b)}`;

function diskFacts({ journal: j, records: r, history: h }: Data): Fact[] {
  return [
    [t('health.journalCommits'), count(j.commits)],
    [t('health.journalLog'), `${bytes(j.log_bytes)} (${count(j.files)})`],
    [t('health.journalRefused'), count(j.refused + j.refused_full), j.refused + j.refused_full > 0],
    [t('health.journalRetries'), pair(j.retries, j.sealed_files), j.retries + j.sealed_files > 0],
    [t('health.recordCommits'), `${count(r.commits)} (${r.commit_mean_ms} ms)`],
    [t('health.recordQueue'), pair(r.queued, r.queue_full), r.queue_full > 0],
    [t('health.blobs'), bytes(r.blob_bytes)],
    [t('health.stored'), `${compact(h.samples)} / ${compact(h.points)}`],
    [t('health.segments'), `${count(h.segments)} (${count(h.cold_segments)}), ${bytes(h.segment_bytes)}`],
    [t('health.head'), `${compact(h.head_samples)}, ${bytes(h.head_bytes)} / ${bytes(h.head_max_bytes)}`],
    [t('health.compactions'), pair(h.flushes, h.compactions)],
    [t('health.damaged'), count(h.damaged), h.damaged > 0],
  ];
}

function processFacts({ process: p, workers: w, log, settings_waiting: waiting }: Data): Fact[] {
  return [
    [t('health.pid'), p.pid],
    [t('health.processThreads'), count(p.threads)],
    [t('health.files'), pair(p.files, p.files_max), p.files > p.files_max * 0.8],
    [t('health.cpuSeconds'), span(p.cpu_seconds)],
    [t('health.sql'), `${count(w.sql_open)} / ${count(w.sql_limited)} / ${count(w.sql_timeouts)}`],
    [t('health.logCounts'), <a key="log" href="/logs?level=warn">{pair(log.errors, log.warnings)}</a>, log.errors > 0],
    [
      t('health.settingsWaiting'),
      waiting > 0 ? <a key="settings" href="/settings?show=waiting">{count(waiting)}</a> : count(0),
    ],
  ];
}

export default function Health() {
  const { data, problem, reload } = useResource<Data>('health');
  useEvery(EVERY_MS, reload);
  return (
    <div>
      <PageHeader
        title={t('nav.health')}
        note={
          data ? (
            <>
              <span>{t('health.what', { version: data.version, span: span(data.uptime_s) })}</span>
              <span>{data.series.time.length < 2 ? t('health.early') : t('health.refresh')}</span>
            </>
          ) : null
        }
        actions={<Button href="/logs">{t('nav.log')}</Button>}
      />
      <ProblemView problem={problem} retry={reload} />
      {!data && !problem ? <Loading /> : null}
      {data ? (
        <>
          <Figures data={data} />
          <SlowPanel />
          <Loops data={data} />
          <div className="columns">
            <Facts title={t('health.disk')} facts={diskFacts(data)} />
            <Facts title={t('health.process')} facts={processFacts(data)} />
          </div>
        </>
      ) : null}
    </div>
  );
}
