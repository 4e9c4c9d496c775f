import { DeleteOutlined } from '@ant-design/icons';
import { Button, Form, Input, Select, Switch } from 'antd';
import { useMemo, useState } from 'react';
import { post, put, remove, seg } from '../api/client';
import type { CertificateProvider, DirectoryProvider, OidcProvider, Provider } from '../api/outside';
import { useResource } from '../api/useResource';
import { useSession } from '../app/session';
import { AdminTable } from '../components/AdminTable';
import type { Column } from '../components/DataTable';
import { RolePicker } from '../components/RolePicker';
import { pick, t, useLanguage } from '../i18n';
import type { Page, Role } from '../api/types';
import { certificateFresh, CertificateFields, CertificateGroups } from './providers/CertificateFields';
import { directoryFresh, DirectoryFields, DirectoryGroups } from './providers/DirectoryFields';
import { ProviderTrial } from './providers/ProviderTrial';

type Members = Omit<OidcProvider, 'kind'> & Omit<DirectoryProvider, 'kind'> & Omit<CertificateProvider, 'kind'> & { kind: Provider['kind'] };
type Values = Omit<Members, 'has_secret' | 'revision'> & { client_secret?: string; bind_password?: string; crl?: string; crl_drop?: boolean };

const whereOf = (p: Provider) =>
  p.kind === 'ldap' ? p.servers.join(' ') : p.kind === 'certificate' ? p.authorities.map((ca) => ca.subject).join('; ') : p.issuer;

function columnsOf(): Column<Provider>[] {
  return [
    { key: 'id', title: t('provider.id'), width: '11%', render: (p) => p.id },
    { key: 'name', title: t('provider.name'), width: '15%', render: (p) => pick(p, p.id) },
    { key: 'kind', title: t('provider.kind'), width: 130, render: (p) => t(`providerKind.${p.kind}`) },
    { key: 'issuer', title: t('provider.where'), render: whereOf },
    { key: 'people', title: t('provider.people'), width: '20%', render: (p) => t(`providerPeople.${p.people}`) },
    {
      key: 'state',
      title: t('people.state'),
      width: 90,
      render: (p) => (
        <span className="mark" data-state={p.disabled ? 'offline' : 'online'}>
          {t(p.disabled ? 'provider.off' : 'provider.on')}
        </span>
      ),
    },
  ];
}

function MapRows() {
  const { data } = useResource<Page<Role>>('roles');
  const needed = [{ required: true, whitespace: true, message: t('provider.needed') }];
  return (
    <Form.Item label={t('provider.map')}>
      <Form.List name="map">
        {(rows, { add, remove: drop }) => (
          <>
            {rows.map((row) => (
              <span key={row.key} className="map-row">
                <Form.Item name={[row.name, 'value']} noStyle rules={needed}>
                  <Input aria-label={t('provider.mapValue')} placeholder={t('provider.mapValue')} />
                </Form.Item>
                <Form.Item name={[row.name, 'role']} noStyle rules={needed}>
                  <Select
                    aria-label={t('provider.mapRole')}
                    placeholder={t('provider.mapRole')}
                    options={(data?.items ?? []).map((role) => ({ value: role.name, label: role.name }))}
                  />
                </Form.Item>
                <Button type="text" icon={<DeleteOutlined />} aria-label={t('provider.mapDrop')} onClick={() => drop(row.name)} />
              </span>
            ))}
            <Button size="small" onClick={() => add({})}>
              {t('provider.mapAdd')}
            </Button>
          </>
        )}
      </Form.List>
    </Form.Item>
  );
}

function OidcFields({ row }: { row: Provider | null }) {
  const needed = [{ required: true, whitespace: true, message: t('provider.needed') }];
  return (
    <>
      <Form.Item name="issuer" label={t('provider.issuer')} extra={t('provider.issuerHint')} rules={needed}>
        <Input placeholder="https://id.example.com/realms/plant" />
      </Form.Item>
      <Form.Item name="client_id" label={t('provider.client')} rules={needed}>
        <Input autoComplete="off" />
      </Form.Item>
      <Form.Item
        name="client_secret"
        label={t('provider.secret')}
        extra={t(row?.has_secret ? 'provider.secretKept' : 'provider.secretNone')}
      >
        <Input.Password autoComplete="new-password" />
      </Form.Item>
      <Form.Item name="scopes" label={t('provider.scopes')}>
        <Input />
      </Form.Item>
      <Form.Item name="name_claim" label={t('provider.nameClaim')} extra={t('provider.nameClaimHint')} rules={needed}>
        <Input />
      </Form.Item>
    </>
  );
}

function OidcSecond({ signedOut }: { signedOut: string }) {
  const second = Form.useWatch<Provider['second_factor'] | undefined>('second_factor') ?? 'own';
  return (
    <>
      <Form.Item name="sign_out" label={t('provider.signOut')} valuePropName="checked" extra={t('provider.signOutHint', { url: signedOut })}>
        <Switch size="small" />
      </Form.Item>
      <Form.Item name="second_factor" label={t('provider.second')}>
        <Select options={(['own', 'provider'] as const).map((value) => ({ value, label: t(`providerSecond.${value}`) }))} />
      </Form.Item>
      {second === 'provider' ? (
        <Form.Item name="acr_values" label={t('provider.acr')}>
          <Input />
        </Form.Item>
      ) : null}
    </>
  );
}

