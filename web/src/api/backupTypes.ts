// What the API says of backups and their copies.
/** GET backups: the folder, what runs, and every whole backup, newest first. */
export interface Backups {
  folder: string;
  running: {
    step: 'waiting' | 'backup' | 'rehearsal' | 'copy' | 'fetch' | 'look' | 'restore' | 'remove';
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
  restore: {
    /** Ready to be put in place. */
    prepared: Prepared | null;
    /** Of the data in use; null: it was not restored so. */
    origin: Prepared | null;
    kept: Kept[];
    last_failure: { time: string; text: string; remedy: string } | null;
    /** What was put in place did not open. */
    brought_back: { time: string; by: string; text: string } | null;
  };
  items: Backup[];
}
export interface Prepared {
  backup: string;
  backup_time: string;
  time: string;
  by: string;
  reason: string;
  keys: 'own' | 'backup' | 'new';
  bytes: number;
  files: number;
  samples: number;
  points: number;
  devices: number;
}
/** Data of before a restore. */
export interface Kept {
  name: string;
  time: string;
  bytes: number;
  records_only: boolean;
  records_until: string;
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
