import { Button, Dropdown, Form, Input, Modal } from 'antd';
import { useState } from 'react';
import { call, post, put, remove, seg } from '../../api/client';
import type { Device } from '../../api/types';
import { navigate } from '../../app/router';
import { useSession } from '../../app/session';
import { ProblemView } from '../../components/ProblemView';
import { UNITS, UnitsCorrected } from '../../components/UnitsCorrected';
import { useAct } from '../../components/useAct';
import { t } from '../../i18n';
import { CreateDevice, SaveTemplate } from '../devices/CreateDevice';
import { DeviceFields, deviceBody, type DeviceValues } from '../devices/DeviceFields';
import { deviceFields, templateDevice } from '../devices/templates';

interface Props {
  device: Device;
  etag: string | null;
  reload: () => void;
}

type Open = 'edit' | 'duplicate' | 'template' | 'archive' | 'rename' | 'replace' | 'delete' | null;

function Dialog(props: {
  title: string;
  text?: string;
  ok: string;
  danger?: boolean;
  okDisabled?: boolean;
  onClose: () => void;
  act: (unitsCorrected: boolean) => Promise<unknown>;
  done: string;
  children?: React.ReactNode;
}) {
  const { busy, problem, run } = useAct();
  const [corrected, setCorrected] = useState(false);
  const submit = async () => {
    const ok = await run(async () => {
      await props.act(corrected);
      return true;
    }, props.done);
    if (ok) props.onClose();
  };
  return (
    <Modal
      open
      title={props.title}
      okText={props.ok}
      cancelText={t('action.cancel')}
      confirmLoading={busy}
      okButtonProps={{ danger: props.danger, disabled: props.okDisabled }}
      onOk={() => void submit()}
      onCancel={props.onClose}
    >
      {props.text ? <p>{props.text}</p> : null}
      {props.children}
      <ProblemView problem={problem} />
      {problem?.code === UNITS || corrected ? <UnitsCorrected checked={corrected} onChange={setCorrected} /> : null}
    </Modal>
  );
}

function Rename({ device, onClose }: { device: Device; onClose: () => void }) {
  const [to, setTo] = useState(device.id);
  return (
    <Dialog
      title={t('device.rename')}
      text={t('device.renameHint')}
      ok={t('device.rename')}
      okDisabled={!to.trim() || to.trim() === device.id}
      done={t('state.done')}
      onClose={onClose}
      act={async () => {
        await post(`devices/${seg(device.id)}/rename`, { to: to.trim() });
        navigate(`/devices/${seg(to.trim())}`, true);
      }}
    >
      <Input autoFocus value={to} aria-label={t('device.newId')} onChange={(e) => setTo(e.target.value)} />
    </Dialog>
  );
}

function Replace({ device, reload, onClose }: Omit<Props, 'etag'> & { onClose: () => void }) {
  const [note, setNote] = useState('');
  return (
    <Dialog
      title={t('device.replace')}
      text={t('device.replaceHint')}
      ok={t('device.replace')}
      done={t('state.done')}
      onClose={onClose}
      act={async () => {
        await post(`devices/${seg(device.id)}/replace`, { note });
        reload();
      }}
    >
      <Input
        autoFocus
        value={note}
        aria-label={t('device.replaceNote')}
        placeholder={t('device.replaceNote')}
        onChange={(e) => setNote(e.target.value)}
      />
    </Dialog>
  );
}

function Archive({ device, reload, onClose }: Omit<Props, 'etag'> & { onClose: () => void }) {
  const word = t(device.archived ? 'device.unarchive' : 'device.archive');
  return (
    <Dialog
      title={word}
      text={t('device.archiveHint')}
      ok={word}
      done={t('state.done')}
      onClose={onClose}
      act={async () => {
        await call('PATCH', `devices/${seg(device.id)}`, { json: { archived: !device.archived } });
        reload();
      }}
    />
  );
}

function Delete({ device, onClose }: { device: Device; onClose: () => void }) {
  const [typed, setTyped] = useState('');
  return (
    <Dialog
      title={t('device.delete')}
      text={t('device.deleteHint', { id: device.id })}
      ok={t('action.delete')}
      danger
      okDisabled={typed.trim() !== device.id}
      done={t('state.deleted')}
      onClose={onClose}
      act={async () => {
        await remove(`devices/${seg(device.id)}`);
        navigate('/devices');
      }}
    >
      <Input
        autoFocus
        value={typed}
        aria-label={t('device.typeId')}
        placeholder={device.id}
        onChange={(e) => setTyped(e.target.value)}
      />
    </Dialog>
  );
}

function Edit({ device, etag, reload, onClose }: Props & { onClose: () => void }) {
  const [form] = Form.useForm<DeviceValues>();
  const save = async (unitsCorrected: boolean) => {
    const { id, driver, archived, period_ms, point_classes } = device; // what the form does not show stays
    const values = deviceBody(await form.validateFields(), device.location);
    const units = unitsCorrected ? '?units=corrected' : '';
    await put(`devices/${seg(id)}${units}`, { id, driver, archived, period_ms, point_classes, ...values }, etag);
    reload();
  };
  return (
    <Dialog title={t('device.edit')} ok={t('action.save')} done={t('state.saved')} onClose={onClose} act={save}>
      <Form<DeviceValues>
        form={form}
        layout="vertical"
        requiredMark={false}
        initialValues={deviceFields(device)}
      >
        <DeviceFields />
      </Form>
    </Dialog>
  );
}

export function Actions({ device, etag, reload }: Props) {
  const { mayAll } = useSession();
  const [open, setOpen] = useState<Open>(null);
  const close = () => setOpen(null);
  return (
    <>
      <Button onClick={() => setOpen('edit')}>{t('action.edit')}</Button>
      <Dropdown
        trigger={['click']}
        menu={{
          onClick: ({ key }) => setOpen(key as Open),
          items: [
            { key: 'duplicate', label: t('device.duplicate') },
            ...(mayAll('devices.write') ? [{ key: 'template', label: t('template.save') }] : []),
            { key: 'rename', label: t('device.rename') },
            { key: 'replace', label: t('device.replace') },
            { key: 'archive', label: t(device.archived ? 'device.unarchive' : 'device.archive') },
            { type: 'divider' },
            { key: 'delete', danger: true, label: t('device.delete') },
          ],
        }}
      >
        <Button>{t('action.others')}</Button>
      </Dropdown>
      {open === 'edit' ? <Edit device={device} etag={etag} reload={reload} onClose={close} /> : null}
      {open === 'duplicate' ? <CreateDevice from={device} onClose={close} /> : null}
      {open === 'template' ? <SaveTemplate device={() => templateDevice(deviceFields(device), device)} name={device.name} onClose={close} /> : null}
      {open === 'archive' ? <Archive device={device} reload={reload} onClose={close} /> : null}
      {open === 'rename' ? <Rename device={device} onClose={close} /> : null}
      {open === 'replace' ? <Replace device={device} reload={reload} onClose={close} /> : null}
      {open === 'delete' ? <Delete device={device} onClose={close} /> : null}
    </>
  );
}
