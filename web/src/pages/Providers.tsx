import { DeleteOutlined } from '@ant-design/icons';
import { Button, Form, Input, Modal, Select, Switch } from 'antd';
import { useMemo, useState } from 'react';
import { post, put, remove, seg, type Problem } from '../api/client';
import { outsideProblem, type Provider } from '../api/outside';
import { useResource } from '../api/useResource';
import { useSession } from '../app/session';
import { AdminTable } from '../components/AdminTable';
import type { Column } from '../components/DataTable';
import { ProblemView } from '../components/ProblemView';
import { RolePicker } from '../components/RolePicker';
import { useAct } from '../components/useAct';
import { pick, t, useLanguage } from '../i18n';
import type { Page, Role } from '../api/types';

type Values = Omit<Provider, 'has_secret' | 'revision'> & { client_secret?: string };

function columnsOf(): Column<Provider>[] {
  return [
    { key: 'id', title: t('provider.id'), width: '11%', render: (p) => p.id },
    { key: 'name', title: t('provider.name'), width: '15%', render: (p) => pick(p, p.id) },
    { key: 'issuer', title: t('provider.issuer'), render: (p) => p.issuer },
    { key: 'people', title: t('provider.people'), width: '22%', render: (p) => t(`providerPeople.${p.people}`) },
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

function Fields({ row, callback }: { row: Provider | null; callback: string }) {
  const id = Form.useWatch<string | undefined>('id') ?? '';
  const people = Form.useWatch<Provider['people'] | undefined>('people') ?? 'linked';
  const second = Form.useWatch<Provider['second_factor'] | undefined>('second_factor') ?? 'own';
  const needed = [{ required: true, whitespace: true, message: t('provider.needed') }];
  return (
    <div className="two-columns">
      <Form.Item
        name="id"
        label={t('provider.id')}
        extra={t('provider.idHint', { url: callback.replace('{id}', id || '<id>') })}
        rules={[{ required: true, pattern: /^[a-z0-9][a-z0-9-]{0,31}$/, message: t('provider.idBad') }]}
      >
        <Input disabled={row !== null} autoFocus={row === null} autoComplete="off" placeholder="corp" />
      </Form.Item>
      <Form.Item name="issuer" label={t('provider.issuer')} extra={t('provider.issuerHint')} rules={needed}>
        <Input placeholder="https://id.example.com/realms/plant" />
      </Form.Item>
      <Form.Item name="zh" label={t('provider.zh')}>
        <Input />
      </Form.Item>
      <Form.Item name="en" label={t('provider.en')}>
        <Input />
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
          <Form.Item name="roles_claim" label={t('provider.rolesClaim')} rules={needed}>
            <Input />
          </Form.Item>
          <MapRows />
        </>
      ) : null}
      <Form.Item name="second_factor" label={t('provider.second')}>
        <Select options={(['own', 'provider'] as const).map((value) => ({ value, label: t(`providerSecond.${value}`) }))} />
      </Form.Item>
      {second === 'provider' ? (
        <Form.Item name="acr_values" label={t('provider.acr')}>
          <Input />
        </Form.Item>
      ) : null}
      {row ? (
        <Form.Item name="disabled" label={t('provider.off')} valuePropName="checked" extra={t('provider.offHint')}>
          <Switch size="small" />
        </Form.Item>
      ) : null}
    </div>
  );
}

const fresh: Partial<Values> = {
  scopes: 'openid profile',
  name_claim: 'preferred_username',
  people: 'linked',
  roles: [],
  roles_claim: 'groups',
  map: [],
  second_factor: 'own',
};

function Tried({ provider, onClose }: { provider: Provider; onClose: () => void }) {
  const { busy, problem, run } = useAct();
  const [answer, setAnswer] = useState<{ good: boolean; fault: Problem | null } | null>(null);
  const ask = () =>
    run(async () => {
      const got = await post<{ good: boolean; code: string | null; detail: string | null }>(
        `identity-providers/${seg(provider.id)}/try`,
      );
      setAnswer({ good: got.good, fault: got.good ? null : outsideProblem(got.code ?? '', got.detail ?? '') });
    });
  return (
    <Modal
      open
      title={`${t('provider.try')} · ${pick(provider, provider.id)}`}
      okText={t('provider.try')}
      cancelText={t('action.close')}
      confirmLoading={busy}
      onOk={() => void ask()}
      onCancel={onClose}
      afterOpenChange={(shown) => void (shown && ask())}
    >
      {answer?.good ? <p role="status">{t('provider.good')}</p> : null}
      <ProblemView problem={problem ?? answer?.fault} />
    </Modal>
  );
}

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
        save={({ client_secret, ...values }, row) => {
          const body = { ...values, ...(client_secret ? { client_secret } : {}) };
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
      {trying ? <Tried provider={trying} onClose={() => setTrying(null)} /> : null}
    </>
  );
}
