import type { ReactNode } from 'react';

interface Props {
  title: string;
  hint?: ReactNode;
  action?: ReactNode;
  children?: ReactNode;
}

/** Says that there is nothing, and what to do next. */
export function EmptyState({ title, hint, action, children }: Props) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {hint ? <p>{hint}</p> : null}
      {children}
      {action ? <div className="empty-action">{action}</div> : null}
    </div>
  );
}
