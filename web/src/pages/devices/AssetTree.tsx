// The asset tree beside the devices: chooses what is listed, takes devices and assets that are dropped on it, and is
// edited in place. Everything that the mouse does has its menu and its keys.
import { App, Button, Dropdown, Form, Input, InputNumber, Select } from 'antd';
import { lazy, Suspense, useEffect, useMemo, useRef, useState, type DragEvent, type KeyboardEvent } from 'react';
import { post, put, remove, seg } from '../../api/client';
import type { Asset, Page } from '../../api/types';
import { useResource } from '../../api/useResource';
import { setQuery } from '../../app/router';
import { useSession } from '../../app/session';
import { FormDialog } from '../../components/AdminTable';
import { Loading } from '../../components/Loading';
import { AssetPicker } from '../../components/Pickers';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { t } from '../../i18n';
import { position } from './DeviceFields';
import { kindsBelow, mayStand, parentOf, treeRows, type Kind } from './assetTree';

export const DEVICES_TYPE = 'application/x-songhua-devices';
const ASSET_TYPE = 'application/x-songhua-asset';

const AssetFiles = lazy(() => import('./AssetFiles'));

type Ask = { what: 'add'; parent: Asset | null } | { what: 'rename' | 'move'; asset: Asset };

interface Values {
  id: string;
  name: string;
  kind: Kind;
  parent?: string;
  lat?: number | null;
  lon?: number | null;
}

function AskAsset({ ask, assets, onClose, onDone }: { ask: Ask; assets: Asset[]; onClose: () => void; onDone: () => void }) {
  const required = [{ required: true, whitespace: true, message: t('tree.missing') }];
  const save = async (values: Values) => {
    const { lat, lon, ...rest } = values;
    const location = typeof lat === 'number' && typeof lon === 'number' ? { lat, lon } : null;
    if (ask.what === 'add') await post('assets', { ...rest, location, parent: ask.parent?.id ?? null });
    else if (ask.what === 'rename') await put(`assets/${seg(ask.asset.id)}`, { ...ask.asset, location, name: values.name.trim() });
    else await put(`assets/${seg(ask.asset.id)}`, { ...ask.asset, parent: values.parent ?? null });
    onDone();
  };
  const title = ask.what === 'add' ? t('tree.add') : t(ask.what === 'rename' ? 'tree.rename' : 'tree.move');
  const initial: Partial<Values> =
    ask.what === 'add'
      ? { kind: kindsBelow(ask.parent)[0] }
      : { name: ask.asset.name, parent: ask.asset.parent ?? undefined, lat: ask.asset.location?.lat, lon: ask.asset.location?.lon };
  return (
    <FormDialog<Values> title={title} initial={initial} onClose={onClose} save={save}>
      {ask.what === 'add' ? (
        <>
          <Form.Item name="id" label={t('tree.id')} rules={required}>
            <Input autoFocus placeholder="hall-3" />
          </Form.Item>
          <Form.Item name="kind" label={t('tree.kind')}>
            <Select options={kindsBelow(ask.parent).map((value) => ({ value, label: t(`assetKind.${value}`) }))} />
          </Form.Item>
        </>
      ) : null}
      {ask.what === 'move' ? (
        <Form.Item name="parent" label={t('tree.below')} extra={t('tree.order')}>
          <AssetPicker label={t('tree.top')} width={320} allow={(a) => mayStand(assets, ask.asset.id, a) || a.id === ask.asset.parent} />
        </Form.Item>
      ) : (
        <>
          <Form.Item name="name" label={t('device.name')} rules={required}>
            <Input autoFocus={ask.what === 'rename'} />
          </Form.Item>
          <div className="two-columns">
            <Form.Item name="lat" label={t('device.lat')} dependencies={['lon']} rules={[position('lon', 90, 'device.latBad')]}>
              <InputNumber style={{ width: '100%' }} controls={false} />
            </Form.Item>
            <Form.Item name="lon" label={t('device.lon')} dependencies={['lat']} rules={[position('lat', 180, 'device.lonBad')]}>
              <InputNumber style={{ width: '100%' }} controls={false} />
            </Form.Item>
          </div>
        </>
      )}
    </FormDialog>
  );
}

