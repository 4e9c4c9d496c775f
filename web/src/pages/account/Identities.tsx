// Who a person is at which provider: linked and unlinked by whoever may change people.
import { Button, Form, Input, Select } from 'antd';
import { post, remove, seg } from '../../api/client';
import type { Identity, Provider } from '../../api/outside';
import type { Page } from '../../api/types';
import { useResource } from '../../api/useResource';
import { EmptyState } from '../../components/EmptyState';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { pick, t } from '../../i18n';

interface Values {
  provider: string;
  by: 'subject' | 'name';
  who: string;
}

export function Identities({ person, mayWrite }: { person: string; mayWrite: boolean }) {
  const path = `people/${seg(person)}/identities`;
  const list = useResource<{ items: Identity[] }>(path);
  const providers = useResource<Page<Provider>>('identity-providers');
  const [form] = Form.useForm<Values>();
  const { busy, problem, run } = useAct();
  const items = list.data?.items ?? [];
  const known = providers.data?.items ?? [];
  const nameOf = (id: string) => pick(known.find((p) => p.id === id), id);
  const add = ({ provider, by, who }: Values) =>
    run(async () => {
      await post(path, { provider, [by]: who.trim() });
      form.resetFields();
      list.reload();
    }, t('identity.added'));
  const drop = (id: string) =>
    run(async () => {
      await remove(`${path}/${seg(id)}`);
      list.reload();
    }, t('identity.removed'));
  const needed = [{ required: true, whitespace: true, message: t('provider.needed') }];
  return (
    <>
      {items.length === 0 && !list.loading ? (
        <EmptyState
          title={t('identity.none')}
          hint={t(known.length === 0 && !providers.loading ? 'identity.noProviders' : 'identity.noneHint')}
        />
      ) : (
        <ul className="identities">
          {items.map((row) => (
            <li key={row.provider}>
              <strong>{nameOf(row.provider)}</strong> <code>{row.subject ?? row.name}</code>
              {row.login ? <span className="dim"> {t('directory.login', { login: row.login })}</span> : null}
              {row.name ? <span className="dim"> {t('identity.name')}</span> : null}
              {mayWrite ? (
                <Button size="small" type="text" danger loading={busy} onClick={() => void drop(row.provider)}>
                  {t('identity.remove')}
                </Button>
              ) : null}
            </li>
          ))}
        </ul>
      )}
      {mayWrite && known.length > 0 ? (
        <Form<Values> form={form} layout="inline" requiredMark={false} initialValues={{ by: 'name' }} onFinish={(v) => void add(v)}>
          <Form.Item name="provider" rules={needed}>
            <Select
              aria-label={t('identity.provider')}
              placeholder={t('identity.provider')}
              className="identity-pick"
              options={known.map((p) => ({ value: p.id, label: pick(p, p.id) }))}
            />
          </Form.Item>
          <Form.Item name="by">
            <Select
              aria-label={t('identity.who')}
              className="identity-pick"
              options={(['name', 'subject'] as const).map((value) => ({ value, label: t(`identity.${value}`) }))}
            />
          </Form.Item>
          <Form.Item name="who" rules={needed}>
            <Input aria-label={t('identity.who')} placeholder={t('identity.who')} />
          </Form.Item>
          <Button htmlType="submit" loading={busy}>
            {t('identity.add')}
          </Button>
        </Form>
      ) : null}
      <ProblemView problem={problem ?? list.problem} />
    </>
  );
}
