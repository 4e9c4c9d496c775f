// X.509 identity of a device: what stands for it, issuing, entering one's own, revoking.
import { App, Button, Form, Input, Modal, Select } from 'antd';
import { useState } from 'react';
import { apiUrl, post, remove, seg } from '../../api/client';
import type { Certificate, Certificates as Answer } from '../../api/types';
import { useResource } from '../../api/useResource';
import { useSession } from '../../app/session';
import { FormDialog } from '../../components/AdminTable';
import { DataTable, type Column } from '../../components/DataTable';
import { EmptyState } from '../../components/EmptyState';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { t } from '../../i18n';
import { moment } from '../../i18n/format';
import { saveFile } from '../devices/importFile';
import { fileName, fingerprintText, pemKind } from './pem';

const LIVES = [30, 90, 365, 1095, 3650];
const PEM_TYPE = 'application/x-pem-file';

function columnsOf(revoke: ((row: Certificate) => void) | null): Column<Certificate>[] {
  const columns: Column<Certificate>[] = [
    {
      key: 'state',
      title: t('cert.state'),
      width: 100,
      render: (c) => <span className={c.state === 'valid' ? '' : 'dim'}>{t(`cert.${c.state}`)}</span>,
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
  const { modal } = App.useApp();
  const list = useResource<Answer>(path);
  const [open, setOpen] = useState<'issue' | 'enter' | null>(null);
  const [made, setMade] = useState<Certificate | null>(null);
  const { problem, run } = useAct();
  const revoke = (row: Certificate) =>
    modal.confirm({
      title: t('cert.revokeTitle', { name: row.subject || fingerprintText(row.fingerprint).slice(0, 11) }),
      content: t('cert.revokeHint'),
      okText: t('cert.revoke'),
      cancelText: t('action.cancel'),
      okButtonProps: { danger: true },
      onOk: () =>
        run(async () => {
          await remove(`${path}/${row.fingerprint}`);
          list.reload();
        }, t('cert.revokedDone')),
    });
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
      </div>
      <ProblemView problem={problem} />
      <DataTable
        label={t('device.certificates')}
        columns={columnsOf(may('devices.write') ? revoke : null)}
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
          initial={{ days: 365 }}
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
      {made ? <Made device={device} made={made} onClose={() => setMade(null)} /> : null}
    </div>
  );
}
