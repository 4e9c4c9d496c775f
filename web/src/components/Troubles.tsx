// Problems of the node or the tenant: what it is, what helps, where.
import type { Trouble } from '../api/types';
import { isWord, t } from '../i18n';
import { count, day } from '../i18n/format';
import { Age } from './Marks';
import { ObjectLink } from './ObjectLink';

/** What a problem says and what helps: our words for the codes that we know, else the server's. */
export function troubleWords(p: Trouble): { text: string; remedy: string } {
  const [what, helps] = [`trouble.${p.code}`, `remedy.${p.code}`];
  const figures = {
    percent: p.percent ?? 0,
    date: p.date ? t('overview.fullOn', { date: day(p.date) }) : t('trouble.dateNone'),
  };
  return {
    text: isWord(what) ? t(what, figures) : p.text,
    remedy: isWord(helps) ? t(helps) : (p.remedy ?? ''),
  };
}

/** One and the same problem over time. */
export function troubleKey(p: Trouble): string {
  return `${p.code} ${p.object ?? ''}`;
}

function TroubleRow({ problem }: { problem: Trouble }) {
  const { text, remedy } = troubleWords(problem);
  return (
    <li data-level={problem.level}>
      <span className="mark" data-level={problem.level}>
        {t(`level.${problem.level}`)}
      </span>
      <div>
        <div>
          {text} {problem.count && problem.count > 1 ? <span className="dim">× {count(problem.count)}</span> : null}
        </div>
        {remedy ? <div className="dim">{remedy}</div> : null}
      </div>
      <div className="right dim">
        <ObjectLink object={problem.object} />
        {problem.since ? <Age time={problem.since} /> : null}
      </div>
    </li>
  );
}

export function Troubles({ problems }: { problems: Trouble[] }) {
  if (problems.length === 0) {
    return <p className="all-well">{t('overview.noProblems')}</p>;
  }
  return (
    <ul className="troubles">
      {problems.map((p, i) => (
        <TroubleRow key={`${troubleKey(p)}${i}`} problem={p} />
      ))}
    </ul>
  );
}
