import { Button, Tabs } from 'antd';
import { useMemo, useState } from 'react';
import { post, seg } from '../../api/client';
import type { Device, Page, Property } from '../../api/types';
import { useResource } from '../../api/useResource';
import { useSession } from '../../app/session';
import { viewedTenant } from '../../app/tenant';
import { CodeBlock } from '../../components/CodeBlock';
import { ProblemView } from '../../components/ProblemView';
import { Secret } from '../../components/Secret';
import { useAct } from '../../components/useAct';
import { t } from '../../i18n';
import { mqttUser, snippets, topicOf, type About } from './snippets';

function exampleOf(property: Property): number | boolean | string {
  if (property.type === 'bool') return true;
  if (property.type === 'text') return 'ok';
  const { min, max } = property.range ?? {};
  const middle = typeof min === 'number' && typeof max === 'number' ? (min + max) / 2 : 21.5;
  return property.type === 'i64' ? Math.round(middle) : Number(middle.toPrecision(4));
}

function sampleOf(properties: Property[]): About['sample'] {
  const usable = properties.filter((p) => p.type !== 'blob').slice(0, 4);
  if (usable.length === 0) return { temperature: 21.5, running: true };
  return Object.fromEntries(usable.map((p) => [p.id, exampleOf(p)]));
}

function portOf(listen: string | undefined): number {
  const port = Number(listen?.split(':').pop());
  return port > 0 ? port : 1883;
}

interface ConfigKey {
  key: string;
  value: unknown;
}

export function Connect({ device, properties }: { device: Device; properties: Property[] }) {
  const { session, may } = useSession();
  const config = useResource<Page<ConfigKey>>(may('config.read') ? 'config' : null);
  const [secret, setSecret] = useState<{ user: string; password: string } | null>(null);
  const [showing, setShowing] = useState(false);
  const { busy, problem, run } = useAct();
  const tenant = viewedTenant() || (session?.user.tenant ?? '');
  const listen = config.data?.items?.find((item) => item.key === 'mqtt.listen')?.value;

  const about: About = useMemo(
    () => ({
      device: device.id,
      tenant,
      host: location.hostname,
      httpUrl: location.origin,
      mqttPort: portOf(typeof listen === 'string' ? listen : undefined),
      secret: secret?.password ?? null,
      sample: sampleOf(properties),
    }),
    [device.id, tenant, listen, secret, properties],
  );
  const generate = () =>
    run(async () => {
      setSecret(await post<{ user: string; password: string }>(`devices/${seg(device.id)}/secret`));
      setShowing(true);
    });
  const list = snippets(about);
  return (
    <div className="connect">
      <p>{t('connect.how')}</p>
      <dl className="facts">
        <dt>{t('connect.server')}</dt>
        <dd className="mono">
          {about.host}:{about.mqttPort}
        </dd>
        <dt>{t('connect.user')}</dt>
        <dd className="mono">{secret?.user ?? mqttUser(device.id, tenant)}</dd>
        <dt>{t('connect.password')}</dt>
        <dd>
          {secret ? <span className="dim">{t('connect.inSnippets')} </span> : null}
          {may('devices.write') ? (
            <Button size="small" loading={busy} onClick={() => void generate()}>
              {t(secret ? 'connect.again' : 'connect.generate')}
            </Button>
          ) : null}
        </dd>
        <dt>{t('connect.topic')}</dt>
        <dd className="mono">{topicOf(device.id)}</dd>
      </dl>
      <ProblemView problem={problem} />
      <Tabs
        size="small"
        items={list.map((s) => ({
          key: s.key,
          label: s.title,
          children: (
            <>
              <CodeBlock text={s.text} label={s.title} />
              {s.key === 'modbus' ? <p className="dim">{t('connect.modbusHint')}</p> : null}
              {s.key === 'curl' || s.key === 'line' ? (
                <p className="dim">
                  {t('connect.tokenHint')} <a href="/tokens">{t('nav.tokens')}</a>
                </p>
              ) : null}
            </>
          ),
        }))}
      />
      {showing && secret ? (
        <Secret
          title={t('connect.secretTitle')}
          rows={[
            [t('connect.user'), secret.user],
            [t('connect.password'), secret.password],
          ]}
          onClose={() => setShowing(false)}
        />
      ) : null}
    </div>
  );
}
