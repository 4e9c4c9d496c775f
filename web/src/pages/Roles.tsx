import { Checkbox, Form, Input } from 'antd';
import { useMemo } from 'react';
import { put, remove, seg } from '../api/client';
import type { Classed, Role } from '../api/types';
import { useResource } from '../api/useResource';
import { useSession } from '../app/session';
import { AdminTable } from '../components/AdminTable';
import { ClassChoice, classWords } from '../components/DataClass';
import type { Column } from '../components/DataTable';
import { pick, t, useLanguage } from '../i18n';

interface Permission {
  name: string;
  zh: string;
  en: string;
}
interface Values {
  name: string;
  permissions: string[];
  clearance?: Classed;
}

const ALL: Classed = { data_class: 'core', data_level: 3 };

function columnsOf(): Column<Role>[] {
  return [
    {
      key: 'name',
      title: t('roles.name'),
      width: '22%',
      render: (r) => (
        <>
          {r.name} {r.builtin ? <span className="tag">{t('roles.builtin')}</span> : null}
        </>
      ),
    },
    { key: 'count', title: t('roles.permissions'), width: 110, render: (r) => t('roles.count', { n: r.permissions.length }) },
    { key: 'clearance', title: t('data.clearance'), width: 130, render: (r) => classWords(r.clearance ?? ALL) },
    { key: 'permissions', title: '', render: (r) => <span className="dim">{r.permissions.join(', ')}</span> },
  ];
}

/** All permissions, a line for each noun. */
function PermissionPicker({ value = [], onChange }: { value?: string[]; onChange?: (value: string[]) => void }) {
  const { data } = useResource<{ items: Permission[] }>('sessions/current/rights');
  const nouns = new Map<string, Permission[]>();
  for (const p of data?.items ?? []) {
    const noun = p.name.split('.')[0] ?? '';
    nouns.set(noun, [...(nouns.get(noun) ?? []), p]);
  }
  const toggle = (name: string, on: boolean) => onChange?.(on ? [...value, name] : value.filter((n) => n !== name));
  return (
    <div className="permissions" role="group" aria-label={t('roles.permissions')}>
      {[...nouns].map(([noun, list]) => (
        <div key={noun}>
          <code>{noun}</code>
          <span>
            {list.map((p) => (
              <Checkbox key={p.name} checked={value.includes(p.name)} onChange={(e) => toggle(p.name, e.target.checked)}>
                <span title={p.name}>{pick(p, p.name)}</span>
              </Checkbox>
            ))}
          </span>
        </div>
      ))}
    </div>
  );
}

function Fields({ row }: { row: Role | null }) {
  return (
    <>
      <Form.Item
        name="name"
        label={t('roles.name')}
        rules={[{ required: true, whitespace: true, message: t('roles.nameMissing') }]}
      >
        <Input disabled={row !== null} autoFocus autoComplete="off" />
      </Form.Item>
      <Form.Item
        name="permissions"
        label={t('roles.permissions')}
        rules={[{ required: true, type: 'array', min: 1, message: t('roles.permissionsMissing') }]}
      >
        <PermissionPicker />
      </Form.Item>
      <Form.Item name="clearance" label={t('data.clearance')} extra={t('data.clearanceHint')}>
        <ClassChoice none={null} />
      </Form.Item>
    </>
  );
}

export default function Roles() {
  const lang = useLanguage();
  const { may } = useSession();
  const columns = useMemo(columnsOf, [lang]);
  return (
    <AdminTable<Role, Values>
      title={t('nav.roles')}
      note={t('roles.what')}
      path="roles"
      columns={columns}
      rowKey={(r) => r.name}
      empty={{ title: t('roles.none'), hint: t('roles.noneHint') }}
      createWord={t('roles.create')}
      mayWrite={may('roles.write')}
      editable
      wide
      fixed={(r) => r.builtin === true}
      copy={(r) => ({ permissions: r.permissions, clearance: r.clearance ?? ALL })}
      fields={(row) => <Fields row={row} />}
      initial={(row) => (row ? { ...row, clearance: row.clearance ?? ALL } : { permissions: [], clearance: ALL })}
      save={({ name, permissions, clearance }) => put(`roles/${seg(name.trim())}`, { permissions, clearance })}
      drop={(r) => remove(`roles/${seg(r.name)}`)}
      dropHint={(r) => t('roles.deleteHint', { name: r.name })}
    />
  );
}
