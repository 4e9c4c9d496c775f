import { Button, Checkbox, Form, Input, Select, Switch } from 'antd';
import { useMemo, useState } from 'react';
import { post, put, remove, seg } from '../api/client';
import type { Person } from '../api/types';
import { useSession } from '../app/session';
import { AdminTable } from '../components/AdminTable';
import type { Column } from '../components/DataTable';
import { RolePicker } from '../components/RolePicker';
import { GrantFields, grantBody, grantValues, GrantTag, type GrantValues } from './account/Grants';
import { AdministratorsNote } from './account/Administrators';
import { PersonAccess } from './account/PersonAccess';
import { t, useLanguage } from '../i18n';

interface Values {
  grants?: GrantValues[];
  name: string;
  display?: string;
  roles: string[];
  language: string;
  password?: string;
  disabled?: boolean;
  must_change?: boolean;
}

const MIN_PASSWORD = 10;

function columnsOf(): Column<Person>[] {
  return [
    { key: 'name', title: t('people.name'), width: '15%', render: (p) => p.name },
    { key: 'display', title: t('people.display'), width: '15%', render: (p) => p.display },
    {
      key: 'roles',
      title: t('people.roles'),
      render: (p) => (
        <>
          {p.roles.map((role) => <span key={role} className="tag">{role}</span>)}
          {(p.grants ?? []).map((grant, i) => <GrantTag key={i} grant={grant} home={p.tenant} short />)}
        </>
      ),
    },
    {
      key: 'factor',
      title: t('factor.title'),
      width: 110,
      render: (p) => t(p.second_factor ? 'factor.on' : 'factor.off'),
    },
    {
      key: 'state',
      title: t('people.state'),
      width: 90,
      render: (p) => (
        <span className="mark" data-state={p.disabled ? 'offline' : 'online'}>
          {t(p.disabled ? 'people.disabled' : 'people.enabled')}
        </span>
      ),
    },
  ];
}

function Fields({ row }: { row: Person | null }) {
  return (
    <>
      <Form.Item
        name="name"
        label={t('people.name')}
        rules={[{ required: true, whitespace: true, message: t('people.nameMissing') }]}
      >
        <Input disabled={row !== null} autoFocus autoComplete="off" />
      </Form.Item>
      <Form.Item name="display" label={t('people.display')}>
        <Input />
      </Form.Item>
      <Form.Item name="roles" label={t('people.roles')}>
        <RolePicker />
      </Form.Item>
      <GrantFields />
      <Form.Item name="language" label={t('people.language')}>
        <Select
          options={[
            { value: 'zh', label: '中文' },
            { value: 'en', label: 'English' },
          ]}
        />
      </Form.Item>
      {row ? (
        <Form.Item name="disabled" label={t('people.disabled')} valuePropName="checked">
          <Switch size="small" />
        </Form.Item>
      ) : null}
      <Form.Item
        name="password"
        label={t(row ? 'people.newPassword' : 'signIn.password')}
        extra={t(row ? 'people.newPasswordHint' : 'people.passwordNone')}
        rules={[{ min: MIN_PASSWORD, message: t('people.passwordShort', { n: MIN_PASSWORD }) }]}
      >
        <Input.Password autoComplete="new-password" />
      </Form.Item>
      <Form.Item name="must_change" valuePropName="checked">
        <Checkbox>{t('people.mustChange')}</Checkbox>
      </Form.Item>
    </>
  );
}

export default function People() {
  const lang = useLanguage();
  const { may } = useSession();
  const columns = useMemo(columnsOf, [lang]);
  const [access, setAccess] = useState<Person | null>(null);
  return (
    <>
      <AdminTable<Person, Values>
        title={t('nav.people')}
        note={<AdministratorsNote />}
        path="people"
        columns={columns}
        rowKey={(p) => p.name}
        empty={{ title: t('people.none'), hint: t('people.noneHint') }}
        createWord={t('people.create')}
        mayWrite={may('people.write')}
        editable
        fields={(row) => <Fields row={row} />}
        wide
        initial={(row) =>
          row
            ? { ...row, grants: (row.grants ?? []).map((grant, i) => grantValues(grant, row.tenant ?? '', i)) }
            : { roles: [], grants: [], language: lang, must_change: true }
        }
        save={({ password, ...values }, row) => {
          const grants = (values.grants ?? []).map((g) => grantBody(g, g.at === undefined ? undefined : row?.grants?.[g.at]));
          const body = { ...values, grants, ...(password ? { password } : row ? {} : { must_change: false }) };
          return row ? put(`people/${seg(row.name)}`, body) : post('people', body);
        }}
        more={(row) => (
          <Button size="small" type="text" onClick={() => setAccess(row)}>
            {t('people.access')}
          </Button>
        )}
        drop={(row) => remove(`people/${seg(row.name)}`)}
        dropHint={(row) => t('people.deleteHint', { name: row.name })}
      />
      {access ? (
        <PersonAccess person={access} mayWrite={may('people.write')} onClose={() => setAccess(null)} />
      ) : null}
    </>
  );
}
