// The second factor where a password was right: a code, a security key, or either.
import { Button } from 'antd';
import type { Assertion } from '../api/webauthn';
import { keysPossible, signWithKey } from '../api/webauthn';
import type { Problem } from '../api/client';
import { t } from '../i18n';
import { Code } from './Code';
import { useAct } from './useAct';
import { ProblemView } from './ProblemView';

/** Which factors a 401 code_needed names; an older server names none and means codes. */
export function factorsOf(problem: Problem | null): ('totp' | 'key')[] | null {
  if (problem?.code !== 'code_needed') return null;
  return problem.factors.length > 0 ? problem.factors : ['totp'];
}

interface Props {
  factors: ('totp' | 'key')[];
  /** For signing in; else for the session that there is. */
  who?: () => { user: string; password: string };
  /** For somebody whom a provider has proved. */
  outside?: boolean;
  onAssertion: (assertion: Assertion) => void;
}

export function SecondFactor({ factors, who, outside = false, onAssertion }: Props) {
  const { busy, problem, run } = useAct();
  const key = factors.includes('key');
  return (
    <>
      {key && keysPossible() ? (
        <>
          <Button
            block
            autoFocus
            loading={busy}
            onClick={() => void run(async () => onAssertion(await signWithKey(outside ? 'outside' : who?.())))}
          >
            {t('key.use')}
          </Button>
          <p className="dim">{t('key.touch')}</p>
        </>
      ) : null}
      {key && !keysPossible() ? <p className="dim">{t('key.notHere')}</p> : null}
      <ProblemView problem={problem} />
      <Code autoFocus={!key || !keysPossible()} recovery={!factors.includes('totp')} />
    </>
  );
}