interface Props {
  chosen: string | null;
  mayMove: boolean;
  /** Devices that are dragged were let go over an asset; null takes them out of the tree. */
  onDevices: (asset: string | null) => void;
}

export function AssetTree({ chosen, mayMove, onDevices }: Props) {
  const { may } = useSession();
  const { modal } = App.useApp();
  const list = useResource<Page<Asset>>('assets', { limit: 1000 });
  const assets = useMemo(() => list.data?.items ?? [], [list.data]);
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const [ask, setAsk] = useState<Ask | null>(null);
  const [files, setFiles] = useState<Asset | null>(null);
  const [over, setOver] = useState<string | null>(null);
  const [focus, setFocus] = useState<string | null>(null);
  const dragged = useRef<string | null>(null);
  const box = useRef<HTMLDivElement>(null);
  const { problem, run } = useAct();
  const mayWrite = may('assets.write');
  const rows = useMemo(() => treeRows(assets, closed), [assets, closed]);
  const active = rows.some((r) => r.asset.id === focus) ? focus : (rows[0]?.asset.id ?? null);

  useEffect(() => {
    if (focus !== null) box.current?.querySelector<HTMLElement>('[role=treeitem][tabindex="0"]')?.focus();
  }, [focus]);

  const move = (id: string, to: Asset | null) =>
    void run(async () => {
      const asset = assets.find((a) => a.id === id);
      await put(`assets/${seg(id)}`, { ...asset, parent: to?.id ?? null });
      list.reload();
    }, t('tree.moved'));
  const drop = (asset: Asset) =>
    modal.confirm({
      title: t('tree.delete', { name: asset.name }),
      content: t('tree.deleteHint'),
      okText: t('action.delete'),
      cancelText: t('action.cancel'),
      okButtonProps: { danger: true },
      onOk: () =>
        run(async () => {
          await remove(`assets/${seg(asset.id)}`);
          if (chosen === asset.id) setQuery({ asset: null });
          list.reload();
        }, t('state.deleted')),
    });
  const fold = (id: string, shut: boolean) =>
    setClosed((old) => {
      const next = new Set(old);
      if (shut) next.add(id);
      else next.delete(id);
      return next;
    });

  const takes = (event: DragEvent, to: Asset | null): boolean => {
    if (event.dataTransfer.types.includes(DEVICES_TYPE)) return mayMove;
    return event.dataTransfer.types.includes(ASSET_TYPE) && mayWrite && dragged.current !== null && mayStand(assets, dragged.current, to);
  };
  const target = (to: Asset | null) => {
    const key = to?.id ?? '';
    return {
      'data-over': over === key || undefined,
      onDragOver: (event: DragEvent) => {
        if (!takes(event, to)) return;
        event.preventDefault();
        setOver(key);
      },
      onDragLeave: () => setOver((old) => (old === key ? null : old)),
      onDrop: (event: DragEvent) => {
        event.preventDefault();
        setOver(null);
        if (!takes(event, to)) return;
        if (event.dataTransfer.types.includes(DEVICES_TYPE)) onDevices(to?.id ?? null);
        else if (dragged.current) move(dragged.current, to);
      },
    };
  };

  const onKey = (event: KeyboardEvent, at: number) => {
    const row = rows[at];
    if (!row || event.target !== event.currentTarget) return;
    const to = (i: number) => rows[i] && setFocus(rows[i].asset.id);
    const keys: Record<string, () => unknown> = {
      ArrowDown: () => to(at + 1),
      ArrowUp: () => to(at - 1),
      Home: () => to(0),
      End: () => to(rows.length - 1),
      ArrowRight: () => (row.parent && !row.open ? fold(row.asset.id, false) : to(at + 1)),
      ArrowLeft: () => (row.parent && row.open ? fold(row.asset.id, true) : setFocus(parentOf(assets, row.asset.id)?.id ?? row.asset.id)),
      Enter: () => setQuery({ asset: row.asset.id }),
      ' ': () => setQuery({ asset: row.asset.id }),
      F2: () => mayWrite && setAsk({ what: 'rename', asset: row.asset }),
      Delete: () => mayWrite && drop(row.asset),
    };
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  };

  const menu = (asset: Asset) => [
    { key: 'files', label: t('files.title'), onClick: () => setFiles(asset) },
    ...(mayWrite ? changes(asset) : []),
  ];
  const changes = (asset: Asset) => [
    { key: 'add', label: t('tree.add'), disabled: kindsBelow(asset).length === 0, onClick: () => setAsk({ what: 'add', parent: asset }) },
    { key: 'rename', label: t('tree.rename'), onClick: () => setAsk({ what: 'rename', asset }) },
    { key: 'move', label: t('tree.move'), onClick: () => setAsk({ what: 'move', asset }) },
    { key: 'delete', label: t('action.delete'), danger: true, onClick: () => drop(asset) },
  ];
  return (
    <section className="asset-tree" aria-label={t('tree.title')}>
      <div className="asset-tree-head" {...target(null)}>
        <button type="button" className="link" aria-current={chosen === null} onClick={() => setQuery({ asset: null })}>
          {t('tree.all')}
        </button>
        {mayWrite ? (
          <Button size="small" type="text" onClick={() => setAsk({ what: 'add', parent: null })}>
            {t('tree.addTop')}
          </Button>
        ) : null}
      </div>
      <ProblemView problem={list.problem ?? problem} />
      {!list.data && list.loading ? <Loading /> : null}
      {list.data && rows.length === 0 ? <p className="asset-tree-hint">{t('tree.empty')}</p> : null}
      <div role="tree" aria-label={t('tree.title')} ref={box}>
        {rows.map(({ asset, depth, parent, open }, at) => (
          <div
            key={asset.id}
            role="treeitem"
            aria-level={depth + 1}
            aria-expanded={parent ? open : undefined}
            aria-selected={chosen === asset.id}
            tabIndex={active === asset.id ? 0 : -1}
            className="asset-row"
            style={{ paddingLeft: 4 + depth * 14 }}
            title={`${asset.name} · ${asset.id}`}
            draggable={mayWrite}
            onDragStart={(event) => {
              dragged.current = asset.id;
              event.dataTransfer.setData(ASSET_TYPE, asset.id);
              event.dataTransfer.effectAllowed = 'move';
            }}
            onDragEnd={() => {
              dragged.current = null;
              setOver(null);
            }}
            onKeyDown={(event) => onKey(event, at)}
            onClick={() => setQuery({ asset: asset.id })}
            {...target(asset)}
          >
            <span
              aria-hidden="true"
              className="asset-twisty"
              onClick={(event) => {
                event.stopPropagation();
                fold(asset.id, open);
              }}
            >
              {parent ? (open ? '▾' : '▸') : ''}
            </span>
            <span className="asset-name">{asset.name}</span>
            <span className="dim">{t(`assetKind.${asset.kind as Kind}`)}</span>
            <span onClick={(event) => event.stopPropagation()}>
              <Dropdown trigger={['click']} menu={{ items: menu(asset) }}>
                <Button size="small" type="text" tabIndex={active === asset.id ? 0 : -1} aria-label={t('tree.menu', { name: asset.name })}>
                  ⋯
                </Button>
              </Dropdown>
            </span>
          </div>
        ))}
      </div>
      {rows.length > 0 && (mayWrite || mayMove) ? <p className="asset-tree-hint">{t('tree.hint')}</p> : null}
      {files ? (
        <Suspense fallback={null}>
          <AssetFiles asset={files} mayWrite={mayWrite} onClose={() => setFiles(null)} />
        </Suspense>
      ) : null}
      {ask ? <AskAsset ask={ask} assets={assets} onClose={() => setAsk(null)} onDone={list.reload} /> : null}
    </section>
  );
}
