// Templates of devices: what new ones have in common.
import { Form, Input } from 'antd';
import { put, remove, seg } from '../api/client';
import { useSession } from '../app/session';
import { AdminTable } from '../components/AdminTable';
import type { Column } from '../components/DataTable';
import { t, useLanguage } from '../i18n';
import { moment } from '../i18n/format';
import { DeviceFields, type DeviceValues } from './devices/DeviceFields';
import { labelsText } from './devices/labels';
import { deviceFields, saveTemplate, templateDevice, type Template } from './devices/templates';

interface Values extends DeviceValues {
  template: string;
  note?: string;
}

function columns(): Column<Template>[] {
  return [
    { key: 'name', title: t('template.name'), render: (row) => row.name },
    { key: 'thing', title: t('device.thing'), render: ({ device }) => device.thing ?? '' },
    { key: 'asset', title: t('device.asset'), render: ({ device }) => device.asset ?? '' },
    { key: 'labels', title: t('device.labels'), render: ({ device }) => labelsText(device.labels) },
    { key: 'note', title: t('template.note'), width: '22%', render: (row) => row.description ?? '' },
    { key: 'updated', title: t('template.updated'), width: 150, render: (row) => <span title={row.author}>{moment(row.updated)}</span> },
  ];
}

function initial(row: Template | null): Partial<Values> {
  return row ? { ...deviceFields(row.device), template: row.name, note: row.description ?? '' } : {};
}

async function save({ template, note, ...values }: Values, row: Template | null): Promise<unknown> {
  const device = templateDevice(values, row?.device);
  if (!row) return saveTemplate(template, note, device);
  const body = { name: template.trim(), description: note?.trim() ?? '', device };
  return put(`device-templates/${seg(row.id)}`, body, `"${row.revision}"`);
}

export default function DeviceTemplates() {
  useLanguage();
  const { mayAll } = useSession();
  return (
    <AdminTable<Template, Values>
      title={t('nav.templates')}
      note={t('template.pageNote')}
      path="device-templates"
      columns={columns()}
      rowKey={(row) => row.id}
      empty={{ title: t('template.none'), hint: t('template.noneHint') }}
      createWord={t('template.create')}
      mayWrite={mayAll('devices.write')}
      editable
      wide
      copy={(row) => ({ ...initial(row), template: '' })}
      drop={(row) => remove(`device-templates/${seg(row.id)}`)}
      dropHint={(row) => t('template.dropHint', { name: row.name })}
      initial={initial}
      save={save}
      fields={() => (
        <>
          <div className="two-columns">
            <Form.Item name="template" label={t('template.name')} rules={[{ required: true, whitespace: true, message: t('template.nameMissing') }]}>
              <Input autoFocus maxLength={60} />
            </Form.Item>
            <Form.Item name="note" label={t('template.note')}>
              <Input maxLength={300} />
            </Form.Item>
          </div>
          <DeviceFields />
        </>
      )}
    />
  );
}
