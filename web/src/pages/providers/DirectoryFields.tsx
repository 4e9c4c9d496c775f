// What is entered of a directory (LDAP): its servers, TLS, the account that searches, where people and groups are.
import { Alert, Button, Form, Input, Select, Switch } from 'antd';
import type { ChangeEvent } from 'react';
import type { DirectoryProvider } from '../../api/outside';
import { t } from '../../i18n';

/** As OpenLDAP and most others have it. */
export const directoryFresh: Partial<DirectoryProvider> = {
  kind: 'ldap',
  tls: 'ldaps',
  filter: '(&(objectClass=person)(uid={login}))',
  name_claim: 'uid',
  subject_attribute: 'entryUUID',
  display_attribute: 'cn',
  roles_claim: 'memberOf',
  group_filter: '(member={dn})',
  second_factor: 'own',
};
const activeDirectory: Partial<DirectoryProvider> = {
  ...directoryFresh,
  filter: '(&(objectCategory=person)(objectClass=user)(sAMAccountName={login}))',
  name_claim: 'sAMAccountName',
  subject_attribute: 'objectGUID',
  display_attribute: 'displayName',
  group_filter: '(member:1.2.840.113556.1.4.1941:={dn})',
};

const entered = (servers: string[] | undefined) => (servers ?? []).filter((s) => s !== '');
const fewServers = (_: unknown, servers?: string[]) => {
  const n = entered(servers).length;
  return n >= 1 && n <= 4 ? Promise.resolve() : Promise.reject(new Error(t('directory.serversBad')));
};
const isLocal = (server: string) => /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i.test(server);

function Transport() {
  const tls = Form.useWatch<DirectoryProvider['tls'] | undefined>('tls') ?? 'ldaps';
  const servers = entered(Form.useWatch<string[] | undefined>('servers'));
  const clear = tls === 'none' && !servers.every(isLocal);
  return (
    <>
      <Form.Item
        name="servers"
        label={t('directory.servers')}
        extra={t('directory.serversHint')}
        getValueFromEvent={(event: ChangeEvent<HTMLInputElement>) => event.target.value.split(/[\s,，]+/)}
        getValueProps={(value?: string[]) => ({ value: (value ?? []).join(' ') })}
        rules={[{ required: true, validator: fewServers }]}
      >
        <Input autoComplete="off" placeholder="ldap1.plant.cn ldap2.plant.cn:3269" />
      </Form.Item>
      <Form.Item name="tls" label={t('directory.tls')}>
        <Select options={(['ldaps', 'starttls', 'none'] as const).map((value) => ({ value, label: t(`directoryTls.${value}`) }))} />
      </Form.Item>
      {clear ? (
        <div>
          <Alert type="warning" showIcon message={t('directory.clear')} />
          <Form.Item name="allow_clear" label={t('directory.allowClear')} valuePropName="checked">
            <Switch size="small" />
          </Form.Item>
        </div>
      ) : null}
      {tls === 'none' ? null : (
        <Form.Item name="ca" label={t('directory.ca')} extra={t('directory.caHint')}>
          <Input.TextArea rows={2} spellCheck={false} placeholder="-----BEGIN CERTIFICATE-----" />
        </Form.Item>
      )}
    </>
  );
}

export function DirectoryFields({ hasSecret }: { hasSecret: boolean }) {
  const form = Form.useFormInstance<DirectoryProvider>();
  const template = Form.useWatch<string | undefined>('dn_template') ?? '';
  const needed = [{ required: true, whitespace: true, message: t('provider.needed') }];
  const searches = template.trim() === '';
  return (
    <>
      <Form.Item label={t('directory.preset')} extra={t('directory.presetHint')}>
        <span className="row-actions">
          <Button size="small" onClick={() => form.setFieldsValue(directoryFresh)}>
            OpenLDAP
          </Button>
          <Button size="small" onClick={() => form.setFieldsValue(activeDirectory)}>
            Active Directory
          </Button>
        </span>
      </Form.Item>
      <Transport />
      <Form.Item name="dn_template" label={t('directory.template')} extra={t('directory.templateHint')}>
        <Input placeholder="uid={login},ou=people,dc=plant,dc=cn" autoComplete="off" />
      </Form.Item>
      {searches ? (
        <>
          <Form.Item name="base" label={t('directory.base')} rules={needed}>
            <Input placeholder="ou=people,dc=plant,dc=cn" />
          </Form.Item>
          <Form.Item name="filter" label={t('directory.filter')} extra={t('directory.filterHint')} rules={needed}>
            <Input />
          </Form.Item>
          <Form.Item name="bind_dn" label={t('directory.bindDn')} extra={t('directory.bindDnHint')}>
            <Input placeholder="cn=songhua,ou=services,dc=plant,dc=cn" autoComplete="off" />
          </Form.Item>
          <Form.Item name="bind_password" label={t('directory.bindPassword')} extra={hasSecret ? t('provider.secretKept') : undefined}>
            <Input.Password autoComplete="new-password" />
          </Form.Item>
        </>
      ) : null}
      <Form.Item name="name_claim" label={t('directory.name')} extra={t('directory.nameHint')} rules={needed}>
        <Input />
      </Form.Item>
      <Form.Item name="subject_attribute" label={t('directory.subject')} extra={t('directory.subjectHint')} rules={needed}>
        <Input />
      </Form.Item>
      <Form.Item name="display_attribute" label={t('directory.display')}>
        <Input />
      </Form.Item>
    </>
  );
}

export function DirectoryGroups() {
  return (
    <>
      <Form.Item name="roles_claim" label={t('directory.groups')} extra={t('directory.groupsHint')}>
        <Input placeholder="memberOf" />
      </Form.Item>
      <Form.Item name="group_base" label={t('directory.groupBase')} extra={t('directory.groupBaseHint')}>
        <Input placeholder="ou=groups,dc=plant,dc=cn" />
      </Form.Item>
      <Form.Item name="group_filter" label={t('directory.groupFilter')}>
        <Input />
      </Form.Item>
    </>
  );
}
