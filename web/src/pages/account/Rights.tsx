// Why somebody may or may not: each permission with the roles that give it, or would.
import { Input, Segmented } from 'antd';
import { useMemo, useState } from 'react';
import { useResource } from '../../api/useResource';
import { classWords, isClassed } from '../../components/DataClass';
import { DataTable, type Column } from '../../components/DataTable';
import { EmptyState } from '../../components/EmptyState';
import type { Classed, Grant } from '../../api/types';
import { useSession } from '../../app/session';
import { t, pick, useLanguage } from '../../i18n';
import { GrantTag } from './Grants';

interface Right {
  name: string;
  zh: string;
  en: string;
  held: boolean;
  roles: string[];
  grants?: Grant[];
  /** Of what reads: up to which classes it shows values, and the roles that would show more. */
  clearance?: Classed[];
  clearance_roles?: string[];
}

const everything = (r: Right) => r.clearance?.some((c) => c.data_class === 'core' && c.data_level === 3) ?? true;

/** What of the classes of data it shows, where that is not everything. */
function Shows({ right }: { right: Right }) {
  if (!right.held || everything(right)) return null;
  const roles = right.clearance_roles ?? [];
  return (
    <span className="dim">
      {' '}
      {t('data.upTo', { class: (right.clearance ?? []).filter(isClassed).map(classWords).join(', ') || classWords({}) })}
      {roles.length > 0 ? ` (${t('data.moreBy')}${roles.join(', ')})` : ''}
    </span>
  );
}

/** Held by grants for parts of the plant only. */
function partly(r: Right): boolean {
  const now = (r.grants ?? []).filter((g) => g.state === 'active');
  return r.held && r.roles.length === 0 && now.length > 0 && now.every((g) => g.asset || g.label || g.own);
}
interface Rights {
  stopped: 'disabled' | 'password' | 'second_factor' | null;
  items: Right[];
}
type Show = 'all' | 'held' | 'missing';

/** `path`: sessions/current/rights, or people/<name>/rights. */
export function RightsTable({ path }: { path: string }) {
  const lang = useLanguage();
  const { session } = useSession();
  const { data, problem, loading, reload } = useResource<Rights>(path);
  const [show, setShow] = useState<Show>('all');
  const [find, setFind] = useState('');
  const columns = useMemo<Column<Right>[]>(
    () => [
      {
        key: 'held',
        title: t('rights.may'),
        width: 90,
        render: (r) => (
          <span className="mark" data-state={r.held ? 'online' : 'never'}>
            {t(partly(r) ? 'rights.partly' : r.held ? 'rights.yes' : 'rights.no')}
          </span>
        ),
      },
      { key: 'act', title: t('rights.act'), width: '34%', render: (r) => pick(r, r.name) },
      { key: 'name', title: t('rights.name'), width: '24%', render: (r) => <code>{r.name}</code> },
      {
        key: 'roles',
        title: t('rights.roles'),
        render: (r) => (
          <>
            {r.held || r.roles.length === 0 ? null : <span className="dim">{t('rights.would')} </span>}
            {r.roles.map((role) => (
              <span key={role} className="tag">
                {role}
              </span>
            ))}
            {(r.grants ?? []).map((grant, i) => (
              <GrantTag key={i} grant={grant} home={session?.user.tenant} />
            ))}
            <Shows right={r} />
          </>
        ),
      },
    ],
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [lang],
  );
  const word = find.trim().toLowerCase();
  const rows = (data?.items ?? []).filter(
    (r) =>
      (show === 'all' || r.held === (show === 'held')) &&
      (!word || `${r.name} ${r.zh} ${r.en}`.toLowerCase().includes(word)),
  );
  return (
    <div className="rights">
      <div className="toolbar">
        <Segmented<Show>
          size="small"
          value={show}
          onChange={setShow}
          options={(['all', 'held', 'missing'] as const).map((value) => ({ value, label: t(`rights.${value}`) }))}
        />
        <Input.Search
          size="small"
          allowClear
          placeholder={t('rights.find')}
          aria-label={t('rights.find')}
          value={find}
          onChange={(e) => setFind(e.target.value)}
        />
      </div>
      {data?.stopped ? <p role="status">{t(`rights.stopped_${data.stopped}`)}</p> : null}
      <DataTable
        label={t('rights.title')}
        columns={columns}
        rows={rows}
        rowKey={(r) => r.name}
        total={rows.length}
        more={false}
        loading={loading}
        problem={problem}
        retry={reload}
        onEnd={() => {}}
        empty={<EmptyState title={t('rights.none')} hint="" />}
      />
    </div>
  );
}
