// X.509 identity of a device: what stands for it, issuing, entering one's own, revoking.
import { Button, Form, Input, Modal, Select } from 'antd';
import { useState } from 'react';
import { apiUrl, post, remove, seg } from '../../api/client';
import { REVOKE_REASONS, type Certificate, type Certificates as Answer, type RevokeReason } from '../../api/types';
import { useResource } from '../../api/useResource';
import { useSession } from '../../app/session';
import { FormDialog } from '../../components/AdminTable';
import { DataTable, type Column } from '../../components/DataTable';
import { EmptyState } from '../../components/EmptyState';
import { t } from '../../i18n';
import { moment } from '../../i18n/format';
import { saveFile } from '../devices/importFile';
import { fileName, fingerprintText, pemKind } from './pem';

const LIVES = [30, 90, 365, 1095, 1825, 3650];
const LIFE = 1825;
const DAY_MS = 86_400_000;
const PEM_TYPE = 'application/x-pem-file';

const LEVELS = { expiring: 'warning', expired: 'error', revoked: 'error', not_yet: 'info' } as const;

/** The state in a colour and in words; why it was revoked, or how long it is still good. */
function CertificateState({ cert }: { cert: Certificate }) {
  const left = cert.not_after ? Math.floor((Date.parse(cert.not_after) - Date.now()) / DAY_MS) : 0;
  return (
    <>
      {cert.state === 'valid' ? (
        <span className="mark" data-state="online">
          {t('cert.valid')}
        </span>
      ) : (
        <span className="mark" data-level={LEVELS[cert.state]}>
          {t(`cert.${cert.state}`)}
        </span>
      )}
      {cert.state === 'expiring' ? <div className="dim">{t('cert.daysLeft', { n: left })}</div> : null}
      {cert.state === 'revoked' && cert.revoked ? (
        <div className="cell-note">
          {t('cert.whenRevoked', { time: moment(cert.revoked), reason: t(`reason.${cert.reason ?? 'unspecified'}`) })}
          {cert.note ? ` – ${cert.note}` : ''}
        </div>
      ) : null}
    </>
  );
}

function columnsOf(revoke: ((row: Certificate) => void) | null): Column<Certificate>[] {
  const columns: Column<Certificate>[] = [
    {
      key: 'state',
      title: t('cert.state'),
      width: 230,
      render: (c) => <CertificateState cert={c} />,
    },
    { key: 'subject', title: t('cert.subject'), render: (c) => c.subject || <span className="dim">–</span> },
    { key: 'issuer', title: t('cert.issuer'), render: (c) => c.issuer || <span className="dim">–</span> },
    { key: 'source', title: t('cert.source'), width: 110, render: (c) => t(`cert.${c.source}`) },
    {
      key: 'until',
      title: t('cert.until'),
      width: 150,
      render: (c) => (
        <span title={c.not_before ? t('cert.from', { time: moment(c.not_before) }) : undefined}>
          {c.not_after ? moment(c.not_after) : '–'}
        </span>
      ),
    },
    {
      key: 'fingerprint',
      title: t('cert.fingerprint'),
      width: 150,
      render: (c) => (
        <span className="mono" title={`${fingerprintText(c.fingerprint)}\n${t('cert.serial')} ${c.serial}`}>
          {fingerprintText(c.fingerprint).slice(0, 11)}…
        </span>
      ),
    },
  ];
  if (!revoke) return columns;
  return [
    ...columns,
    {
      key: 'actions',
      title: '',
      align: 'right',
      width: 110,
      render: (c) =>
        c.state === 'revoked' ? null : (
          <Button size="small" type="text" danger onClick={() => revoke(c)}>
            {t('cert.revoke')}
          </Button>
        ),
    },
  ];
}

/** The files of a certificate that was made just now; the key is not to be had again. */
function Made({ device, made, onClose }: { device: string; made: Certificate; onClose: () => void }) {
  const files: [string, string | undefined, string][] = [
    [t('cert.fileCertificate'), made.certificate, 'certificate'],
    [t('cert.fileKey'), made.key, 'key'],
    [t('cert.fileCa'), made.ca, 'ca'],
  ];
  return (
    <Modal
      open
      title={t('cert.made', { name: made.subject })}
      onOk={onClose}
      onCancel={onClose}
      okText={t('action.kept')}
      cancelButtonProps={{ style: { display: 'none' } }}
      mask={{ closable: false }}
    >
      {made.key ? <p>{t('cert.keyOnce')}</p> : <p>{t('cert.signedHint')}</p>}
      <dl className="facts">
        {files.map(([label, text, what]) =>
          text ? (
            <div key={what}>
              <dt>{label}</dt>
              <dd>
                <Button
                  size="small"
                  type={what === 'key' ? 'primary' : 'default'}
                  onClick={() => saveFile(fileName(device, what), text, PEM_TYPE)}
                >
                  {t('cert.download', { file: fileName(device, what) })}
                </Button>
              </dd>
            </div>
          ) : null,
        )}
      </dl>
    </Modal>
  );
}

