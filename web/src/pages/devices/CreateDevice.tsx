// A new device, or a series of them by a pattern of ids; filled in by hand, from a template or from another device.
import { Alert, Button, Form, Input, Modal, Select, Space } from 'antd';
import { useState } from 'react';
import { post, seg } from '../../api/client';
import type { Device, Page } from '../../api/types';
import { useResource } from '../../api/useResource';
import { navigate } from '../../app/router';
import { useSession } from '../../app/session';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { t } from '../../i18n';
import { count } from '../../i18n/format';
import { DeviceFields, deviceBody, type DeviceValues } from './DeviceFields';
import { runImport } from './importRun';
import type { RowFault } from './mapping';
import { faultText } from './refusals';
import { idsOf, numbered, seriesOf, type Series } from './series';
import { beside, deviceFields, saveTemplate, templateDevice, type Template, type TemplateDevice } from './templates';

interface Values extends DeviceValues {
  id: string;
}
const SHOWN = 50;
const FORM: (keyof DeviceValues)[] = ['name', 'thing', 'asset', 'description', 'to', 'location', 'lat', 'lon', 'labels'];

function Preview({ series }: { series: Series }) {
  const ids = idsOf(series);
  const few = ids.length > 4 ? [...ids.slice(0, 2), '…', ids.at(-1)] : ids;
  return <Alert type="info" title={`${t('series.preview', { n: count(ids.length) })}: ${few.join('  ')}`} style={{ marginBottom: 14 }} />;
}

function Refused({ faults, ids }: { faults: RowFault[]; ids: string[] }) {
  return (
    <Alert
      type="warning"
      title={t('series.refused', { n: count(faults.length) })}
      description={
        <ul style={{ maxHeight: 240, overflow: 'auto', margin: 0, paddingLeft: 18 }} tabIndex={0}>
          {faults.slice(0, SHOWN).map((fault) => (
            <li key={fault.row}>
              <strong>{ids[fault.row - 1]}</strong> {faultText(fault)}
            </li>
          ))}
          {faults.length > SHOWN ? <li>…</li> : null}
        </ul>
      }
    />
  );
}

/** The template that a form begins with, and the way to those there are. */
function Templates({ chosen, onChoose }: { chosen: string | undefined; onChoose: (to: Template | null) => void }) {
  const { mayAll } = useSession();
  const list = useResource<Page<Template>>(mayAll('devices.read') ? 'device-templates' : null);
  const items = list.data?.items ?? [];
  if (!mayAll('devices.read')) return null;
  return (
    <Form.Item label={t('template.from')} extra={list.data && items.length === 0 ? t('template.noneHint') : undefined}>
      <Space.Compact block>
        <Select
          allowClear
          showSearch={{ optionFilterProp: 'label' }}
          aria-label={t('template.from')}
          loading={list.loading}
          disabled={items.length === 0}
          placeholder={t(items.length === 0 ? 'template.none' : 'template.choose')}
          value={chosen}
          options={items.map(({ id, name }) => ({ value: id, label: name }))}
          onChange={(id) => onChoose(items.find((item) => item.id === id) ?? null)}
        />
        <Button onClick={() => navigate('/device-templates')}>{t('template.manage')}</Button>
      </Space.Compact>
    </Form.Item>
  );
}

interface Plan {
  ids: string[];
  bodies: Record<string, unknown>[];
}

/** Rows that can be made are made; with `all` only if every one can. The faults, none: it was done. */
async function makeSeries({ bodies }: Plan, all: boolean): Promise<RowFault[]> {
  const rows = bodies.map((body, i) => ({ row: i + 1, body }));
  const never = new AbortController().signal;
  if (all) {
    const { faults } = await runImport(rows, true, () => {}, never, 'refuse');
    if (faults.length > 0) return faults;
  }
  const { faults } = await runImport(rows, false, () => {}, never, 'refuse');
  return all ? faults : [];
}

