import { Button, Form, Input, InputNumber, Switch } from 'antd';
import { useMemo } from 'react';
import { post, put, seg } from '../api/client';
import { useSession } from '../app/session';
import { addressIn, viewedTenant } from '../app/tenant';
import { AdminTable } from '../components/AdminTable';
import type { Column } from '../components/DataTable';
import { t, useLanguage } from '../i18n';
import { bytes, count } from '../i18n/format';

const quotas = ['devices', 'points', 'connections', 'storage_bytes', 'rate'] as const;
type Quota = (typeof quotas)[number];
interface Tenant {
  path: string;
  name?: string;
  disabled?: boolean;
  quotas: Partial<Record<Quota, number>>;
  use: Partial<Record<Quota, number>>;
  refused?: Partial<Record<Quota, number>>;
}
interface Values {
  path: string;
  name?: string;
  disabled?: boolean;
  quotas?: Partial<Record<Quota, number | null>>;
}

const shown = (quota: Quota, value: number) => (quota === 'storage_bytes' ? bytes(value) : count(value));

/** Use against the limit, with a bar where there is one. */
function Use({ tenant, quota }: { tenant: Tenant; quota: Quota }) {
  const use = tenant.use[quota] ?? 0;
  const limit = tenant.quotas[quota] ?? 0;
  const refused = tenant.refused?.[quota] ?? 0;
  return (
    <span className="use" title={refused ? `${t('tenants.refused')}: ${count(refused)}` : undefined}>
      <span>
        {shown(quota, use)}
        {limit ? <span className="dim"> / {shown(quota, limit)}</span> : null}
      </span>
      {limit ? <progress max={limit} value={Math.min(use, limit)} data-full={use * 10 >= limit * 9} /> : null}
    </span>
  );
}

function columnsOf(): Column<Tenant>[] {
  return [
    {
      key: 'path',
      title: t('tenants.path'),
      width: '16%',
      render: (x) => {
        const parts = x.path.split('/');
        return x.path ? (
          <span style={{ paddingInlineStart: parts.length * 14 }} title={x.path}>
            {parts[parts.length - 1]}
          </span>
        ) : (
          <span className="dim">{t('tenants.rootName')}</span>
        );
      },
    },
    { key: 'name', title: t('tenants.name'), width: '12%', render: (x) => x.name },
    {
      key: 'state',
      title: t('people.state'),
      width: 90,
      render: (x) => (
        <span className="mark" data-state={x.disabled ? 'offline' : 'online'}>
          {t(x.disabled ? 'people.disabled' : 'people.enabled')}
        </span>
      ),
    },
    ...(['devices', 'points', 'connections', 'storage_bytes'] as const).map((quota) => ({
      key: quota,
      title: t(`tenants.${quota}`),
      width: quota === 'storage_bytes' ? '16%' : '12%',
      render: (x: Tenant) => <Use tenant={x} quota={quota} />,
    })),
    {
      key: 'rate',
      title: t('tenants.rate'),
      width: 130,
      align: 'right' as const,
      render: (x) => (x.quotas.rate ? count(x.quotas.rate) : <span className="dim">{t('tenants.noLimit')}</span>),
    },
  ];
}

function Fields({ row }: { row: Tenant | null }) {
  return (
    <>
      <Form.Item
        name="path"
        label={t('tenants.path')}
        extra={row ? undefined : t('tenants.pathHint')}
        rules={[{ required: true, whitespace: true, message: t('tenants.pathMissing') }]}
      >
        <Input disabled={row !== null} autoFocus autoComplete="off" />
      </Form.Item>
      <Form.Item name="name" label={t('tenants.name')}>
        <Input />
      </Form.Item>
      <fieldset className="three">
        <legend>{t('tenants.quotas')}</legend>
        {quotas.map((quota) => (
          <Form.Item key={quota} name={['quotas', quota]} label={t(`tenants.${quota}`)}>
            <InputNumber<number>
              min={0}
              precision={0}
              style={{ width: '100%' }}
              suffix={quota === 'storage_bytes' ? t('tenants.storageUnit') : undefined}
            />
          </Form.Item>
        ))}
      </fieldset>
      {row ? (
        <Form.Item name="disabled" label={t('tenants.disabled')} valuePropName="checked">
          <Switch size="small" />
        </Form.Item>
      ) : null}
    </>
  );
}

function bodyOf({ quotas: asked, ...rest }: Values) {
  const limits = Object.fromEntries(quotas.map((quota) => [quota, asked?.[quota] ?? 0]));
  return { ...rest, quotas: limits };
}

export default function Tenants() {
  const lang = useLanguage();
  const { may, session } = useSession();
  const columns = useMemo(columnsOf, [lang]);
  return (
    <AdminTable<Tenant, Values>
      title={t('nav.tenants')}
      note={t('tenants.what')}
      path="tenants"
      columns={columns}
      rowKey={(x) => x.path}
      empty={{ title: t('tenants.none'), hint: t('tenants.noneHint') }}
      more={(x) =>
        x.path && x.path !== (viewedTenant() || session?.user.tenant) ? (
          <Button size="small" type="text" href={addressIn(x.path)} data-plain="">
            {t('tenants.enter')}
          </Button>
        ) : null
      }
      createWord={t('tenants.create')}
      mayWrite={may('tenants.write')}
      editable
      fixed={(x) => x.path === ''}
      fields={(row) => <Fields row={row} />}
      initial={(row) => row ?? {}}
      save={(values, row) => (row ? put(`tenants/${seg(row.path)}`, bodyOf(values)) : post('tenants', bodyOf(values)))}
    />
  );
}
