// Before a change of a thing model is made: what differs, what it does to others, and why it is made.
import { Button, Input, Modal } from 'antd';
import { useEffect, useState } from 'react';
import { call } from '../../api/client';
import type { Consequences, Thing } from '../../api/types';
import { Loading } from '../../components/Loading';
import { ProblemView } from '../../components/ProblemView';
import { UnitsCorrected } from '../../components/UnitsCorrected';
import { useAct } from '../../components/useAct';
import { t } from '../../i18n';
import { DiffView, LevelMark } from './DiffView';

/** A change that is tried first and then made: PUT of a model, or putting a version back. */
export interface Proposal {
  method: 'PUT' | 'POST';
  path: string;
  etag: string | null;
  body: object;
}

function Touched({ found }: { found: Consequences }) {
  const nobody = found.devices + found.archived + found.models.length === 0;
  const mappings = found.mappings ?? [];
  return (
    <div className="review-touched">
      <p>
        <LevelMark level={found.level} />{' '}
        {nobody
          ? t('thing.touchesNone')
          : t('thing.touches', { devices: found.devices, archived: found.archived, models: found.models.length })}
      </p>
      {found.models.length > 0 ? (
        <ul>
          {found.models.slice(0, 20).map((m) => (
            <li key={m.id}>{t('thing.modelBelow', { id: m.id, devices: m.devices, level: t(`diff.level.${m.level}`) })}</li>
          ))}
        </ul>
      ) : null}
      {mappings.length > 0 ? (
        <>
          <p className="warn">{t('thing.orphans', { n: found.mappings_total ?? mappings.length })}</p>
          <ul>
            {mappings.slice(0, 20).map((m) => (
              <li key={`${m.channel ?? ''}|${m.topic ?? ''}|${m.device}|${m.property}`}>
                {t(m.channel ? 'thing.orphanChannel' : 'thing.orphanTopic', {
                  by: m.channel ?? m.topic ?? '',
                  device: m.device,
                  property: m.property,
                })}
              </li>
            ))}
          </ul>
        </>
      ) : null}
    </div>
  );
}

interface Props {
  title: string;
  proposal: Proposal;
  onClose: () => void;
  onDone: (thing: Thing) => void;
}

export function Review({ title, proposal, onClose, onDone }: Props) {
  const [found, setFound] = useState<Consequences | null>(null);
  const [comment, setComment] = useState('');
  const [corrected, setCorrected] = useState(false);
  const trial = useAct();
  const act = useAct();
  const { run } = trial;
  const headers: Record<string, string> = proposal.etag ? { 'If-Match': proposal.etag } : {};

  useEffect(() => {
    void run(async () => {
      const { data } = await call<Consequences>(proposal.method, proposal.path, { json: proposal.body, query: { dry_run: true } });
      setFound(data);
    });
  }, [run, proposal]);

  const save = () =>
    act.run(async () => {
      const { data } = await call<Thing>(proposal.method, proposal.path, {
        json: { ...proposal.body, comment: comment.trim() || undefined },
        query: { units: corrected ? 'corrected' : null },
        headers,
      });
      onDone(data);
    }, t('state.saved'));
  const blocked = !found || (found.units_reread !== null && !corrected);
  return (
    <Modal
      open
      width={980}
      title={title}
      onCancel={onClose}
      footer={
        <>
          <Button onClick={onClose}>{t('action.cancel')}</Button>
          <Button type="primary" disabled={blocked} loading={act.busy} onClick={() => void save()}>
            {t('thing.reviewSave')}
          </Button>
        </>
      }
    >
      <ProblemView problem={act.problem ?? trial.problem} />
      {!found && !trial.problem ? <Loading /> : null}
      {found ? (
        <div className="review">
          <Touched found={found} />
          <DiffView diff={found} label={title} />
          {found.units_reread !== null ? (
            <div className="problem" role="alert">
              <p>{t('thing.unitsReread', { what: found.units_reread })}</p>
              <UnitsCorrected checked={corrected} onChange={setCorrected} />
            </div>
          ) : null}
          <label className="review-comment">
            {t('thing.comment')}
            <Input maxLength={400} value={comment} onChange={(e) => setComment(e.target.value)} />
          </label>
        </div>
      ) : null}
    </Modal>
  );
}
