import { t } from '../i18n';

export function Loading({ rows = 4 }: { rows?: number }) {
  return (
    <div className="loading" role="status" aria-label={t('state.loading')}>
      {Array.from({ length: rows }, (_, i) => (
        <span key={i} className="loading-bar" data-step={i % 4} />
      ))}
    </div>
  );
}
