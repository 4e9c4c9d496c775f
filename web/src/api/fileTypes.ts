// Files of devices, assets and thing models, as docs/api.md says.
export type FileKind = 'manual' | 'drawing' | 'certificate' | 'photo' | 'report' | 'other';
/** A file of a device, an asset or a thing model. */
export interface StoredFile {
  id: string;
  name: string;
  media: string;
  kind: FileKind;
  note: string;
  size: number;
  sha256: string;
  /** A browser shows it by itself. */
  inline: boolean;
  by: string;
  time: string;
  edited?: { by: string; time: string };
  /** It can be brought back until then. */
  deleted?: { by: string; time: string; until: string };
  revision: number;
}
export interface FileList {
  items: StoredFile[];
  /** Of the tenant; limit 0: no quota. */
  storage: { limit: number; use: number };
  /** What one file may have. */
  file_bytes: number;
}
