// What the device is meant to be set to beside what it says it is set to.
import { Button, Form, Input, Modal } from 'antd';
import { useState } from 'react';
import { call, seg } from '../../api/client';
import { useResource } from '../../api/useResource';
import { useSession } from '../../app/session';
import { EmptyState } from '../../components/EmptyState';
import { Loading } from '../../components/Loading';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { useEvery } from '../../components/useEvery';
import { t } from '../../i18n';
import { attributeRows, typedValue, type AttributeRow } from './commands';

const RELOAD_MS = 5000;

interface Sides {
  desired: Record<string, unknown> | null;
  reported: Record<string, unknown> | null;
  masked?: boolean;
}

/** null takes it away. */
async function setDesired(device: string, name: string, value: unknown): Promise<true> {
  await call('PATCH', `devices/${seg(device)}/attributes`, { json: { [name]: value } });
  return true;
}

const shown = (value: unknown) => (value === undefined ? '–' : JSON.stringify(value));

function EditDialog({ device, row, onClose, onDone }: { device: string; row: AttributeRow | null; onClose: () => void; onDone: () => void }) {
  const [name, setName] = useState(row?.name ?? '');
  const [text, setText] = useState(row === null ? '' : JSON.stringify(row.desired ?? row.reported ?? ''));
  const { busy, problem, run } = useAct();
  const save = async () => {
    const done = await run(() => setDesired(device, name.trim(), typedValue(text)), t('state.saved'));
    if (!done) return;
    onDone();
    onClose();
  };
  return (
    <Modal
      open
      title={t(row ? 'attribute.change' : 'attribute.add')}
      okText={t('action.save')}
      cancelText={t('action.cancel')}
      confirmLoading={busy}
      okButtonProps={{ disabled: !name.trim() || !text.trim() }}
      onOk={() => void save()}
      onCancel={onClose}
    >
      <Form layout="vertical" component={false}>
        <Form.Item label={t('attribute.name')} htmlFor="attribute-name" required>
          <Input id="attribute-name" autoFocus={!row} disabled={row !== null} maxLength={128} value={name} onChange={(e) => setName(e.target.value)} />
        </Form.Item>
        <Form.Item label={t('attribute.desired')} htmlFor="attribute-value" required help={<span className="dim">{t('attribute.valueHint')}</span>}>
          <Input.TextArea id="attribute-value" className="mono" rows={2} autoFocus={row !== null} value={text} onChange={(e) => setText(e.target.value)} />
        </Form.Item>
        <ProblemView problem={problem} />
      </Form>
    </Modal>
  );
}

export function Attributes({ device }: { device: string }) {
  const { may } = useSession();
  const sides = useResource<Sides>(`devices/${seg(device)}/attributes`);
  const [editing, setEditing] = useState<AttributeRow | 'new' | null>(null);
  const { problem, run } = useAct();
  useEvery(RELOAD_MS, sides.reload);
  const write = may('devices.write');
  if (!sides.data) return sides.problem ? <ProblemView problem={sides.problem} retry={sides.reload} /> : <Loading />;
  const rows = attributeRows(sides.data.desired ?? {}, sides.data.reported ?? {});
  const open = rows.filter((r) => !r.agrees).length;
  const drop = async (row: AttributeRow) => {
    const done = await run(() => setDesired(device, row.name, null), t('state.deleted'));
    if (done) sides.reload();
  };
  return (
    <div className="attributes">
      <div className="toolbar">
        <span role="status" className={open ? 'warn' : 'dim'}>
          {sides.data.masked ? t('attribute.masked') : open ? t('attribute.open', { n: open }) : t('attribute.same')}
        </span>
        {write ? <Button size="small" onClick={() => setEditing('new')}>{t('attribute.add')}</Button> : null}
      </div>
      <ProblemView problem={problem} />
      {rows.length === 0 ? (
        <EmptyState title={t('attribute.none')} hint={t('attribute.noneHint')} />
      ) : (
        <div className="table-box" tabIndex={0} role="region" aria-label={t('attribute.tab')}>
          <table className="legend">
            <thead>
              <tr>
                <th scope="col">{t('attribute.name')}</th>
                <th scope="col">{t('attribute.desired')}</th>
                <th scope="col">{t('attribute.reported')}</th>
                <th scope="col">{t('attribute.state')}</th>
                {write ? <th scope="col" aria-label={t('action.edit')} /> : null}
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={row.name} data-agrees={row.agrees}>
                  <th scope="row" className="mono">{row.name}</th>
                  <td className="mono">{shown(row.desired)}</td>
                  <td className="mono">{shown(row.reported)}</td>
                  <td className={row.agrees ? 'dim' : 'warn'}>
                    {t(row.desired === undefined ? 'attribute.onlyReported' : row.agrees ? 'attribute.agrees' : 'attribute.differs')}
                  </td>
                  {write ? (
                    <td className="right">
                      <Button size="small" type="text" onClick={() => setEditing(row)}>{t('action.edit')}</Button>
                      {row.desired === undefined ? null : (
                        <Button size="small" type="text" danger onClick={() => void drop(row)}>{t('attribute.drop')}</Button>
                      )}
                    </td>
                  ) : null}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {editing ? (
        <EditDialog device={device} row={editing === 'new' ? null : editing} onClose={() => setEditing(null)} onDone={sides.reload} />
      ) : null}
    </div>
  );
}
