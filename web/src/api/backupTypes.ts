// What the API says of backups and their copies.
/** GET backups: the folder, what runs, and every whole backup, newest first. */
export interface Backups {
  folder: string;
  running: {
    step: 'waiting' | 'backup' | 'rehearsal' | 'copy' | 'fetch' | 'look';
    by: string;
    done_bytes: number;
    total_bytes: number;
    files: number;
  } | null;
  due: string | null;
  keep: number;
  last_failure: { time: string; text: string; remedy: string } | null;
  /** The SFTP server; null: none is set. `items`: what it held when last looked at, newest first. */
  remote: {
    url: string;
    keep: number;
    retry: string | null;
    last_failure: { time: string; id: string; text: string; remedy: string } | null;
    looked: string | null;
    items: BackupCopy[];
  } | null;
  items: Backup[];
}
export interface BackupCopy {
  id: string;
  time: string;
  here: boolean;
}
export interface Backup {
  id: string;
  time: string;
  version: string;
  keys: boolean;
  bytes: number;
  copied: number;
  samples: number;
  rehearsal: { good: boolean; time: string; compared: number; text: string } | null;
  remote: { state: 'copied' | 'waiting' | 'failed' | 'none'; time: string | null } | null;
}
