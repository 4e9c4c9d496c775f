// Roles for a time, below a tenant or for a part of the plant: shown as one line each, and as rows of a form.
import { Button, Form, Input, Select } from 'antd';
import type { Grant, Page, Role } from '../../api/types';
import { useResource } from '../../api/useResource';
import { useSession } from '../../app/session';
import { AssetPicker } from '../../components/Pickers';
import { t } from '../../i18n';
import { moment } from '../../i18n/format';

export const GRANTS_MAX = 8;
export type Part = 'all' | 'tenant' | 'asset' | 'label' | 'own';
/** A grant as the form has it; times as datetime-local, which are those of the browser's zone. */
export interface GrantValues {
  /** Place of the grant that the row came from. */
  at?: number;
  role?: string;
  part: Part;
  what?: string;
  from?: string;
  until?: string;
  reason?: string;
}

const pad = (n: number) => String(n).padStart(2, '0');

/** To the second, so that a grant that nobody touched goes back as it came. */
function localTime(time: string | null | undefined): string | undefined {
  if (!time) return undefined;
  const d = new Date(time);
  return (
    `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}T${pad(d.getHours())}:${pad(d.getMinutes())}` +
    (d.getSeconds() ? `:${pad(d.getSeconds())}` : '')
  );
}

export function grantValues(grant: Grant, home: string, at: number): GrantValues {
  const part: Part = grant.own ? 'own' : grant.asset ? 'asset' : grant.label ? 'label' : (grant.tenant ?? '') !== home ? 'tenant' : 'all';
  return {
    at,
    role: grant.role,
    part,
    what: grant.asset ?? grant.label ?? (part === 'tenant' ? grant.tenant : undefined),
    from: localTime(grant.from),
    until: localTime(grant.until),
    reason: grant.reason,
  };
}

/** What the server is asked for. `was`: the grant that the row came from, whose exact times stay unless they were changed. */
export function grantBody(value: GrantValues, was?: Grant): Partial<Grant> {
  const time = (local: string | undefined, old: string | null | undefined) => {
    if (local === localTime(old)) return old ?? undefined;
    return local ? new Date(local).toISOString() : undefined;
  };
  const what = value.what?.trim();
  return {
    role: value.role,
    ...(value.part === 'own' ? { own: true } : value.part === 'all' ? {} : { [value.part]: what }),
    ...(was?.tenant && value.part !== 'tenant' ? { tenant: was.tenant } : {}),
    from: time(value.from, was?.from),
    until: time(value.until, was?.until),
    reason: value.reason?.trim() || undefined,
  };
}

/** Where a grant holds, in words. */
export function partWords(grant: Grant): string {
  if (grant.own) return t('grant.ownShort');
  if (grant.asset) return t('grant.atAsset', { asset: grant.asset });
  if (grant.label) return t('grant.withLabel', { label: grant.label });
  return '';
}

/** Role, where, until when; what has ended or not begun says so in words. `short` leaves the times to the title. */
export function GrantTag({ grant, home = '', short = false }: { grant: Grant; home?: string; short?: boolean }) {
  const where = [partWords(grant), (grant.tenant ?? '') !== home ? t('grant.inTenant', { tenant: grant.tenant ?? '' }) : '']
    .filter(Boolean)
    .join(' ');
  const when =
    grant.state === 'ended'
      ? t('grant.ended', { time: moment(grant.until) })
      : grant.state === 'coming'
        ? t('grant.coming', { time: moment(grant.from) })
        : grant.until
          ? t('grant.untilShort', { time: moment(grant.until) })
          : '';
  const who = [grant.reason, grant.by ? t('grant.by', { who: grant.by }) : ''].filter(Boolean).join(' · ');
  const all = [grant.role, where, when].filter(Boolean).join(' · ');
  const brief = [grant.role, grant.asset ?? grant.label ?? (where || when)].filter(Boolean).join(' · ');
  return (
    <span className="tag grant" data-state={grant.state} title={[short ? all : '', who].filter(Boolean).join('\n') || undefined}>
      {short ? brief : all}
    </span>
  );
}

