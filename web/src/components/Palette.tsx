// Search over everything: pages, devices, points, people. Arrow keys choose, Enter opens.
import { Input, Modal, type InputRef } from 'antd';
import { useEffect, useMemo, useRef, useState } from 'react';
import { get, seg } from '../api/client';
import type { Device, Page, Person, Point } from '../api/types';
import { isFor, menu } from '../app/menu';
import { navigate } from '../app/router';
import { useSession } from '../app/session';
import { addressIn, viewedTenant } from '../app/tenant';
import { t } from '../i18n';
import { useDelayed } from './useDelayed';

interface Hit {
  key: string;
  to: string;
  label: string;
  /** What tells it from others of that name. */
  note?: string;
  /** Another tenant: the page is loaded anew. */
  anew?: boolean;
}
interface Group {
  word: 'palette.pages' | 'palette.devices' | 'palette.points' | 'palette.people' | 'palette.tenants';
  hits: Hit[];
}

const EACH = 6;
const WAIT_MS = 150;

function has(text: string, find: string): boolean {
  return text.toLowerCase().includes(find.toLowerCase());
}

/** The pages of one who may see them, by the words of the menu or their address. */
export function pageHits(find: string, may: (permission: string) => boolean, tenant?: string): Hit[] {
  return [
    ...menu.flatMap((group) => group.items).filter((item) => isFor(item, may, tenant)),
    { path: '/account', word: 'account.title' as const },
  ]
    .map((item) => ({ key: `page ${item.path}`, to: item.path, label: t(item.word) }))
    .filter((hit) => !find || has(hit.label, find) || has(hit.to, find));
}

async function search(find: string, may: (permission: string) => boolean, signal: AbortSignal): Promise<Group[]> {
  const ask = async <T,>(path: string, needs: string, hit: (row: T) => Hit) => {
    if (!may(needs)) return [];
    const page = await get<Page<T>>(path, { q: find, limit: EACH }, signal).catch(() => ({ items: [] as T[] }));
    return page.items.slice(0, EACH).map(hit);
  };
  const [devices, points, people, tenants] = await Promise.all([
    ask<Device>('devices', 'devices.read', (d) => ({
      key: `device ${d.id}`, to: `/devices/${seg(d.id)}`, label: d.name || d.id, note: d.name ? d.id : undefined,
    })),
    ask<Point>('points', 'points.read', (p) => ({
      key: `point ${p.name}`, to: `/history?points=${seg(seg(p.name))}`, label: p.tag || p.name, note: p.tag ? p.name : p.unit,
    })),
    ask<Person>('people', 'people.read', (p) => ({
      key: `person ${p.name}`, to: '/people', label: p.name, note: p.display,
    })),
    ask<{ path: string; name?: string }>('tenants', 'tenants.read', (x) => ({
      key: `tenant ${x.path}`, to: addressIn(x.path), label: x.name || x.path, note: x.name ? x.path : undefined, anew: true,
    })),
  ]);
  return [
    { word: 'palette.devices', hits: devices },
    { word: 'palette.points', hits: points },
    { word: 'palette.people', hits: people },
    { word: 'palette.tenants', hits: tenants.filter((hit) => hit.to !== '/') },
  ];
}

export default function Palette({ onClose }: { onClose: () => void }) {
  const { may, session } = useSession();
  const tenant = viewedTenant() || session?.user.tenant;
  const [text, setText] = useState('');
  const find = useDelayed(text.trim(), WAIT_MS);
  const [found, setFound] = useState<{ find: string; groups: Group[] }>({ find: '', groups: [] });
  const [at, setAt] = useState(0);
  const input = useRef<InputRef>(null);
  const list = useRef<HTMLDivElement>(null);

  useEffect(() => {
    if (!find) {
      setFound({ find: '', groups: [] });
      return undefined;
    }
    const abort = new AbortController();
    void search(find, may, abort.signal).then((groups) => {
      if (!abort.signal.aborted) setFound({ find, groups });
    });
    return () => abort.abort();
  }, [find, may]);

  const groups = useMemo<Group[]>(
    () =>
      [{ word: 'palette.pages' as const, hits: pageHits(text.trim(), may, tenant) }, ...(text.trim() ? found.groups : [])].filter(
        (group) => group.hits.length > 0,
      ),
    [text, may, tenant, found],
  );
  const hits = groups.flatMap((group) => group.hits);
  const chosen = Math.min(at, hits.length - 1);
  useEffect(() => setAt(0), [text]);
  useEffect(() => {
    list.current?.querySelector('[aria-selected=true]')?.scrollIntoView({ block: 'nearest' });
  }, [chosen]);

  const open = (hit: Hit | undefined) => {
    if (!hit) return;
    onClose();
    if (hit.anew) location.assign(hit.to);
    else navigate(hit.to);
  };
  const onKey = (event: React.KeyboardEvent) => {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      const step = event.key === 'ArrowDown' ? 1 : -1;
      if (hits.length) setAt((chosen + step + hits.length) % hits.length);
    } else if (event.key === 'Enter' && !event.nativeEvent.isComposing) {
      event.preventDefault(); // not while Chinese is being typed
      open(hits[chosen]);
    }
  };
  let index = -1;
  const settled = find === text.trim() && found.find === find;
  return (
    <Modal
      open
      className="palette"
      footer={null}
      closable={false}
      onCancel={onClose}
      width={600}
      style={{ top: 90 }}
      afterOpenChange={(shown) => shown && input.current?.focus()}
    >
      <Input
        ref={input}
        size="large"
        className="palette-input"
        placeholder={t('palette.hint')}
        role="combobox"
        aria-label={t('palette.open')}
        aria-expanded
        aria-controls="palette-list"
        aria-activedescendant={hits.length ? `palette-${chosen}` : undefined}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKey}
        autoFocus
      />
      <div ref={list} id="palette-list" className="palette-list" role="listbox" aria-label={t('palette.open')}>
        {groups.map((group) => (
          <div key={group.word} role="group" aria-label={t(group.word)}>
            <div className="palette-group" aria-hidden="true">
              {t(group.word)}
            </div>
            {group.hits.map((hit) => {
              index += 1;
              const own = index;
              return (
                <div
                  key={hit.key}
                  id={`palette-${own}`}
                  role="option"
                  aria-selected={own === chosen}
                  className="palette-item"
                  onMouseMove={() => setAt(own)}
                  onClick={() => open(hit)}
                >
                  <span>{hit.label}</span>
                  {hit.note ? <span className="dim">{hit.note}</span> : null}
                </div>
              );
            })}
          </div>
        ))}
        {hits.length === 0 && settled ? <p className="palette-group">{t('palette.none', { find })}</p> : null}
      </div>
      <div className="palette-foot" role="status">
        {text.trim() && settled ? `${t('palette.found', { n: hits.length })} · ` : ''}
        {t('palette.keys')}
      </div>
    </Modal>
  );
}
