import { Button } from 'antd';
import type { ReactNode } from 'react';
import type { AuditEntry, Overview as Data, Page, WholeNode } from '../api/types';
import { useLive } from '../api/useLive';
import { useResource } from '../api/useResource';
import { useSession } from '../app/session';
import { Sparkline, type SparkPoint } from '../charts/Sparkline';
import { EmptyState } from '../components/EmptyState';
import { Loading } from '../components/Loading';
import { Age, DemoMark } from '../components/Marks';
import { PageHeader } from '../components/PageHeader';
import { ObjectLink } from '../components/ObjectLink';
import { Panel } from '../components/Panel';
import { ProblemView } from '../components/ProblemView';
import { Troubles } from '../components/Troubles';
import { useEvery } from '../components/useEvery';
import { t } from '../i18n';
import { bytes, compact, count, day, percent, span, who } from '../i18n/format';
import { LivePicture } from './LivePicture';
import { newest, TRENDS_MS, useOverviewTrends, type OverviewTrends } from './overviewTrends';

const CHANGES_MS = 10_000;

/** Five minutes once they are full; before, what there is, so that the line fills its place. */
function windowOf(points: SparkPoint[]): number {
  const first = points[0]?.[0] ?? 0;
  const last = points[points.length - 1]?.[0] ?? 0;
  return Math.min(TRENDS_MS, Math.max(30_000, last - first));
}

function Figure(props: { label: string; value: ReactNode; unit?: string; children?: ReactNode }) {
  return (
    <section className="figure" aria-label={props.label}>
      <h2>{props.label}</h2>
      <div className="figure-value">
        {props.value}
        {props.unit ? <small>{props.unit}</small> : null}
      </div>
      {props.children}
    </section>
  );
}

function DevicesFigure({ devices }: { devices: Data['devices'] }) {
  const states = ['online', 'offline', 'never'] as const;
  return (
    <Figure label={t('overview.devices')} value={count(devices.total)}>
      <div className="share" aria-hidden="true">
        {states.map((state) => (
          <span key={state} data-state={state} style={{ flexGrow: devices[state] }} />
        ))}
      </div>
      <div className="figure-notes">
        {states.map((state) => (
          <a key={state} href={`/devices?state=${state}`} className="mark" data-state={state}>
            {t(`device.${state}`)} {count(devices[state])}
          </a>
        ))}
        {devices.demo ? (
          <span>{t('overview.demoDevices', { n: count(devices.demo), online: count(devices.demo_online) })}</span>
        ) : null}
      </div>
    </Figure>
  );
}

const LEVEL_OF_DISK = { ok: 'ok', warn: 'warn', act: 'bad', stop: 'bad' } as const;

function StorageFigure({ storage }: { storage: WholeNode['storage'] }) {
  const used = storage.disk_total - storage.disk_free;
  const share = storage.disk_total > 0 ? used / storage.disk_total : 0;
  const level = LEVEL_OF_DISK[storage.disk_level ?? 'ok'];
  return (
    <Figure label={t('overview.storage')} value={bytes(storage.bytes)}>
      <div className="meter" role="img" aria-label={percent(used, storage.disk_total)}>
        <span data-level={level} style={{ width: `${100 * share}%` }} />
      </div>
      <div className="figure-notes">
        <span>
          {t('overview.disk', {
            free: bytes(storage.disk_free),
            used: percent(used, storage.disk_total),
          })}
        </span>
        <span>
          {storage.full_date
            ? t('overview.fullOn', { date: day(storage.full_date) })
            : t('overview.fullNever')}
        </span>
      </div>
    </Figure>
  );
}

/** What the node as a whole does is shown to who may see all of it. */
function isWhole(data: Data): data is WholeNode {
  return data.samples !== undefined && data.storage !== undefined && data.journal !== undefined;
}

