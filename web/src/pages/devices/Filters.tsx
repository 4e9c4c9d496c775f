import { AutoComplete, Input, Select } from 'antd';
import { useEffect, useState } from 'react';
import { setQuery } from '../../app/router';
import { AssetPicker, ThingPicker } from '../../components/Pickers';
import { useDelayed } from '../../components/useDelayed';
import { t } from '../../i18n';

const states = ['online', 'offline', 'never', 'archived'] as const;
export const FILTERS = ['q', 'state', 'thing', 'asset', 'label', 'archived', 'data_class'] as const;
export const NO_FILTER: Record<string, null> = Object.fromEntries(FILTERS.map((name) => [name, null]));

/** `labels`: key:value of the rows shown, as suggestions. */
export function Filters({ query, labels }: { query: URLSearchParams; labels: string[] }) {
  const asked = query.get('q') ?? '';
  const [search, setSearch] = useState(asked);
  const [label, setLabel] = useState('');
  const rested = useDelayed(search.trim(), 250);
  useEffect(() => setQuery({ q: rested || null }), [rested]);
  useEffect(() => setSearch((now) => (now.trim() === asked ? now : asked)), [asked]); // a view was opened
  const state = query.get('archived') === 'true' ? 'archived' : (query.get('state') ?? undefined);
  const take = (text: string) => {
    if (text.trim()) setQuery({ label: text.trim().replace('：', ':') });
    setLabel('');
  };
  return (
    <div className="toolbar" role="search">
      <Input
        allowClear
        value={search}
        style={{ width: 200 }}
        aria-label={t('devices.search')}
        placeholder={t('devices.search')}
        onChange={(e) => setSearch(e.target.value)}
      />
      <Select
        style={{ minWidth: 110 }}
        value={state}
        placeholder={t('devices.anyState')}
        aria-label={t('device.state')}
        allowClear
        options={states.map((s) => ({ value: s, label: t(`device.${s}`) }))}
        onChange={(next?: string) =>
          setQuery(next === 'archived' ? { archived: 'true', state: null } : { archived: null, state: next ?? null })
        }
      />
      <ThingPicker
        value={query.get('thing') ?? undefined}
        label={t('devices.anyThing')}
        onChange={(thing) => setQuery({ thing: thing ?? null })}
      />
      <AssetPicker
        value={query.get('asset') ?? undefined}
        label={t('devices.anyAsset')}
        onChange={(asset) => setQuery({ asset: asset ?? null })}
      />
      <Select
        style={{ minWidth: 104 }}
        value={query.get('data_class') ?? undefined}
        placeholder={t('data.anyClass')}
        aria-label={t('data.class')}
        allowClear
        options={(['important', 'core', 'general'] as const).map((c) => ({ value: c, label: t(`data.${c}`) }))}
        onChange={(next?: string) => setQuery({ data_class: next ?? null })}
      />
      {query.get('label') ? (
        <button type="button" className="tag chosen" onClick={() => setQuery({ label: null })}>
          {query.get('label')} <span aria-hidden="true">×</span>
          <span className="hidden">{t('action.remove')}</span>
        </button>
      ) : (
        <AutoComplete
          style={{ width: 150 }}
          value={label}
          aria-label={t('views.label')}
          placeholder={t('views.label')}
          options={labels.filter((l) => l.includes(label)).slice(0, 30).map((value) => ({ value }))}
          onChange={setLabel}
          onSelect={take}
          onInputKeyDown={(e) => {
            if (e.key === 'Enter' && !e.nativeEvent.isComposing) take(e.currentTarget instanceof HTMLInputElement ? e.currentTarget.value : label);
          }}
        />
      )}
    </div>
  );
}
