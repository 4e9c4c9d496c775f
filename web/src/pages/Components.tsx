// What the program is made of: libraries and packages of the console with version and licence (the software bill of materials).
import { Button, Input } from 'antd';
import { useMemo } from 'react';
import { apiUrl } from '../api/client';
import type { BillOfMaterials, BomComponent } from '../api/types';
import { useResource } from '../api/useResource';
import { setQuery, usePlace } from '../app/router';
import { DataTable, type Column } from '../components/DataTable';
import { EmptyState } from '../components/EmptyState';
import { PageHeader } from '../components/PageHeader';
import { t, useLanguage } from '../i18n';

const nameOf = (c: BomComponent) => (c.group ? `${c.group}/${c.name}` : c.name);
const licenceOf = (c: BomComponent) => (c.licenses ?? []).map((l) => l.expression ?? l.license?.id ?? '').join(', ');

/** Where it lies: our own part, a library of Debian, or a package inside the console's files. */
function originOf(c: BomComponent): string {
  if (c.purl.startsWith('pkg:deb/')) return t('components.library');
  return t(c.purl.startsWith('pkg:npm/') ? 'components.console' : 'components.own');
}

function columnsOf(): Column<BomComponent>[] {
  return [
    { key: 'name', title: t('components.name'), render: nameOf },
    { key: 'version', title: t('components.version'), width: '22%', render: (c) => <code>{c.version}</code> },
    { key: 'licence', title: t('components.licence'), width: '24%', render: licenceOf },
    { key: 'origin', title: t('components.origin'), width: 150, render: originOf },
  ];
}

export default function Components() {
  const lang = useLanguage();
  const { query } = usePlace();
  const { data, problem, loading, reload } = useResource<BillOfMaterials>('sbom');
  const q = (query.get('q') ?? '').trim().toLowerCase();
  const columns = useMemo(columnsOf, [lang]);
  const rows = useMemo(
    () => (data?.components ?? []).filter((c) => `${nameOf(c)} ${c.version} ${licenceOf(c)}`.toLowerCase().includes(q)),
    [data, q],
  );
  return (
    <div className="page-fill">
      <PageHeader
        title={t('components.title')}
        parent={{ path: '/security', title: t('nav.security') }}
        note={t('components.what')}
        actions={
          <Button href={apiUrl('sbom')} download="songhua-sbom.cdx.json">
            {t('components.download')}
          </Button>
        }
      />
      <div className="toolbar" role="search">
        <Input
          allowClear
          style={{ width: 260 }}
          value={query.get('q') ?? ''}
          aria-label={t('components.search')}
          placeholder={t('components.search')}
          onChange={(e) => setQuery({ q: e.target.value })}
        />
      </div>
      <DataTable
        fill
        label={t('components.title')}
        columns={columns}
        rows={rows}
        rowKey={(c) => c['bom-ref']}
        loading={loading}
        problem={problem}
        retry={reload}
        empty={<EmptyState title={t('components.none')} hint={t('components.noneHint')} />}
      />
    </div>
  );
}