function Fields({ row, callback }: { row: Provider | null; callback: string }) {
  const form = Form.useFormInstance<Values>();
  const id = Form.useWatch<string | undefined>('id') ?? '';
  const kind = Form.useWatch<Provider['kind'] | undefined>('kind') ?? row?.kind ?? 'oidc';
  const people = Form.useWatch<Provider['people'] | undefined>('people') ?? 'linked';
  const needed = [{ required: true, whitespace: true, message: t('provider.needed') }];
  const ldap = kind === 'ldap';
  const certificate = kind === 'certificate';
  return (
    <div className="two-columns">
      <Form.Item name="kind" label={t('provider.kind')}>
        <Select
          disabled={row !== null}
          autoFocus={row === null}
          onChange={(value: Provider['kind']) => form.setFieldsValue(freshOf[value])}
          options={(['oidc', 'ldap', 'certificate'] as const).map((value) => ({ value, label: t(`providerKind.${value}`) }))}
        />
      </Form.Item>
      <Form.Item
        name="id"
        label={t('provider.id')}
        extra={kind !== 'oidc' ? t('directory.idHint') : t('provider.idHint', { url: callback.replace('{id}', id || '<id>') })}
        rules={[{ required: true, pattern: /^[a-z0-9][a-z0-9-]{0,31}$/, message: t('provider.idBad') }]}
      >
        <Input disabled={row !== null} autoComplete="off" placeholder="corp" />
      </Form.Item>
      <Form.Item name="zh" label={t(ldap || certificate ? 'directory.zh' : 'provider.zh')}>
        <Input />
      </Form.Item>
      <Form.Item name="en" label={t(ldap || certificate ? 'directory.en' : 'provider.en')}>
        <Input />
      </Form.Item>
      {ldap ? <DirectoryFields hasSecret={row?.has_secret === true} /> : certificate ? <CertificateFields row={row} /> : <OidcFields row={row} />}
      <Form.Item name="people" label={t('provider.people')}>
        <Select options={(['linked', 'create', 'map'] as const).map((value) => ({ value, label: t(`providerPeople.${value}`) }))} />
      </Form.Item>
      {people === 'linked' ? null : (
        <Form.Item name="roles" label={t('provider.roles')}>
          <RolePicker />
        </Form.Item>
      )}
      {people === 'map' ? (
        <>
          {ldap ? (
            <DirectoryGroups />
          ) : certificate ? (
            <CertificateGroups />
          ) : (
            <Form.Item name="roles_claim" label={t('provider.rolesClaim')} rules={needed}>
              <Input />
            </Form.Item>
          )}
          <MapRows />
        </>
      ) : null}
      {kind === 'oidc' ? <OidcSecond signedOut={callback.replace('{id}/callback', `${id || '<id>'}/signed-out`)} /> : null}
      {row ? (
        <Form.Item name="disabled" label={t('provider.off')} valuePropName="checked" extra={t('provider.offHint')}>
          <Switch size="small" />
        </Form.Item>
      ) : null}
    </div>
  );
}

const fresh: Partial<Values> = {
  kind: 'oidc',
  scopes: 'openid profile',
  name_claim: 'preferred_username',
  people: 'linked',
  roles: [],
  roles_claim: 'groups',
  map: [],
  second_factor: 'own',
  sign_out: true,
};

const freshOf: Record<Provider['kind'], Partial<Members>> = { oidc: fresh, ldap: directoryFresh, certificate: certificateFresh };

export default function Providers() {
  const lang = useLanguage();
  const { may } = useSession();
  const columns = useMemo(columnsOf, [lang]);
  const callback = useResource<{ callback: string }>('identity-providers').data?.callback ?? '';
  const [trying, setTrying] = useState<Provider | null>(null);
  return (
    <>
      <AdminTable<Provider, Values>
        title={t('nav.providers')}
        path="identity-providers"
        columns={columns}
        rowKey={(p) => p.id}
        empty={{ title: t('provider.none'), hint: t('provider.noneHint') }}
        createWord={t('provider.create')}
        mayWrite={may('people.write')}
        editable
        wide
        fields={(row) => <Fields row={row} callback={callback} />}
        initial={(row) => row ?? fresh}
        save={({ client_secret, bind_password, servers, crl, crl_drop, ...values }, row) => {
          const body = {
            ...values,
            ...(servers ? { servers: servers.filter((server) => server !== '') } : {}),
            ...(client_secret ? { client_secret } : {}),
            ...(bind_password ? { bind_password } : {}),
            ...(crl || crl_drop ? { crl: crl_drop ? '' : crl } : {}),
          };
          return row ? put(`identity-providers/${seg(row.id)}`, body) : post('identity-providers', body);
        }}
        more={
          may('people.write')
            ? (row) => (
                <Button size="small" type="text" onClick={() => setTrying(row)}>
                  {t('provider.try')}
                </Button>
              )
            : undefined
        }
        drop={(row) => remove(`identity-providers/${seg(row.id)}`)}
        dropHint={(row) => t('provider.deleteHint', { name: pick(row, row.id) })}
      />
      {trying ? <ProviderTrial provider={trying} onClose={() => setTrying(null)} /> : null}
    </>
  );
}
