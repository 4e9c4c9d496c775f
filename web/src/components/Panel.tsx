import type { ReactNode } from 'react';

interface Props {
  title: string;
  extra?: ReactNode;
  className?: string;
  children: ReactNode;
}

export function Panel({ title, extra, className = '', children }: Props) {
  return (
    <section className={`panel ${className}`} aria-label={title}>
      <div className="panel-head">
        <h2>{title}</h2>
        {extra}
      </div>
      <div className="panel-body">{children}</div>
    </section>
  );
}
