// Templates of devices: what new ones have in common.
import { post } from '../../api/client';
import type { Device } from '../../api/types';
import { deviceBody, placeFields, type DeviceValues } from './DeviceFields';
import { labelsText } from './labels';

export interface TemplateDevice extends Partial<Omit<Device, 'location'>> {
  location?: unknown;
}
export interface Template {
  id: string;
  name: string;
  description: string | null;
  device: TemplateDevice;
  revision: number;
  updated: string;
  author: string;
}

/** What a form shows of a device, or of a template's. */
export function deviceFields(device: TemplateDevice): DeviceValues {
  const { name, thing, asset, description, data_class, data_level, labels, location } = device;
  return { name, thing, asset, description, to: { data_class, data_level }, ...placeFields(location), labels: labelsText(labels) };
}

/** What no form shows, and a new device takes from the one (or the template) it begins with. */
export function beside({ driver, period_ms, point_classes }: TemplateDevice): TemplateDevice {
  return { driver, period_ms, point_classes };
}

/** A template's device: what a form holds, without what is empty. */
export function templateDevice(values: DeviceValues, before: TemplateDevice = {}): TemplateDevice {
  const all = Object.entries({ ...beside(before), ...deviceBody(values, before.location) });
  return Object.fromEntries(all.filter(([, v]) => v !== undefined && v !== null && v !== ''));
}

export function saveTemplate(name: string, description: string | undefined, device: TemplateDevice): Promise<Template> {
  return post<Template>('device-templates', { name: name.trim(), description: description?.trim() ?? '', device });
}
