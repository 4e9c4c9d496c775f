import { Button } from 'antd';
import type { Problem } from '../api/client';
import { t } from '../i18n';

interface Props {
  problem: Problem | null | undefined;
  retry?: () => void;
}

/** A refused or failed request: what happened, why, and what helps. */
export function ProblemView({ problem, retry }: Props) {
  if (!problem) return null;
  const offline = problem.status === 0;
  const title = offline ? t('problem.offline') : problem.title || t('problem.title');
  const detail = offline ? t('problem.offlineDetail') : problem.detail;
  const remedy = offline ? t('problem.offlineRemedy') : problem.remedy;
  return (
    <div className="problem" role="alert">
      <strong>{title}</strong>
      {problem.code && !offline ? <code>{problem.code}</code> : null}
      {detail && detail !== title ? <p>{detail}</p> : null}
      {remedy ? (
        <p className="problem-remedy">
          {t('problem.remedy')}
          {remedy}
        </p>
      ) : null}
      {problem.errors.length > 0 ? (
        <ul>
          {problem.errors.slice(0, 20).map((e, i) => (
            <li key={i}>
              <code>{e.path ?? e.column ?? e.row ?? e.line ?? ''}</code> {e.detail ?? e.code}
            </li>
          ))}
        </ul>
      ) : null}
      {retry ? (
        <Button size="small" onClick={retry}>
          {t('action.retry')}
        </Button>
      ) : null}
    </div>
  );
}
