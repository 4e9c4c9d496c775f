// The columns of the device list; which are shown, and in what order, stands in the address (cols=).
import type { Device } from '../../api/types';
import { setQuery } from '../../app/router';
import type { Column } from '../../components/DataTable';
import { ClassMark } from '../../components/DataClass';
import { Age, DemoMark, StateMark } from '../../components/Marks';
import { t } from '../../i18n';
import { count } from '../../i18n/format';

const dash = <span className="dim">–</span>;

function labelsOf(d: Device) {
  const labels = Object.entries(d.labels ?? {});
  return (
    <span className="tags" title={labels.map(([k, v]) => `${k}:${v}`).join('\n')}>
      {labels.map(([key, value]) => (
        <button key={key} type="button" className="tag" onClick={() => setQuery({ label: `${key}:${value}` })}>
          {key}:{value}
        </button>
      ))}
    </span>
  );
}

export function allColumns(): Column<Device>[] {
  return [
    {
      key: 'id',
      title: t('device.id'),
      sortable: true,
      width: '15%',
      render: (d) => (
        <a href={`/devices/${encodeURIComponent(d.id)}`} title={d.id}>
          {d.id}
        </a>
      ),
    },
    {
      key: 'name',
      title: t('device.name'),
      sortable: true,
      width: '20%',
      render: (d) => (
        <span title={d.name}>
          {d.name} {d.demo ? <DemoMark /> : null}
        </span>
      ),
    },
    { key: 'state', title: t('device.state'), sortable: true, width: 116, render: (d) => <StateMark state={d.state} /> },
    { key: 'thing', title: t('device.thing'), sortable: true, width: '10%', render: (d) => d.thing || dash },
    { key: 'asset', title: t('device.asset'), sortable: true, width: '9%', render: (d) => d.asset || dash },
    { key: 'labels', title: t('device.labels'), render: labelsOf },
    { key: 'class', title: t('data.class'), width: 116, render: (d) => <ClassMark of={d.highest_class} masked /> },
    { key: 'points', title: t('device.points'), width: 64, align: 'right', render: (d) => count(d.points) },
    { key: 'since', title: t('device.since2'), sortable: true, width: 120, align: 'right', render: (d) => <Age time={d.since} /> },
    { key: 'last', title: t('device.lastData'), sortable: true, width: 106, align: 'right', render: (d) => <Age time={d.last_time} /> },
  ];
}

export const COLUMNS = ['id', 'name', 'state', 'thing', 'asset', 'labels', 'class', 'points', 'since', 'last'];
export const USUAL = COLUMNS.filter((key) => key !== 'since' && key !== 'class');

/** The keys of cols=; what is not known is left out, the id is always there. */
export function chosenColumns(text: string | null): string[] {
  if (!text) return USUAL;
  const asked = text.split(',').filter((key) => COLUMNS.includes(key));
  return asked.includes('id') ? asked : ['id', ...asked];
}

/** As cols= has it; null for the usual ones. */
export function columnsText(keys: string[]): string | null {
  const inOrder = COLUMNS.filter((key) => key === 'id' || keys.includes(key));
  return inOrder.join() === USUAL.join() ? null : inOrder.join(',');
}
