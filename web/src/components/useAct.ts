import { App } from 'antd';
import { useCallback, useState } from 'react';
import { asProblem, type Problem } from '../api/client';
import { t } from '../i18n';

/** Runs a change: busy while it runs, a word when it is done, the problem when it is refused. */
export function useAct() {
  const { message } = App.useApp();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const run = useCallback(
    async <T>(act: () => Promise<T>, done?: string): Promise<T | undefined> => {
      setBusy(true);
      setProblem(null);
      try {
        const result = await act();
        if (done !== undefined) void message.success(done || t('state.done'));
        return result;
      } catch (error) {
        setProblem(asProblem(error));
        return undefined;
      } finally {
        setBusy(false);
      }
    },
    [message],
  );
  return { busy, problem, setProblem, run };
}
