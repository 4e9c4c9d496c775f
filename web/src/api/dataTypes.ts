// Classes of data: what carries one, and the data catalogue.
import type { Words } from './types';

export type DataClassName = 'general' | 'important' | 'core';
/** How much data matters: class (一般, 重要, 核心) and level (1 to 3). */
export interface Classed {
  data_class?: DataClassName | null;
  data_level?: 1 | 2 | 3 | null;
}
export interface DataCatalogueItem extends Classed {
  kind: 'thing' | 'property' | 'type';
  id: string;
  property?: string;
  unit?: string;
  name?: Words;
  /** By itself; else it has the default of the tenant. */
  said: boolean;
  devices?: number;
}
export interface DataCatalogue {
  default: Classed;
  points: (Classed & { points: number })[];
  items: DataCatalogueItem[];
}
