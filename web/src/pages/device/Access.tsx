// From where a device is admitted, whether its identity is in two places, and its quarantine.
import { Button, Form, Input } from 'antd';
import { useState } from 'react';
import { post, put, remove, seg } from '../../api/client';
import type { DeviceAccess } from '../../api/types';
import { useResource, type Resource } from '../../api/useResource';
import { useSession } from '../../app/session';
import { FormDialog } from '../../components/AdminTable';
import { Loading } from '../../components/Loading';
import { Panel } from '../../components/Panel';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { useEvery } from '../../components/useEvery';
import { t } from '../../i18n';
import { count, moment, who } from '../../i18n/format';

const EVERY_MS = 10_000;
const MOST = 16;

export function useAccess(device: string): Resource<DeviceAccess> {
  const access = useResource<DeviceAccess>(`devices/${seg(device)}/access`);
  useEvery(EVERY_MS, access.reload);
  return access;
}

/** Above all tabs: what keeps the device out, or what somebody has to look at. */
export function AccessBanner({ access }: { access: DeviceAccess | null }) {
  if (!access?.quarantine && !access?.clone) return null;
  const { quarantine, clone } = access;
  return (
    <div className="access-banner" role="status" data-level={quarantine ? 'error' : 'warning'}>
      {quarantine ? (
        <p>
          <span className="mark" data-level="error">
            {t('access.quarantined')}
          </span>{' '}
          {t('access.quarantinedBy', { time: moment(quarantine.since), who: byWhom(quarantine.by), reason: reasonText(quarantine.reason) })}
        </p>
      ) : null}
      {clone ? (
        <p>
          <span className="mark" data-level="warning">
            {t('access.clone')}
          </span>{' '}
          {t('access.cloneText', {
            a: clone.addresses[0] ?? '',
            b: clone.addresses[1] ?? '',
            how: t(`door.${clone.how}`),
            first: moment(clone.first),
            last: moment(clone.last),
          })}
        </p>
      ) : null}
    </div>
  );
}

/** The platform acts by itself as "system". */
function byWhom(by: string): string {
  return by === 'system' ? t('access.bySystem') : who(by);
}

/** What the platform writes when it acts by itself, in words. */
function reasonText(reason: string): string {
  const own = /^clone: (.+), (.+) \((?:mqtt|http|est)\)$/.exec(reason);
  return own ? t('access.cloneReason', { a: own[1] ?? '', b: own[2] ?? '' }) : reason;
}

function Quarantine({ path, access, reload }: { path: string; access: DeviceAccess; reload: () => void }) {
  const { may } = useSession();
  const [open, setOpen] = useState(false);
  const act = useAct();
  const shut = access.quarantine !== null;
  const release = () =>
    act.run(async () => {
      await remove(`${path}/quarantine`);
      reload();
    }, t('access.released'));
  return (
    <Panel title={t('access.quarantine')}>
      <p>{t(shut ? 'access.shutHint' : 'access.openHint')}</p>
      <ProblemView problem={act.problem} />
      {!may('devices.write') ? null : shut ? (
        <Button loading={act.busy} onClick={() => void release()}>
          {t('access.release')}
        </Button>
      ) : (
        <Button danger onClick={() => setOpen(true)}>
          {t('access.shut')}
        </Button>
      )}
      {open ? (
        <FormDialog<{ reason: string }>
          title={t('access.shutTitle')}
          initial={{}}
          okText={t('access.shut')}
          danger
          done={t('access.shutDone')}
          onClose={() => setOpen(false)}
          save={async ({ reason }) => {
            await post(`${path}/quarantine`, { reason: reason.trim() });
            reload();
          }}
        >
          <p>{t('access.shutAsk')}</p>
          <Form.Item name="reason" label={t('access.reason')} rules={[{ required: true, whitespace: true, message: t('access.reasonMissing') }]}>
            <Input autoFocus maxLength={60} />
          </Form.Item>
        </FormDialog>
      ) : null}
    </Panel>
  );
}

function Clone({ path, access, reload }: { path: string; access: DeviceAccess; reload: () => void }) {
  const { may } = useSession();
  const act = useAct();
  const dismiss = () =>
    act.run(async () => {
      await remove(`${path}/clone`);
      reload();
    }, t('access.dismissed'));
  return (
    <Panel title={t('access.cloneTitle')}>
      <p>{t(access.clone ? 'access.cloneHint' : access.clones === 'off' ? 'access.cloneOff' : 'access.cloneNone')}</p>
      {access.clone && may('devices.write') ? (
        <>
          <ProblemView problem={act.problem} />
          <Button loading={act.busy} onClick={() => void dismiss()}>
            {t('access.dismiss')}
          </Button>
        </>
      ) : null}
    </Panel>
  );
}

/** One entry a line, or by comma. */
const entriesOf = (text: string) => text.split(/[\s,，;；]+/).filter(Boolean);

function AllowList({ path, access, reload }: { path: string; access: DeviceAccess; reload: () => void }) {
  const { may } = useSession();
  const [open, setOpen] = useState(false);
  const { allow, refused } = access;
  return (
    <Panel
      title={t('access.allow')}
      extra={
        may('devices.write') ? (
          <Button size="small" onClick={() => setOpen(true)}>
            {t('action.edit')}
          </Button>
        ) : null
      }
    >
      {allow.length === 0 ? (
        <p>{t('access.allowNone')}</p>
      ) : (
        <ul className="access-list">
          {allow.map((entry) => (
            <li key={entry}>
              <code>{entry}</code>
            </li>
          ))}
        </ul>
      )}
      <p className="dim">
        {refused
          ? t('access.refused', {
              n: count(refused.count),
              time: moment(refused.last),
              address: refused.address,
              how: t(`door.${refused.how}`),
              why: t(`refusal.${refused.why}`),
            })
          : t('access.refusedNone')}
      </p>
      {open ? (
        <FormDialog<{ allow: string }>
          title={t('access.allow')}
          initial={{ allow: allow.join('\n') }}
          onClose={() => setOpen(false)}
          save={async (values) => {
            await put(`${path}/access`, { allow: entriesOf(values.allow ?? '') });
            reload();
          }}
        >
          <p>{t('access.allowHint')}</p>
          <Form.Item
            name="allow"
            label={t('access.addresses')}
            extra={t('access.allowForm', { n: MOST })}
            rules={[
              {
                validator: (_, text?: string) =>
                  entriesOf(text ?? '').length > MOST
                    ? Promise.reject(new Error(t('access.allowMany', { n: MOST })))
                    : Promise.resolve(),
              },
            ]}
          >
            <Input.TextArea autoFocus rows={6} spellCheck={false} placeholder={'10.8.0.0/24\n2001:db8::/64'} />
          </Form.Item>
        </FormDialog>
      ) : null}
    </Panel>
  );
}

export function Access({ device, access }: { device: string; access: Resource<DeviceAccess> }) {
  const path = `devices/${seg(device)}`;
  const { data, problem, reload } = access;
  if (!data) return problem ? <ProblemView problem={problem} retry={reload} /> : <Loading />;
  const shared = { path, access: data, reload };
  return (
    <div className="access">
      <Quarantine {...shared} />
      <AllowList {...shared} />
      <Clone {...shared} />
    </div>
  );
}
