// The fields that creating and editing a device share.
import { Form, Input } from 'antd';
import type { Classed } from '../../api/types';
import { ClassChoice } from '../../components/DataClass';
import { AssetPicker, ThingPicker } from '../../components/Pickers';
import { t } from '../../i18n';
import { parseLabels } from './labels';

export interface DeviceValues {
  name?: string;
  thing?: string;
  asset?: string;
  location?: string;
  labels?: string;
  description?: string;
  /** Its points are at least that. */
  to?: Classed;
}

function checkLabels(_: unknown, text?: string): Promise<void> {
  return parseLabels(text ?? '') ? Promise.resolve() : Promise.reject(new Error(t('devices.labelsBad')));
}

/** A place may be a text or {"lat","lon",...}, which the form shows as JSON. */
export function locationText(location: unknown): string | undefined {
  return typeof location === 'object' && location !== null ? JSON.stringify(location) : (location as string | undefined);
}

function locationOf(text: string | undefined): unknown {
  if (!text?.trim().startsWith('{')) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** What the form holds as the body of a request. */
export function deviceBody(values: DeviceValues): Record<string, unknown> {
  const { to, ...rest } = values;
  return {
    ...rest,
    data_class: to?.data_class ?? null,
    data_level: to?.data_level ?? null,
    thing: values.thing ?? '',
    asset: values.asset ?? '',
    location: locationOf(values.location),
    labels: parseLabels(values.labels ?? '') ?? {},
  };
}

export function DeviceFields() {
  return (
    <>
      <div className="two-columns">
        <Form.Item name="name" label={t('device.name')}>
          <Input />
        </Form.Item>
        <Form.Item name="location" label={t('device.location')}>
          <Input />
        </Form.Item>
        <Form.Item name="thing" label={t('device.thing')} extra={t('devices.thingHint')}>
          <ThingPicker label={t('pick.thing')} />
        </Form.Item>
        <Form.Item name="asset" label={t('device.asset')}>
          <AssetPicker label={t('pick.asset')} />
        </Form.Item>
        <Form.Item name="to" label={t('data.class')} extra={t('data.deviceHint')}>
          <ClassChoice none={t('data.asModel')} />
        </Form.Item>
      </div>
      <Form.Item name="labels" label={t('device.labels')} rules={[{ validator: checkLabels }]}>
        <Input placeholder="line:2, shift:a" />
      </Form.Item>
      <Form.Item name="description" label={t('device.description')}>
        <Input.TextArea rows={2} />
      </Form.Item>
    </>
  );
}