function Figures({ data, trends }: { data: WholeNode; trends: OverviewTrends }) {
  const perSample = data.storage.bytes_per_sample;
  return (
    <div className="figures">
      <DevicesFigure devices={data.devices} />
      <Figure
        label={t('overview.samples')}
        value={<span data-testid="samples-rate">{compact(data.samples.per_second)}</span>}
        unit={t('unit.perSecond')}
      >
        <Sparkline points={trends.samples} label={t('overview.samplesTrend')} windowMs={windowOf(trends.samples)} zero />
        <div className="figure-notes">
          <span>{t('overview.total', { n: compact(data.samples.total) })}</span>
          <span className={data.samples.refused > 0 ? 'warn' : ''}>
            {t('overview.refused', { n: compact(data.samples.refused) })}
          </span>
        </div>
      </Figure>
      <Figure label={t('overview.mqtt')} value={count(data.mqtt?.connections)} unit={t('unit.connections')}>
        <Sparkline points={trends.mqttIn} label={t('overview.mqttTrend')} windowMs={windowOf(trends.mqttIn)} zero />
        <div className="figure-notes">
          <span>{t('overview.mqttIn', { n: compact(newest(trends.mqttIn)) })}</span>
          <span>{t('overview.mqttOut', { n: compact(newest(trends.mqttOut)) })}</span>
          <span>{t('overview.sessions', { n: count(data.mqtt?.sessions) })}</span>
        </div>
      </Figure>
      <Figure
        label={t('overview.commit')}
        value={Number(data.journal.commit_ms.toPrecision(3))}
        unit="ms"
      >
        <Sparkline points={trends.commit} label={t('overview.commitTrend')} windowMs={windowOf(trends.commit)} zero />
        <div className="figure-notes">
          <span>{t('overview.commits', { n: compact(data.journal.commits_per_second) })}</span>
          <span>{t('overview.queue', { n: bytes(data.journal.queue_bytes) })}</span>
        </div>
      </Figure>
      <StorageFigure storage={data.storage} />
      <Figure
        label={t('overview.perSample')}
        value={perSample ? Number(perSample.toPrecision(3)) : '–'}
        unit={t('unit.bytesPerSample')}
      >
        <div className="figure-notes">
          <span>{t('overview.lossless')}</span>
        </div>
      </Figure>
    </div>
  );
}

const SHOWN_CHANGES = 12;

function Changes() {
  const { data, problem, reload } = useResource<Page<AuditEntry>>('audit', { limit: SHOWN_CHANGES });
  useEvery(CHANGES_MS, reload);
  if (problem) return <ProblemView problem={problem} retry={reload} />;
  if (data && data.items.length === 0) return <p className="dim">{t('overview.noChanges')}</p>;
  return (
    <ul className="changes">
      {(data?.items ?? []).slice(0, SHOWN_CHANGES).map((c) => (
        <li key={c.seq}>
          <span className="dim">
            <Age time={c.time} />
          </span>
          <span>{who(c.principal)}</span>
          <code>{c.act}</code>
          <ObjectLink object={c.object} act={c.act} />
        </li>
      ))}
    </ul>
  );
}

function NothingYet() {
  return (
    <EmptyState
      title={t('overview.empty')}
      hint={t('overview.emptyHint')}
      action={<a href="/devices?new=1">{t('devices.create')}</a>}
    />
  );
}

export function Overview() {
  const { may } = useSession();
  const { data, problem, loading, reload, set } = useResource<Data>('overview');
  const trends = useOverviewTrends();
  useLive({ overview: true, onOverview: (next) => set((old) => ({ ...(old ?? {}), ...next }) as Data) });

  if (!data || !data.devices) {
    return (
      <>
        <PageHeader title={t('nav.overview')} />
        {problem ? <ProblemView problem={problem} retry={reload} /> : loading ? <Loading /> : null}
      </>
    );
  }
  return (
    <>
      <PageHeader
        title={t('nav.overview')}
        marks={data.demo ? <DemoMark /> : null}
        actions={
          <span className="dim">
            {data.slow && data.slow.over_ms > 0 && may('metrics.read') ? (
              <Button size="small" href="/slow" className={data.slow.count > 0 ? 'warn' : 'dim'}>
                {t('overview.slow', { n: count(data.slow.count) })}
              </Button>
            ) : null}{' '}
            {data.uptime_s === undefined ? null : t('overview.version', { version: data.version, up: span(data.uptime_s) })}
          </span>
        }
      />
      {isWhole(data) ? (
        <Figures data={data} trends={trends} />
      ) : (
        <div className="figures">
          <DevicesFigure devices={data.devices} />
        </div>
      )}
      {data.devices.total + (data.devices.demo ?? 0) === 0 ? <NothingYet /> : <LivePicture />}
      <div className="columns">
        {isWhole(data) ? (
          <Panel title={t('overview.problems')} extra={<span className="dim">{data.problems?.length ?? 0}</span>}>
            <Troubles problems={data.problems ?? []} />
          </Panel>
        ) : null}
        {may('audit.read') ? (
          <Panel title={t('overview.changes')} extra={<a href="/audit">{t('overview.allChanges')}</a>}>
            <Changes />
          </Panel>
        ) : null}
      </div>
    </>
  );
}
