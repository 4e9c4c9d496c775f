// Uploads of one object: one after the other, each a task of the bell, so that they go on while one looks at other pages.
import { useCallback, useEffect, useRef, useState } from 'react';
import { Problem } from '../../api/client';
import { runTask } from '../../app/tasks';
import { t } from '../../i18n';
import { bytes } from '../../i18n/format';
import { kindOf, sendFile } from './upload';

export interface Upload {
  key: number;
  name: string;
  sent: number;
  total: number;
  problem: Problem | null;
  stop: () => void;
}

let keys = 0;

export function useUploads(path: string, limit: number, onStored: () => void) {
  const [list, setList] = useState<Upload[]>([]);
  const stored = useRef(onStored);
  stored.current = onStored;
  const shown = useRef(true);
  const chain = useRef<Promise<unknown>>(Promise.resolve());
  useEffect(() => {
    shown.current = true;
    return () => {
      shown.current = false;
    };
  }, []);
  const change = useCallback((key: number, part: Partial<Upload> | null) => {
    if (!shown.current) return;
    setList((old) => (part ? old.map((u) => (u.key === key ? { ...u, ...part } : u)) : old.filter((u) => u.key !== key)));
  }, []);

  const one = useCallback(
    async (file: File, key: number, abort: AbortController) => {
      if (abort.signal.aborted) return;
      const ending = await runTask(
        t('files.uploading', { name: file.name }),
        async (tell, signal) => {
          await sendFile(
            path,
            file,
            kindOf(file.name),
            (sent, total) => {
              tell(sent, total, `${bytes(sent)} / ${bytes(total)}`);
              change(key, { sent, total });
            },
            signal,
          ).catch((error: unknown) => {
            if (!signal.aborted) throw error;
          });
          return { stopped: signal.aborted, result: bytes(file.size) };
        },
        abort,
      );
      if (ending.problem) change(key, { problem: ending.problem });
      else change(key, null);
      if (!ending.problem && !ending.stopped && shown.current) stored.current();
    },
    [path, change],
  );

  const add = useCallback(
    (files: Iterable<File>) => {
      for (const file of files) {
        const key = ++keys;
        const abort = new AbortController();
        const stop = () => {
          abort.abort();
          change(key, null);
        };
        const tooLong = limit > 0 && file.size > limit;
        const problem = tooLong
          ? new Problem(413, { code: 'limit', title: t('files.tooLong'), detail: t('files.tooLongDetail', { name: file.name, size: bytes(file.size), limit: bytes(limit) }) })
          : null;
        setList((old) => [...old, { key, name: file.name, sent: 0, total: file.size, problem, stop }]);
        if (!problem) chain.current = chain.current.then(() => one(file, key, abort));
      }
    },
    [one, change, limit],
  );
  return { list, add };
}