function checkPem(_: unknown, text?: string): Promise<void> {
  const kind = pemKind(text ?? '');
  if (kind === 'key') return Promise.reject(new Error(t('cert.isKey')));
  return kind === 'unknown' ? Promise.reject(new Error(t('cert.notPem'))) : Promise.resolve();
}

function DaysField() {
  return (
    <Form.Item name="days" label={t('cert.life')}>
      <Select options={LIVES.map((days) => ({ value: days, label: t('span.days', { n: days }) }))} />
    </Form.Item>
  );
}

interface RevokeValues {
  reason: RevokeReason;
  note?: string;
}

function Revoke({ row, path, onClose, done }: { row: Certificate; path: string; onClose: () => void; done: () => void }) {
  return (
    <FormDialog<RevokeValues>
      title={t('cert.revokeTitle', { name: row.subject || fingerprintText(row.fingerprint).slice(0, 11) })}
      initial={{ reason: 'superseded', note: '' }}
      okText={t('cert.revoke')}
      danger
      done={t('cert.revokedDone')}
      onClose={onClose}
      save={async ({ reason, note }) => {
        const query = new URLSearchParams({ reason, ...(note?.trim() ? { note: note.trim() } : {}) });
        await remove(`${path}/${row.fingerprint}?${query.toString()}`);
        done();
      }}
    >
      <p>{t('cert.revokeHint')}</p>
      <Form.Item name="reason" label={t('cert.reason')}>
        <Select options={REVOKE_REASONS.map((value) => ({ value, label: t(`reason.${value}`) }))} />
      </Form.Item>
      <Form.Item name="note" label={t('cert.note')}>
        <Input maxLength={60} />
      </Form.Item>
    </FormDialog>
  );
}

interface Values {
  days: number;
  pem?: string;
}

/** A request is signed for some days, a certificate is entered as it is. */
function bodyOf({ days, pem }: Values) {
  if (!pem) return { days };
  return pemKind(pem) === 'request' ? { csr: pem, days } : { pem };
}

export function Certificates({ device }: { device: string }) {
  const path = `devices/${seg(device)}/certificates`;
  const { may } = useSession();
  const list = useResource<Answer>(path);
  const [open, setOpen] = useState<'issue' | 'enter' | null>(null);
  const [made, setMade] = useState<Certificate | null>(null);
  const [going, setGoing] = useState<Certificate | null>(null);
  const save = async (values: Values) => {
    const answer = await post<Certificate>(path, bodyOf(values));
    if (answer.certificate) setMade(answer);
    list.reload();
  };
  const names = list.data?.common_names ?? [];
  return (
    <div className="certificates">
      <p>{t('cert.how')}</p>
      <div className="toolbar">
        {may('devices.write') ? (
          <>
            <Button type="primary" onClick={() => setOpen('issue')}>
              {t('cert.issue')}
            </Button>
            <Button onClick={() => setOpen('enter')}>{t('cert.enter')}</Button>
          </>
        ) : null}
        <Button href={apiUrl('device-ca')} download="device-ca.pem">
          {t('cert.ca')}
        </Button>
        <Button href="/pki/device-ca.crl" download="device-ca.crl">
          {t('cert.crl')}
        </Button>
      </div>
      <DataTable
        label={t('device.certificates')}
        columns={columnsOf(may('devices.write') ? setGoing : null)}
        rows={list.data?.items ?? []}
        rowKey={(c) => c.fingerprint}
        loading={list.loading}
        problem={list.problem}
        retry={list.reload}
        empty={<EmptyState title={t('cert.none')} hint={t('cert.noneHint')} />}
      />
      {names.length > 0 ? <p className="dim">{t('cert.names', { names: names.join(', ') })}</p> : null}
      {open ? (
        <FormDialog<Values>
          title={t(open === 'issue' ? 'cert.issue' : 'cert.enter')}
          initial={{ days: LIFE }}
          onClose={() => setOpen(null)}
          save={save}
        >
          {open === 'enter' ? (
            <Form.Item name="pem" label="PEM" extra={t('cert.pemHint')} rules={[{ validator: checkPem }]}>
              <Input.TextArea autoFocus rows={8} spellCheck={false} placeholder="-----BEGIN CERTIFICATE-----" />
            </Form.Item>
          ) : null}
          <Form.Item noStyle dependencies={['pem']}>
            {({ getFieldValue }) =>
              open === 'issue' || pemKind(String(getFieldValue('pem') ?? '')) === 'request' ? <DaysField /> : null
            }
          </Form.Item>
        </FormDialog>
      ) : null}
      {going ? <Revoke row={going} path={path} onClose={() => setGoing(null)} done={list.reload} /> : null}
      {made ? <Made device={device} made={made} onClose={() => setMade(null)} /> : null}
    </div>
  );
}
