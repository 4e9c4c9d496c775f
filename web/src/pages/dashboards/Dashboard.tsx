import { seg } from '../../api/client';
import { useResource } from '../../api/useResource';
import { usePlace } from '../../app/router';
import { useSession } from '../../app/session';
import { Loading } from '../../components/Loading';
import { PageHeader } from '../../components/PageHeader';
import { ProblemView } from '../../components/ProblemView';
import { t } from '../../i18n';
import { Editor } from './Editor';
import type { Dashboard } from './model';
import { Viewer } from './Viewer';

export default function DashboardPage({ params }: { params: Record<string, string> }) {
  const id = params.id ?? '';
  const { query } = usePlace();
  const { may } = useSession();
  const page = useResource<Dashboard>(`dashboards/${seg(id)}`);
  const { data } = page;
  if (!data || (page.problem && page.problem.status === 404)) {
    return (
      <>
        <PageHeader title={t('nav.dashboards')} parent={{ path: '/dashboards', title: t('nav.dashboards') }} />
        {page.problem ? <ProblemView problem={page.problem} retry={page.reload} /> : <Loading />}
      </>
    );
  }
  if (query.get('edit') === '1' && may('dashboards.write') && data.hidden === 0) {
    return (
      <Editor
        dashboard={data}
        onStored={(next) => page.set(() => next)}
        reload={page.reload}
      />
    );
  }
  return <Viewer dashboard={data} reload={page.reload} />;
}
