// What is entered of a provider of certificates: whom it trusts, which are revoked, how people are known.
import { Checkbox, Form, Input, Select, Switch } from 'antd';
import type { CertificateProvider, Provider } from '../../api/outside';
import { FileField } from '../../components/CertificateText';
import { t } from '../../i18n';
import { moment } from '../../i18n/format';

export const certificateFresh: Partial<CertificateProvider> = {
  kind: 'certificate',
  ca: '',
  distid: '1234567812345678',
  policies: '',
  revocation: 'strict',
  client_auth: false,
  match: 'fingerprint',
  name_claim: 'cn',
  self_bind: true,
  people: 'linked',
  roles: [],
  roles_claim: 'ou',
  map: [],
  second_factor: 'own',
};

function Trusted({ row }: { row: CertificateProvider }) {
  return (
    <div className="wide">
      <p className="dim">{t('certProvider.authorities')}</p>
      <ul className="identities">
        {row.authorities.map((ca) => (
          <li key={ca.sha256}>
            <strong>{ca.subject}</strong> {ca.key} <span className="dim">{t('certProvider.until', { time: moment(ca.until) })}</span>
            <code className="block">SHA-256 {ca.sha256}</code>
            <code className="block">SM3 {ca.sm3}</code>
          </li>
        ))}
      </ul>
      {row.revocation_lists.length > 0 ? <p className="dim">{t('certProvider.lists')}</p> : <p role="note">{t('certProvider.crlNone')}</p>}
      <ul className="identities">
        {row.revocation_lists.map((list) => (
          <li key={list.sha256}>
            <strong>{list.issuer}</strong>{' '}
            <span className="dim">
              {t('certProvider.next', { time: list.next_update ? moment(list.next_update) : '–', n: list.revoked })}
            </span>
            {list.of_trust_list ? null : <span className="dim"> · {t('certProvider.foreign')}</span>}
          </li>
        ))}
      </ul>
    </div>
  );
}

export function CertificateFields({ row }: { row: Provider | null }) {
  const match = Form.useWatch<CertificateProvider['match'] | undefined>('match') ?? 'fingerprint';
  const certificate = row?.kind === 'certificate' ? row : null;
  return (
    <>
      {certificate ? <Trusted row={certificate} /> : null}
      <FileField name="ca" label={t('certProvider.ca')} hint={t('certProvider.caHint')} rows={3} needed mark="CERTIFICATE" />
      <FileField name="crl" label={t('certProvider.crl')} hint={t('certProvider.crlHint')} rows={3} mark="X509 CRL" />
      {certificate && certificate.revocation_lists.length > 0 ? (
        <Form.Item name="crl_drop" valuePropName="checked">
          <Checkbox>{t('certProvider.crlDrop')}</Checkbox>
        </Form.Item>
      ) : null}
      <Form.Item name="revocation" label={t('certProvider.revocation')}>
        <Select options={(['strict', 'lenient'] as const).map((value) => ({ value, label: t(`certRevocation.${value}`) }))} />
      </Form.Item>
      <Form.Item name="match" label={t('certProvider.match')} extra={match === 'name' ? t('certProvider.matchHint') : undefined}>
        <Select options={(['fingerprint', 'name'] as const).map((value) => ({ value, label: t(`certMatch.${value}`) }))} />
      </Form.Item>
      <Form.Item name="name_claim" label={t('certProvider.field')}>
        <Select
          options={(['cn', 'serialNumber', 'emailAddress', 'uid'] as const).map((value) => ({ value, label: t(`certField.${value}`) }))}
        />
      </Form.Item>
      <Form.Item name="second_factor" label={t('certProvider.second')}>
        <Select options={(['own', 'provider'] as const).map((value) => ({ value, label: t(`certSecond.${value}`) }))} />
      </Form.Item>
      <Form.Item name="policies" label={t('certProvider.policies')} extra={t('certProvider.policiesHint')}>
        <Input autoComplete="off" placeholder="1.2.156.10197.1.301" />
      </Form.Item>
      <Form.Item name="distid" label={t('certProvider.distid')}>
        <Input autoComplete="off" />
      </Form.Item>
      <Form.Item name="self_bind" label={t('certProvider.selfBind')} valuePropName="checked">
        <Switch size="small" />
      </Form.Item>
      <Form.Item name="client_auth" label={t('certProvider.clientAuth')} valuePropName="checked">
        <Switch size="small" />
      </Form.Item>
    </>
  );
}

export function CertificateGroups() {
  return (
    <Form.Item name="roles_claim" label={t('certProvider.groups')}>
      <Select options={(['ou', 'o'] as const).map((value) => ({ value, label: t(`certGroups.${value}`) }))} />
    </Form.Item>
  );
}
