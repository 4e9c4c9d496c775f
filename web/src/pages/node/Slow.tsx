// Slow queries as a page of their own, for whoever may not see the node as a whole as well.
import { PageHeader } from '../../components/PageHeader';
import { t } from '../../i18n';
import { SlowPanel } from './SlowPanel';

export default function Slow() {
  return (
    <div>
      <PageHeader title={t('nav.slow')} note={<span>{t('slow.about')}</span>} />
      <SlowPanel />
    </div>
  );
}
