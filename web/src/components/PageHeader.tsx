import { useEffect, type ReactNode } from 'react';
import { t } from '../i18n';

interface Props {
  title: string;
  /** The page above this one. */
  parent?: { path: string; title: string };
  /** Beside the title: state, marks. */
  marks?: ReactNode;
  /** One line below the title. */
  note?: ReactNode;
  /** Buttons at the right. */
  actions?: ReactNode;
}

export function PageHeader({ title, parent, marks, note, actions }: Props) {
  useEffect(() => {
    document.title = `${title} · ${t('app.name')}`;
  }, [title]);
  return (
    <header className="page-head">
      <div className="page-head-text">
        <h1>
          {parent ? (
            <>
              <a href={parent.path}>{parent.title}</a>
              <span aria-hidden="true"> / </span>
            </>
          ) : null}
          {title}
        </h1>
        {marks}
        {note ? <div className="page-note">{note}</div> : null}
      </div>
      {actions ? <div className="page-actions">{actions}</div> : null}
    </header>
  );
}
