// No asset is chosen: those that have a plan.
import type { Asset, Page } from '../../api/types';
import { useResource } from '../../api/useResource';
import { setQuery } from '../../app/router';
import { EmptyState } from '../../components/EmptyState';
import { ProblemView } from '../../components/ProblemView';
import { t } from '../../i18n';

export default function PlanList() {
  const plans = useResource<Page<{ asset: string; markers: number }>>('plans');
  const assets = useResource<Page<Asset>>('assets', { limit: 1000 });
  const nameOf = (id: string) => assets.data?.items.find((a) => a.id === id)?.name ?? id;
  const items = plans.data?.items ?? [];
  return (
    <EmptyState title={t('plan.chooseAsset')} hint={t('plan.chooseAssetHint')}>
      <ProblemView problem={plans.problem} retry={plans.reload} />
      {items.length > 0 ? (
        <ul className="plan-list" aria-label={t('plan.list')}>
          {items.map((p) => (
            <li key={p.asset}>
              <button type="button" className="chip" onClick={() => setQuery({ asset: p.asset })}>
                {nameOf(p.asset)} · {t('plan.count', { n: p.markers })}
              </button>
            </li>
          ))}
        </ul>
      ) : null}
    </EmptyState>
  );
}
