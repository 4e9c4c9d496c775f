// The columns of the editor's tables.
import { InputNumber } from 'antd';
import type { Field, Property, Service, ThingEvent } from '../../api/types';
import { t } from '../../i18n';
import { ClassChoice } from '../../components/DataClass';
import { EnumEditor } from './EnumEditor';
import { FieldsEditor } from './FieldsEditor';
import { choiceColumn, textColumn, wordColumns, type EditColumn } from './MemberTable';
import { levels, valueTypes } from './model';
import { UnitInput } from './UnitInput';

const idColumn = <T extends { id: string }>(): EditColumn<T> =>
  textColumn<T>(t('thing.member'), 'id', (row) => row.id, (id) => ({ id: id.trim() }) as Partial<T>, '16%');

const typeColumn = <T extends { type: Property['type'] }>(): EditColumn<T> =>
  choiceColumn<T>(
    t('thing.type'),
    'type',
    valueTypes.map((type) => ({ value: type, label: t(`type.${type}`) })),
    (row) => row.type,
    (type) => ({ type }) as Partial<T>,
    96,
  );

const unitColumn = <T extends { unit?: string }>(): EditColumn<T> => ({
  title: t('thing.unit'),
  attr: 'unit',
  width: 92,
  edit: (row, change, label) => <UnitInput value={row.unit} label={label} onChange={(unit) => change({ unit } as Partial<T>)} />,
});

const bounds = (min: number | null | undefined, max: number | null | undefined): Property['range'] => {
  const range = { ...(typeof min === 'number' ? { min } : {}), ...(typeof max === 'number' ? { max } : {}) };
  return Object.keys(range).length > 0 ? range : undefined;
};

function Limit(props: { value: number | null | undefined; label: string; onChange: (v: number | null) => void }) {
  return (
    <InputNumber<number>
      size="small"
      controls={false}
      style={{ width: 62 }}
      value={props.value ?? null}
      aria-label={props.label}
      onChange={props.onChange}
    />
  );
}

const rangeColumn = <T extends { range?: Property['range'] }>(): EditColumn<T> => ({
  title: t('thing.range'),
  attr: 'range',
  width: 158,
  edit: (row, change, label) => (
    <span className="range-cell">
      <Limit
        value={row.range?.min}
        label={`${label} ${t('stat.min')}`}
        onChange={(min) => change({ range: bounds(min, row.range?.max) } as Partial<T>)}
      />
      <span aria-hidden="true">–</span>
      <Limit
        value={row.range?.max}
        label={`${label} ${t('stat.max')}`}
        onChange={(max) => change({ range: bounds(row.range?.min, max) } as Partial<T>)}
      />
    </span>
  ),
});

export function fieldColumns(): EditColumn<Field>[] {
  return [idColumn<Field>(), ...wordColumns<Field>(), typeColumn<Field>(), unitColumn<Field>(), rangeColumn<Field>()];
}

export function propertyColumns(): EditColumn<Property>[] {
  return [
    idColumn<Property>(),
    ...wordColumns<Property>(),
    typeColumn<Property>(),
    unitColumn<Property>(),
    rangeColumn<Property>(),
    choiceColumn<Property>(
      t('thing.access'),
      'access',
      [
        { value: 'r', label: t('access.r') },
        { value: 'rw', label: t('access.rw') },
      ],
      (row) => row.access ?? 'r',
      (access) => ({ access: access as Property['access'] }),
      84,
    ),
    {
      title: t('data.class'),
      attr: 'data_class',
      width: 124,
      edit: (row, change, label) => (
        <ClassChoice
          small
          none={t('data.asModel')}
          value={row}
          label={label}
          onChange={(to) => change({ data_class: undefined, data_level: undefined, ...to })}
        />
      ),
    },
    {
      title: t('thing.enum'),
      attr: 'enum',
      edit: (row, change, label) => (
        <EnumEditor property={row} label={label} onChange={(words) => change({ enum: words })} />
      ),
    },
  ];
}

function fieldsColumn<T extends { id: string }>(
  title: string,
  attr: 'fields' | 'input' | 'output',
  get: (row: T) => Field[] | undefined,
): EditColumn<T> {
  return {
    title,
    attr,
    edit: (row, change, label) => (
      <FieldsEditor
        fields={get(row)}
        title={`${title} · ${row.id}`}
        label={label}
        required={attr === 'input'}
        onChange={(fields) => change({ [attr]: fields } as Partial<T>)}
      />
    ),
  };
}

export function eventColumns(): EditColumn<ThingEvent>[] {
  return [
    idColumn<ThingEvent>(),
    ...wordColumns<ThingEvent>(),
    choiceColumn<ThingEvent>(
      t('thing.level'),
      'level',
      levels.map((level) => ({ value: level, label: t(`level.${level}`) })),
      (row) => row.level ?? 'info',
      (level) => ({ level: level as ThingEvent['level'] }),
      110,
    ),
    fieldsColumn<ThingEvent>(t('thing.fields'), 'fields', (row) => row.fields),
  ];
}

export function serviceColumns(): EditColumn<Service>[] {
  return [
    idColumn<Service>(),
    ...wordColumns<Service>(),
    fieldsColumn<Service>(t('thing.input'), 'input', (row) => row.input),
    fieldsColumn<Service>(t('thing.output'), 'output', (row) => row.output),
  ];
}
