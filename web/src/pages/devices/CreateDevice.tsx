import { Form, Input, Modal } from 'antd';
import { post, seg } from '../../api/client';
import type { Device } from '../../api/types';
import { navigate } from '../../app/router';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { t } from '../../i18n';
import { labelsText } from './labels';
import { DeviceFields, deviceBody, placeFields, type DeviceValues } from './DeviceFields';

interface Values extends DeviceValues {
  id: string;
}

/** `from`: a device whose description the new one begins with. */
export function CreateDevice({ from, onClose }: { from?: Device; onClose: () => void }) {
  const [form] = Form.useForm<Values>();
  const { busy, problem, run } = useAct();
  const create = (values: Values) =>
    run(async () => {
      const kept = from ? { driver: from.driver, period_ms: from.period_ms } : {};
      const body = { ...kept, ...deviceBody(values), id: values.id.trim() };
      const made = await post<Device>('devices', body);
      navigate(`/devices/${seg(made.id)}?tab=connect`);
    }, t('devices.created'));
  return (
    <Modal
      open
      title={t(from ? 'device.duplicate' : 'devices.create')}
      okText={t('action.create')}
      cancelText={t('action.cancel')}
      confirmLoading={busy}
      onOk={() => form.submit()}
      onCancel={onClose}
    >
      <Form<Values>
        form={form}
        layout="vertical"
        requiredMark={false}
        initialValues={from ? { ...from, id: '', ...placeFields(from.location), labels: labelsText(from.labels) } : undefined}
        onFinish={(v) => void create(v)}
      >
        <Form.Item
          name="id"
          label={t('device.id')}
          extra={t('devices.idHint')}
          rules={[{ required: true, whitespace: true, message: t('devices.idMissing') }]}
        >
          <Input autoFocus placeholder="pump-1" />
        </Form.Item>
        <DeviceFields />
      </Form>
      <ProblemView problem={problem} />
    </Modal>
  );
}
