// The asset tree as rows, and what may stand where: a child's kind is behind its parent's.
import type { Asset } from '../../api/types';
import { treeOrder } from '../../components/Pickers';

export const KINDS = ['enterprise', 'site', 'area', 'line', 'cell'] as const;
export type Kind = (typeof KINDS)[number];

const rank = (kind: string) => KINDS.indexOf(kind as Kind);

export function kindsBelow(parent: Asset | null): Kind[] {
  return KINDS.filter((_, i) => parent === null || i > rank(parent.kind));
}

export function parentOf(assets: Asset[], id: string): Asset | null {
  const asset = assets.find((a) => a.id === id);
  return assets.find((a) => a.id === asset?.parent) ?? null;
}

/** May the asset be moved below `to` (null: to the top)? */
export function mayStand(assets: Asset[], id: string, to: Asset | null): boolean {
  const asset = assets.find((a) => a.id === id);
  if (!asset || to?.id === id || (asset.parent ?? null) === (to?.id ?? null)) return false;
  return to === null || rank(to.kind) < rank(asset.kind);
}

export interface TreeRow {
  asset: Asset;
  depth: number;
  parent: boolean; // something is below it
  open: boolean;
}

export function treeRows(assets: Asset[], closed: ReadonlySet<string>): TreeRow[] {
  const parents = new Set(assets.map((a) => a.parent).filter(Boolean));
  let hidden = Infinity;
  return treeOrder(assets).flatMap(({ asset, depth }) => {
    if (depth > hidden) return [];
    hidden = closed.has(asset.id) ? depth : Infinity;
    return [{ asset, depth, parent: parents.has(asset.id), open: !closed.has(asset.id) }];
  });
}
