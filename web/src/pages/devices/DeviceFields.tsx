// The fields that creating and editing a device share.
import { Form, Input, InputNumber } from 'antd';
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
  lat?: number | null;
  lon?: number | null;
  labels?: string;
  description?: string;
  /** Its points are at least that. */
  to?: Classed;
}

function checkLabels(_: unknown, text?: string): Promise<void> {
  return parseLabels(text ?? '') ? Promise.resolve() : Promise.reject(new Error(t('devices.labelsBad')));
}

interface Place {
  lat?: number;
  lon?: number;
  alt?: number;
  text?: string;
}

/** A place is words, or a position (WGS-84) with words. */
export function locationText(location: unknown): string | undefined {
  if (typeof location !== 'object' || location === null) return (location as string | null) ?? undefined;
  const { lat, lon, text } = location as Place;
  return [text, lat !== undefined && lon !== undefined ? `${lat}, ${lon}` : ''].filter(Boolean).join(' · ') || undefined;
}

/** What the form shows of a place. */
export function placeFields(location: unknown): Pick<DeviceValues, 'location' | 'lat' | 'lon'> {
  if (typeof location !== 'object' || location === null) return { location: (location as string | null) ?? undefined };
  const { lat, lon, text } = location as Place;
  return { location: text, lat, lon };
}

/** The place of a form; what the form does not show (a height) stays. */
export function placeOf({ location, lat, lon }: DeviceValues, before?: unknown): unknown {
  if (lat === undefined || lat === null || lon === undefined || lon === null) return location ?? null;
  const alt = typeof before === 'object' && before !== null ? (before as Place).alt : undefined;
  return { lat, lon, ...(alt === undefined ? {} : { alt }), ...(location?.trim() ? { text: location.trim() } : {}) };
}

/** What the form holds as the body of a request. */
export function deviceBody({ lat, lon, ...values }: DeviceValues, before?: unknown): Record<string, unknown> {
  const { to, ...rest } = values;
  return {
    ...rest,
    data_class: to?.data_class ?? null,
    data_level: to?.data_level ?? null,
    thing: values.thing ?? '',
    asset: values.asset ?? '',
    location: placeOf({ ...values, lat, lon }, before),
    labels: parseLabels(values.labels ?? '') ?? {},
  };
}

/** Within its bounds, and together with the other one. */
export function position(other: 'lat' | 'lon', most: number, bad: 'device.latBad' | 'device.lonBad') {
  return ({ getFieldValue }: { getFieldValue: (name: string) => unknown }) => ({
    validator: (_: unknown, value?: number | null) => {
      const given = (v: unknown) => v !== undefined && v !== null && v !== '';
      if (given(value) && !(Math.abs(Number(value)) <= most)) return Promise.reject(new Error(t(bad)));
      return given(value) || !given(getFieldValue(other)) ? Promise.resolve() : Promise.reject(new Error(t('device.bothPositions')));
    },
  });
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
        <Form.Item name="lat" label={t('device.lat')} dependencies={['lon']} rules={[position('lon', 90, 'device.latBad')]}>
          <InputNumber style={{ width: '100%' }} controls={false} placeholder="45.75" />
        </Form.Item>
        <Form.Item name="lon" label={t('device.lon')} dependencies={['lat']} rules={[position('lat', 180, 'device.lonBad')]}>
          <InputNumber style={{ width: '100%' }} controls={false} placeholder="126.65" />
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
