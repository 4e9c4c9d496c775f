import { EmptyState } from '../components/EmptyState';
import { PageHeader } from '../components/PageHeader';
import { t } from '../i18n';

export function NotFound() {
  return (
    <>
      <PageHeader title={t('notFound.title')} />
      <EmptyState
        title={t('notFound.text')}
        hint={<code>{location.pathname}</code>}
        action={<a href="/">{t('notFound.home')}</a>}
      />
    </>
  );
}
