// What lies between two forms of a thing model: before and after side by side, and what it means.
import type { AttrChange, ChangeLevel, MemberChange, ThingDiff } from '../../api/types';
import { t, type WordKey } from '../../i18n';
import { valueText } from './model';

export function LevelMark({ level }: { level: ChangeLevel }) {
  return <span className={`tag level-${level}`}>{t(`diff.level.${level}`)}</span>;
}

const attrWord = (name: string) => t(`attr.${name}` as WordKey);

function Value({ attr }: { attr: { name: string; value: unknown } }) {
  const text = valueText(attr.value);
  return text ? (
    <div className="diff-value">
      <span className="dim">{attrWord(attr.name)}</span> <span className="mono">{text}</span>
    </div>
  ) : null;
}

function Side({ attrs, side }: { attrs: AttrChange[]; side: 'before' | 'after' }) {
  return (
    <>
      {attrs.map((a) => (
        <Value key={a.name} attr={{ name: a.name, value: a[side] }} />
      ))}
    </>
  );
}

function MemberRow({ change }: { change: MemberChange }) {
  return (
    <tr data-change={change.change} data-level={change.level}>
      <th scope="row">
        <span className="dim">{t(`diff.kind.${change.kind}`)}</span> <span className="mono">{change.id}</span>
        {change.inherited ? <div className="dim">{t('thing.inheritedFrom', { id: change.inherited })}</div> : null}
      </th>
      <td>{t(`diff.change.${change.change}`)}</td>
      <td>
        <Side attrs={change.attrs} side="before" />
      </td>
      <td>
        <Side attrs={change.attrs} side="after" />
      </td>
      <td>
        <LevelMark level={change.level} />
        {change.effects.map((effect) => (
          <div key={effect}>{t(`effect.${effect}` as WordKey)}</div>
        ))}
      </td>
    </tr>
  );
}

export function DiffView({ diff, label }: { diff: ThingDiff; label: string }) {
  if (diff.changes.length === 0 && diff.model.length === 0) return <p className="dim">{t('thing.noChange')}</p>;
  return (
    <div className="table-box diff" tabIndex={0} role="region" aria-label={label}>
      <table aria-label={label}>
        <thead>
          <tr>
            <th scope="col" style={{ width: '18%' }}>{t('diff.member')}</th>
            <th scope="col" style={{ width: 76 }}>{t('diff.what')}</th>
            <th scope="col">{t('diff.before')}</th>
            <th scope="col">{t('diff.after')}</th>
            <th scope="col" style={{ width: '24%' }}>{t('diff.meaning')}</th>
          </tr>
        </thead>
        <tbody>
          {diff.model.length > 0 ? (
            <tr data-change="changed">
              <th scope="row">{t('thing.head')}</th>
              <td>{t('diff.change.changed')}</td>
              <td>
                <Side attrs={diff.model} side="before" />
              </td>
              <td>
                <Side attrs={diff.model} side="after" />
              </td>
              <td>
                <LevelMark level="compatible" />
              </td>
            </tr>
          ) : null}
          {diff.changes.map((change) => (
            <MemberRow key={`${change.kind}/${change.id}`} change={change} />
          ))}
        </tbody>
      </table>
    </div>
  );
}
