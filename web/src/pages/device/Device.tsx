import { QrcodeOutlined } from '@ant-design/icons';
import { Button } from 'antd';
import { lazy, Suspense, useState } from 'react';
import { seg } from '../../api/client';
import type { Device as DeviceRecord, DeviceAccess, Property, Thing } from '../../api/types';
import { useLive } from '../../api/useLive';
import { useResource, type Resource } from '../../api/useResource';
import { setQuery, usePlace } from '../../app/router';
import { useSession } from '../../app/session';
import { Loading } from '../../components/Loading';
import { ClassMark, classWords } from '../../components/DataClass';
import { Age, DemoMark, StateMark } from '../../components/Marks';
import { PageTabs } from '../../components/PageTabs';
import { PageHeader } from '../../components/PageHeader';
import { ProblemView } from '../../components/ProblemView';
import { useEvery } from '../../components/useEvery';
import { pick, t } from '../../i18n';
import { moment } from '../../i18n/format';
import { locationText } from '../devices/DeviceFields';
import { labelsText } from '../devices/labels';
import { LabelSheet } from '../devices/labelSheet';
import { Attributes } from './Attributes';
import { Access, AccessBanner, useAccess } from './Access';
import { Actions } from './Actions';
import { Certificates } from './Certificates';
import { Commands } from './Commands';
import { Connect } from './Connect';
import { Connections } from './Connections';
import { DeviceChanges } from './DeviceChanges';
import { DeviceEvents } from './DeviceEvents';
import { DeviceHistory } from './DeviceHistory';
import { LivePoints } from './LivePoints';
import { usePoints } from './usePoints';

const Files = lazy(() => import('../../components/files/Files'));

const NONE: Property[] = [];
const STATE_MS = 15_000;

function About({ device, thing }: { device: DeviceRecord; thing: Thing | null }) {
  const rows: [string, React.ReactNode][] = [
    [t('device.id'), <span className="mono">{device.id}</span>],
    [t('device.name'), device.name],
    [
      t('device.thing'),
      device.thing ? (
        <>
          <a href={`/things/${seg(device.thing)}`}>{pick(thing?.name, device.thing)}</a>
          {device.thing_revision ? (
            <a className="dim" href={`/things/${seg(device.thing)}?tab=versions`}>
              {' '}
              {t('thing.version', { n: device.thing_revision })}
            </a>
          ) : null}
        </>
      ) : null,
    ],
    [t('device.asset'), device.asset],
    [t('device.location'), locationText(device.location)],
    [t('device.labels'), labelsText(device.labels)],
    [t('data.class'), device.highest_class ? classWords(device.highest_class) : null],
    [t('device.description'), device.description],
    [t('device.driver'), device.driver],
    [t('device.access'), t(device.write_enabled ? 'device.writable' : 'device.readOnly')],
    [t('device.aliases'), (device.aliases ?? []).join(', ')],
    [t('device.created'), moment(device.created)],
    [t('device.revision'), device.revision],
  ];
  return (
    <dl className="facts">
      {rows.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value || <span className="dim">–</span>}</dd>
        </div>
      ))}
    </dl>
  );
}

interface BodyProps {
  device: DeviceRecord;
  thing: Thing | null;
  access: Resource<DeviceAccess>;
  reloadDevice: () => void;
}

function Body({ device, thing, access, reloadDevice }: BodyProps) {
  const { query } = usePlace();
  const { may } = useSession();
  const model = thing?.properties ?? NONE;
  const { rows, loading, problem, reload } = usePoints(device.id, model);
  const tab = query.get('tab') ?? 'live';
  return (
    <PageTabs
      label={t('device.tabs')}
      active={tab}
      onChange={(next) => setQuery({ tab: next === 'live' ? null : next })}
      items={[
        {
          key: 'live',
          label: t('device.live'),
          children: <LivePoints device={device.id} rows={rows} loading={loading} problem={problem} retry={reload} />,
        },
        { key: 'history', label: t('nav.history'), children: <DeviceHistory device={device.id} rows={rows} /> },
        { key: 'events', label: t('device.events'), children: <DeviceEvents device={device.id} /> },
        { key: 'control', label: t('command.tab'), children: <Commands device={device} thing={thing} reload={reloadDevice} /> },
        { key: 'attributes', label: t('attribute.tab'), children: <Attributes device={device.id} /> },
        { key: 'connection', label: t('device.connection'), children: <Connections device={device.id} /> },
        { key: 'connect', label: t('device.connect'), children: <Connect device={device} properties={model} /> },
        { key: 'certificates', label: t('device.certificates'), children: <Certificates device={device.id} /> },
        { key: 'access', label: t('access.tab'), children: <Access device={device.id} access={access} /> },
        {
          key: 'files',
          label: t('files.title'),
          children: (
            <Suspense fallback={<Loading />}>
              <Files path={`devices/${seg(device.id)}`} mayWrite={may('devices.write')} />
            </Suspense>
          ),
        },
        { key: 'changes', label: t('changed.tab'), children: <DeviceChanges device={device.id} /> },
        { key: 'about', label: t('device.about'), children: <About device={device} thing={thing} /> },
      ]}
    />
  );
}

export default function Device({ params }: { params: Record<string, string> }) {
  const id = params.id ?? '';
  const { may } = useSession();
  const [label, setLabel] = useState(false);
  const device = useResource<DeviceRecord>(`devices/${seg(id)}`);
  const thing = useResource<Thing>(device.data?.thing ? `things/${seg(device.data.thing)}` : null);
  useLive({
    onDevice: (event) => {
      if (event.device !== id) return;
      device.set((old) => (old ? { ...old, state: event.state, since: event.since } : old));
    },
  });
  useEvery(STATE_MS, device.reload); // also what the stream does not tell: revision, aliases
  const access = useAccess(id);
  const { data } = device;
  const parent = { path: '/devices', title: t('nav.devices') };
  if (!data) {
    return (
      <>
        <PageHeader title={id} parent={parent} />
        {device.problem ? <ProblemView problem={device.problem} retry={device.reload} /> : <Loading />}
      </>
    );
  }
  return (
    <div className="device-page">
      <PageHeader
        title={data.name || data.id}
        parent={parent}
        marks={
          <>
            <StateMark state={data.state} />
            {data.archived ? <span className="tag">{t('device.archived')}</span> : null}
            {data.demo ? <DemoMark /> : null}
            <ClassMark of={data.highest_class} masked />
          </>
        }
        note={
          <>
            <span className="mono">{data.id}</span>
            {data.since ? (
              <span>
                {t('device.since')} <Age time={data.since} />
              </span>
            ) : null}
            <span>{t(data.write_enabled ? 'device.writable' : 'device.readOnly')}</span>
          </>
        }
        actions={
          <>
            <Button icon={<QrcodeOutlined aria-hidden />} onClick={() => setLabel(true)}>
              {t('label.code')}
            </Button>
            {may('devices.write') ? <Actions device={data} etag={device.etag} reload={device.reload} /> : null}
          </>
        }
      />
      <AccessBanner access={access.data} />
      {label ? <LabelSheet devices={[data]} onClose={() => setLabel(false)} /> : null}
      <Body device={data} thing={thing.data} access={access} reloadDevice={device.reload} />
    </div>
  );
}
