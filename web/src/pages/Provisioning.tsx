// Keys by which new devices get their identity by themselves: made for a pattern of ids, a number of devices and a time.
import { Form, Input, InputNumber, Select } from 'antd';
import { useMemo, useState } from 'react';
import { post, remove, seg } from '../api/client';
import type { ProvisioningKey } from '../api/types';
import { useSession } from '../app/session';
import { AdminTable } from '../components/AdminTable';
import { CodeBlock } from '../components/CodeBlock';
import type { Column } from '../components/DataTable';
import { AssetPicker, ThingPicker } from '../components/Pickers';
import { Secret } from '../components/Secret';
import { t, useLanguage } from '../i18n';
import { count, moment } from '../i18n/format';

interface Values {
  name: string;
  pattern?: string;
  thing?: string;
  asset?: string;
  uses: number;
  days: number;
}

const DAY_MS = 86_400_000;
const LIVES = [1, 7, 30, 90, 365];

function KeyState({ row }: { row: ProvisioningKey }) {
  return row.state === 'open' ? (
    <span className="mark" data-state="online">
      {t('keys.open')}
    </span>
  ) : (
    <span className="mark" data-level={row.state === 'expired' ? 'error' : 'info'}>
      {t(`keys.${row.state}`)}
    </span>
  );
}

function columnsOf(): Column<ProvisioningKey>[] {
  return [
    { key: 'state', title: t('cert.state'), width: 110, render: (x) => <KeyState row={x} /> },
    { key: 'name', title: t('tokens.name'), width: '18%', render: (x) => x.name },
    { key: 'pattern', title: t('keys.pattern'), width: '16%', render: (x) => <code>{x.pattern}</code> },
    { key: 'uses', title: t('keys.count'), width: 130, render: (x) => `${count(x.used)} / ${count(x.uses)}` },
    { key: 'thing', title: t('device.thing'), render: (x) => x.thing || <span className="dim">–</span> },
    { key: 'asset', title: t('device.asset'), render: (x) => x.asset || <span className="dim">–</span> },
    { key: 'expires', title: t('tokens.expires'), width: 150, render: (x) => moment(x.expires) },
  ];
}

function Fields() {
  return (
    <>
      <Form.Item
        name="name"
        label={t('tokens.name')}
        rules={[{ required: true, whitespace: true, message: t('keys.nameMissing') }]}
      >
        <Input autoFocus placeholder="line-3" />
      </Form.Item>
      <Form.Item name="pattern" label={t('keys.pattern')} extra={t('keys.patternHint')}>
        <Input placeholder="cnc-*" className="mono" />
      </Form.Item>
      <Form.Item name="uses" label={t('keys.uses')} rules={[{ required: true, message: t('keys.usesMissing') }]}>
        <InputNumber min={1} max={1_000_000} precision={0} />
      </Form.Item>
      <Form.Item name="days" label={t('tokens.life')}>
        <Select options={LIVES.map((days) => ({ value: days, label: t('span.days', { n: days }) }))} />
      </Form.Item>
      <Form.Item name="thing" label={t('device.thing')}>
        <ThingPicker label={t('device.thing')} />
      </Form.Item>
      <Form.Item name="asset" label={t('device.asset')}>
        <AssetPicker label={t('device.asset')} />
      </Form.Item>
    </>
  );
}

function bodyOf({ name, pattern, thing, asset, uses, days }: Values) {
  return {
    name: name.trim(),
    pattern: pattern?.trim() || '*',
    ...(thing ? { thing } : {}),
    ...(asset ? { asset } : {}),
    uses,
    expires: new Date(Date.now() + days * DAY_MS).toISOString(),
  };
}

/** What a device sends to get its secret. */
function commandOf({ key, pattern }: ProvisioningKey): string {
  const device = pattern.replace(/\*/g, '1').replace(/\?/g, '1');
  const body = JSON.stringify({ key, device, credential: 'secret' });
  return `curl -X POST -H 'Content-Type: application/json' -d '${body}' ${window.location.origin}/api/v1/provision`;
}

export default function Provisioning() {
  const lang = useLanguage();
  const { may } = useSession();
  const columns = useMemo(columnsOf, [lang]);
  const [made, setMade] = useState<ProvisioningKey | null>(null);
  return (
    <>
      <AdminTable<ProvisioningKey, Values>
        title={t('nav.provisioning')}
        note={t('keys.what')}
        path="provisioning-keys"
        columns={columns}
        rowKey={(x) => x.id}
        empty={{ title: t('keys.none'), hint: t('keys.noneHint') }}
        createWord={t('keys.create')}
        mayWrite={may('devices.write')}
        fields={() => <Fields />}
        initial={() => ({ uses: 1, days: 30 })}
        save={async (values) => setMade(await post<ProvisioningKey>('provisioning-keys', bodyOf(values)))}
        drop={(row) => remove(`provisioning-keys/${seg(row.id)}`)}
        dropHint={(row) => t('keys.deleteHint', { name: row.name })}
      />
      {made ? (
        <Secret
          title={t('keys.made', { name: made.name })}
          rows={[[t('keys.key'), made.key ?? '']]}
          note={
            <>
              <p>{t('keys.how')}</p>
              <CodeBlock text={commandOf(made)} label="curl" />
            </>
          }
          onClose={() => setMade(null)}
        />
      ) : null}
    </>
  );
}