/** Asset, label or tenant, by what the row's part is. */
function What({ index }: { index: number }) {
  const { may } = useSession();
  const part = Form.useWatch<Part | undefined>(['grants', index, 'part']);
  const tenants = useResource<Page<{ path: string }>>(part === 'tenant' && may('tenants.read') ? 'tenants' : null);
  if (!part || part === 'all' || part === 'own') return null;
  const label = t(`grantPart.${part}`);
  return (
    <Form.Item
      name={[index, 'what']}
      rules={[
        { required: true, whitespace: true, message: t('grant.whatMissing') },
        ...(part === 'label' ? [{ pattern: /^[^:]+:.+$/, message: t('grant.labelForm') }] : []),
      ]}
    >
      {part === 'asset' ? (
        <AssetPicker label={label} />
      ) : part === 'tenant' ? (
        <Select
          showSearch
          aria-label={label}
          placeholder={label}
          options={(tenants.data?.items ?? []).filter((x) => x.path).map((x) => ({ value: x.path, label: x.path }))}
        />
      ) : (
        <Input aria-label={label} placeholder="line:1" />
      )}
    </Form.Item>
  );
}

function GrantRow({ index, roles, onRemove }: { index: number; roles: Role[]; onRemove: () => void }) {
  const form = Form.useFormInstance();
  return (
    <fieldset className="grant-row">
      <legend className="hidden">{t('grant.nth', { n: index + 1 })}</legend>
      <Form.Item name={[index, 'at']} hidden>
        <Input />
      </Form.Item>
      <Form.Item name={[index, 'role']} rules={[{ required: true, message: t('grant.roleMissing') }]}>
        <Select
          showSearch
          aria-label={t('people.roles')}
          placeholder={t('people.roles')}
          options={roles.map((role) => ({ value: role.name, label: role.name, title: role.permissions.join(', ') }))}
        />
      </Form.Item>
      <Form.Item name={[index, 'part']}>
        <Select
          aria-label={t('grant.part')}
          onChange={() => form.setFieldValue(['grants', index, 'what'], undefined)}
          options={(['all', 'asset', 'label', 'own', 'tenant'] as const).map((value) => ({ value, label: t(`grantPart.${value}`) }))}
        />
      </Form.Item>
      <What index={index} />
      <label className="grant-time">
        <span>{t('grant.from')}</span>
        <Form.Item name={[index, 'from']}>
          <Input type="datetime-local" aria-label={t('grant.from')} />
        </Form.Item>
      </label>
      <label className="grant-time">
        <span>{t('grant.until')}</span>
        <Form.Item
          name={[index, 'until']}
          dependencies={[['grants', index, 'from']]}
          rules={[
            ({ getFieldValue }) => ({
              validator: (_, until?: string) => {
                const from = getFieldValue(['grants', index, 'from']) as string | undefined;
                return until && from && until <= from ? Promise.reject(new Error(t('grant.untilEarly'))) : Promise.resolve();
              },
            }),
          ]}
        >
          <Input type="datetime-local" aria-label={t('grant.until')} />
        </Form.Item>
      </label>
      <Form.Item name={[index, 'reason']} className="grant-reason">
        <Input aria-label={t('grant.reason')} placeholder={t('grant.reason')} maxLength={40} />
      </Form.Item>
      <Button size="small" type="text" danger className="grant-remove" onClick={onRemove}>
        {t('action.remove')}
      </Button>
    </fieldset>
  );
}

/** The rows of a form under the name `grants`. */
export function GrantFields() {
  const { data } = useResource<Page<Role>>('roles');
  return (
    <Form.Item label={t('grant.title')} extra={t('grant.what')}>
      <Form.List name="grants">
        {(rows, { add, remove }) => (
          <>
            {rows.map((row) => (
              <GrantRow key={row.key} index={row.name} roles={data?.items ?? []} onRemove={() => remove(row.name)} />
            ))}
            <Button size="small" disabled={rows.length >= GRANTS_MAX} onClick={() => add({ part: 'asset' })}>
              {t('grant.add')}
            </Button>
          </>
        )}
      </Form.List>
    </Form.Item>
  );
}
