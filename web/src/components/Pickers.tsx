// Choosers of things and assets, filled from the server while one types.
import { Select } from 'antd';
import { useMemo, useState } from 'react';
import { useResource } from '../api/useResource';
import type { Asset, Page, Thing } from '../api/types';
import { pick, t } from '../i18n';
import { useDelayed } from './useDelayed';

interface Props {
  id?: string;
  value?: string;
  onChange?: (value: string | undefined) => void;
  label: string;
  size?: 'small' | 'middle';
  width?: number;
}

export function ThingPicker({ id, value, onChange, label, size, width }: Props) {
  const [search, setSearch] = useState('');
  const q = useDelayed(search, 200);
  const { data } = useResource<Page<Thing>>('things', { q, limit: 100 });
  const options = (data?.items ?? []).map((thing) => ({
    value: thing.id,
    label: pick(thing.name, thing.id),
  }));
  return (
    <Select
      id={id}
      size={size}
      style={{ minWidth: width ?? 150 }}
      value={value || undefined}
      placeholder={label}
      aria-label={label}
      allowClear
      showSearch={{ filterOption: false, onSearch: setSearch }}
      popupMatchSelectWidth={false}
      options={options}
      onChange={(next?: string) => onChange?.(next)}
      notFoundContent={t('pick.none')}
    />
  );
}

/** Assets in the order of their tree, each with its depth. */
export function treeOrder(assets: Asset[]): { asset: Asset; depth: number }[] {
  const known = new Set(assets.map((a) => a.id));
  const children = new Map<string, Asset[]>();
  for (const asset of assets) {
    const parent = asset.parent && known.has(asset.parent) ? asset.parent : '';
    children.set(parent, [...(children.get(parent) ?? []), asset]);
  }
  const rows: { asset: Asset; depth: number }[] = [];
  const walk = (parent: string, depth: number) => {
    for (const asset of children.get(parent) ?? []) {
      rows.push({ asset, depth });
      walk(asset.id, depth + 1);
    }
  };
  walk('', 0);
  return rows;
}

export function AssetPicker({ id, value, onChange, label, size, width, allow }: Props & { allow?: (asset: Asset) => boolean }) {
  const { data } = useResource<Page<Asset>>('assets', { limit: 1000 });
  const options = useMemo(
    () =>
      treeOrder(data?.items ?? []).map(({ asset, depth }) => ({
        value: asset.id,
        label: `${'\u3000'.repeat(depth)}${asset.name}`,
        disabled: allow ? !allow(asset) : false,
        search: `${asset.id} ${asset.name}`.toLowerCase(),
      })),
    [data],
  );
  return (
    <Select
      id={id}
      size={size}
      style={{ minWidth: width ?? 150 }}
      value={value || undefined}
      placeholder={label}
      aria-label={label}
      allowClear
      showSearch={{
        filterOption: (text, option) => (option?.search ?? '').includes(text.toLowerCase()),
      }}
      popupMatchSelectWidth={false}
      options={options}
      onChange={(next?: string) => onChange?.(next)}
      notFoundContent={t('pick.none')}
    />
  );
}
