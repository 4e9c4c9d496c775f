// Versions of thing models: what lies between two, and what a change does to others.
import type { PlaceError } from './types';

export type ChangeLevel = 'same' | 'compatible' | 'caution' | 'breaking';
export interface AttrChange {
  name: string;
  before: unknown;
  after: unknown;
}
export interface MemberChange {
  kind: 'property' | 'event' | 'service';
  id: string;
  change: 'added' | 'removed' | 'changed';
  inherited?: string;
  level: ChangeLevel;
  effects: string[];
  attrs: AttrChange[];
}
/** What lies between two forms of a thing model. */
export interface ThingDiff {
  level: ChangeLevel;
  model: AttrChange[];
  changes: MemberChange[];
}
/** And what that does to others, before it is saved. */
export interface Consequences extends ThingDiff {
  fresh: boolean;
  revision: number;
  devices: number;
  archived: number;
  models: { id: string; devices: number; archived: number; level: ChangeLevel }[];
  units_reread: string | null;
  mappings?: { channel?: string; topic?: string; device: string; property: string }[];
  mappings_total?: number;
}
export interface ThingVersion {
  revision: number;
  time: string;
  by: string;
  comment: string;
  restored: number | null;
  deleted: boolean;
  properties: number;
  events: number;
  services: number;
}
export interface ThingImportReport {
  created: number;
  updated: number;
  unchanged: number;
  rejected: PlaceError[];
  models?: (Consequences & { id: string })[];
}
