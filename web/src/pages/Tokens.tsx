import { Checkbox, Form, Input, Select } from 'antd';
import { useMemo, useState } from 'react';
import { post, remove, seg } from '../api/client';
import type { Classed, Token } from '../api/types';
import { useSession } from '../app/session';
import { AdminTable } from '../components/AdminTable';
import { ClassChoice, classWords } from '../components/DataClass';
import type { Column } from '../components/DataTable';
import { Age } from '../components/Marks';
import { AssetPicker } from '../components/Pickers';
import { RolePicker } from '../components/RolePicker';
import { Secret } from '../components/Secret';
import { partWords } from './account/Grants';
import { t, useLanguage } from '../i18n';
import { moment } from '../i18n/format';

interface Values {
  name: string;
  roles?: string[];
  device?: string;
  part?: 'all' | 'asset' | 'label';
  what?: string;
  days: number;
  clearance?: Classed;
  provision?: boolean;
}

const DAY_MS = 86_400_000;
const lives = [30, 90, 365, 0];

/** What it is limited to. */
function deviceOf(x: Token) {
  if (x.dashboard) return <a href={`/dashboards/${seg(x.dashboard)}`}>{t('panel.token')}</a>;
  return x.device || partWords({ role: '', asset: x.asset, label: x.label });
}

function columnsOf(): Column<Token>[] {
  return [
    { key: 'name', title: t('tokens.name'), width: '20%', render: (x) => x.name },
    {
      key: 'id',
      title: t('tokens.id'),
      width: 180,
      render: (x) => (
        <code title={t('tokens.idHint')} data-testid="token-id">
          {x.id}
        </code>
      ),
    },
    {
      key: 'roles',
      title: t('tokens.may'),
      render: (x) =>
        [...(x.roles ?? []), ...(x.permissions ?? [])].map((role) => (
          <span key={role} className="tag">
            {role}
          </span>
        )),
    },
    { key: 'device', title: t('tokens.device'), width: '14%', render: deviceOf },
    { key: 'clearance', title: t('data.clearance'), width: 110, render: (x) => (x.clearance ? classWords(x.clearance) : '') },
    { key: 'created', title: t('tokens.created'), width: 150, render: (x) => moment(x.created) },
    {
      key: 'used',
      title: t('tokens.lastUsed'),
      width: 170,
      render: (x) =>
        x.last_used ? (
          <span title={x.last_from}>
            <Age time={x.last_used} /> <span className="dim">{x.last_from}</span>
          </span>
        ) : (
          <span className="dim">{t('tokens.neverUsed')}</span>
        ),
    },
    {
      key: 'expires',
      title: t('tokens.expires'),
      width: 150,
      render: (x) => (x.expires ? moment(x.expires) : t('tokens.never')),
    },
  ];
}

function Fields() {
  const part = Form.useWatch<Values['part']>('part');
  return (
    <>
      <Form.Item
        name="name"
        label={t('tokens.name')}
        rules={[{ required: true, whitespace: true, message: t('tokens.nameMissing') }]}
      >
        <Input autoFocus placeholder="telegraf-hall-2" />
      </Form.Item>
      <Form.Item
        name="roles"
        label={t('people.roles')}
        extra={t('tokens.rolesHint')}
        dependencies={['device']}
        rules={[
          ({ getFieldValue }) => ({
            validator: (_, roles?: string[]) =>
              (roles ?? []).length > 0 || getFieldValue('device')
                ? Promise.resolve()
                : Promise.reject(new Error(t('tokens.rolesMissing'))),
          }),
        ]}
      >
        <RolePicker />
      </Form.Item>
      <Form.Item name="device" label={t('tokens.device')} extra={t('tokens.deviceHint')}>
        <Input />
      </Form.Item>
      <Form.Item label={t('tokens.part')} extra={t('tokens.partHint')}>
        <span className="token-part">
          <Form.Item name="part" noStyle>
            <Select
              aria-label={t('tokens.part')}
              options={(['all', 'asset', 'label'] as const).map((value) => ({ value, label: t(`grantPart.${value}`) }))}
            />
          </Form.Item>
          {part === 'all' || !part ? null : (
            <Form.Item name="what" noStyle rules={[{ required: true, whitespace: true, message: t('grant.whatMissing') }]}>
              {part === 'asset' ? (
                <AssetPicker label={t('grantPart.asset')} />
              ) : (
                <Input aria-label={t('grantPart.label')} placeholder="line:1" />
              )}
            </Form.Item>
          )}
        </span>
      </Form.Item>
      <Form.Item name="clearance" label={t('data.clearance')}>
        <ClassChoice none={t('data.clearanceToken')} />
      </Form.Item>
      <Form.Item name="days" label={t('tokens.life')}>
        <Select
          options={lives.map((days) => ({
            value: days,
            label: days ? t('span.days', { n: days }) : t('tokens.never'),
          }))}
        />
      </Form.Item>
      <Form.Item name="provision" valuePropName="checked">
        <Checkbox>{t('tokens.provision')}</Checkbox>
      </Form.Item>
    </>
  );
}

function bodyOf({ days, device, part, what, clearance, ...rest }: Values) {
  return {
    ...rest,
    ...(clearance?.data_class ? { clearance } : {}),
    ...(part && part !== 'all' ? { [part]: what?.trim() } : {}),
    provision: rest.provision ?? false,
    ...(device?.trim() ? { device: device.trim() } : {}),
    ...(days ? { expires: new Date(Date.now() + days * DAY_MS).toISOString() } : {}),
  };
}

export default function Tokens() {
  const lang = useLanguage();
  const { may } = useSession();
  const columns = useMemo(columnsOf, [lang]);
  const [made, setMade] = useState<Token | null>(null);
  return (
    <>
      <AdminTable<Token, Values>
        title={t('nav.tokens')}
        note={t('tokens.what')}
        path="tokens"
        columns={columns}
        rowKey={(x) => x.id}
        empty={{ title: t('tokens.none'), hint: t('tokens.noneHint') }}
        createWord={t('tokens.create')}
        mayWrite={may('tokens.write')}
        fields={() => <Fields />}
        initial={() => ({ days: 365, roles: [], part: 'all' })}
        save={async (values) => setMade(await post<Token>('tokens', bodyOf(values)))}
        drop={(row) => remove(`tokens/${seg(row.id)}`)}
        dropHint={(row) => t('tokens.deleteHint', { name: row.name })}
      />
      {made ? (
        <Secret
          title={t('tokens.made', { name: made.name })}
          rows={[
            [t('tokens.token'), made.token ?? ''],
            [t('tokens.id'), made.id],
          ]}
          onClose={() => setMade(null)}
        />
      ) : null}
    </>
  );
}