/** `from`: a device whose description the new one begins with. */
export function CreateDevice({ from, onClose, onMade }: { from?: Device; onClose: () => void; onMade?: () => void }) {
  const { mayAll } = useSession();
  const [form] = Form.useForm<Values>();
  const [base, setBase] = useState<TemplateDevice>(from ?? {});
  const [template, setTemplate] = useState<Template | null>(null);
  const [naming, setNaming] = useState(false);
  const [refused, setRefused] = useState<{ plan: Plan; faults: RowFault[] } | null>(null);
  const id = Form.useWatch('id', form) ?? '';
  const series = seriesOf(id.trim());
  const many = series !== null && typeof series === 'object';
  const { busy, problem, run } = useAct();

  const choose = (to: Template | null) => {
    setTemplate(to);
    setBase(to?.device ?? {});
    form.setFieldsValue({ ...Object.fromEntries(FORM.map((key) => [key, undefined])), ...(to ? deviceFields(to.device) : {}) });
  };
  const one = (values: DeviceValues, id: string) => ({ ...beside(base), ...deviceBody(values, base.location), id });
  const createOne = (values: Values) =>
    run(async () => {
      const made = await post<Device>('devices', one(values, values.id.trim()));
      navigate(`/devices/${seg(made.id)}?tab=connect`);
    }, t('devices.created'));
  const createMany = async (plan: Plan, all: boolean) => {
    const faults = await run(() => makeSeries(plan, all));
    if (!faults) return;
    if (faults.length > 0) return setRefused({ plan, faults });
    onMade?.();
    onClose();
    navigate(`/devices?q=${encodeURIComponent(many ? series.before : '')}`);
  };
  const create = (values: Values) => {
    if (!many) return void createOne(values);
    const ids = idsOf(series);
    void createMany({ ids, bodies: ids.map((id, i) => one(numbered(values, series.numbers[i] ?? ''), id)) }, true);
  };
  const others = refused ? refused.plan.ids.length - refused.faults.length : 0;
  const checkId = (_: unknown, text = '') => {
    const s = seriesOf(text.trim());
    if (typeof s === 'string') return Promise.reject(new Error(t(s)));
    return s && !mayAll('devices.write') ? Promise.reject(new Error(t('series.notAllowed'))) : Promise.resolve();
  };
  return (
    <Modal
      open
      title={t(from ? 'device.duplicate' : 'devices.create')}
      onCancel={onClose}
      footer={[
        ...(mayAll('devices.write') && !refused
          ? [
              <Button key="template" type="text" onClick={() => setNaming(true)}>
                {t('template.save')}
              </Button>,
            ]
          : []),
        <Button key="cancel" onClick={refused ? () => setRefused(null) : onClose}>
          {t(refused ? 'series.back' : 'action.cancel')}
        </Button>,
        refused ? (
          <Button key="others" type="primary" disabled={others === 0} loading={busy} onClick={() => void createMany(refused.plan, false)}>
            {t('series.others', { n: count(others) })}
          </Button>
        ) : (
          <Button key="create" type="primary" loading={busy} onClick={() => form.submit()}>
            {many ? t('series.create', { n: count(series.numbers.length) }) : t('action.create')}
          </Button>
        ),
      ]}
    >
      <div hidden={refused !== null}>
        <Form<Values>
          form={form}
          layout="vertical"
          requiredMark={false}
          initialValues={from ? { ...deviceFields(from), id: '' } : undefined}
          onFinish={create}
        >
          {from ? null : <Templates chosen={template?.id} onChoose={choose} />}
          <Form.Item
            name="id"
            label={t('device.id')}
            extra={t('devices.idHint')}
            rules={[{ required: true, whitespace: true, message: t('devices.idMissing') }, { validator: checkId }]}
          >
            <Input autoFocus placeholder="pump-1" />
          </Form.Item>
          {many ? <Preview series={series} /> : null}
          <DeviceFields />
        </Form>
      </div>
      {refused ? <Refused faults={refused.faults} ids={refused.plan.ids} /> : null}
      <ProblemView problem={problem} />
      {naming ? (
        <SaveTemplate device={() => templateDevice(form.getFieldsValue(), base)} name={template?.name} onClose={() => setNaming(false)} />
      ) : null}
    </Modal>
  );
}

/** Asks for a name and keeps the device as a template. */
export function SaveTemplate({ device, name: first, onClose }: { device: () => TemplateDevice; name?: string; onClose: () => void }) {
  const [name, setName] = useState(first ?? '');
  const { busy, problem, run } = useAct();
  const save = async () => {
    const made = await run(() => saveTemplate(name, '', device()), t('template.saved'));
    if (made) onClose();
  };
  return (
    <Modal
      open
      title={t('template.save')}
      okText={t('action.save')}
      cancelText={t('action.cancel')}
      confirmLoading={busy}
      okButtonProps={{ disabled: !name.trim() }}
      onOk={() => void save()}
      onCancel={onClose}
    >
      <p>{t('template.what')}</p>
      <Input
        autoFocus
        value={name}
        maxLength={60}
        aria-label={t('template.name')}
        placeholder={t('template.name')}
        onPressEnter={() => name.trim() && void save()}
        onChange={(e) => setName(e.target.value)}
      />
      <ProblemView problem={problem} />
    </Modal>
  );
}
