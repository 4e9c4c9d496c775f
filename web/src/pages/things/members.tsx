// The columns of the editor's tables.
import { Input, InputNumber } from 'antd';
import type { Field, Property, Service, ThingEvent } from '../../api/types';
import { t } from '../../i18n';
import { EnumEditor } from './EnumEditor';
import { choiceColumn, textColumn, wordColumns, type EditColumn } from './MemberTable';
import { levels, valueTypes } from './model';

const idColumn = <T extends { id: string }>(): EditColumn<T> =>
  textColumn<T>(t('thing.member'), (row) => row.id, (id) => ({ id: id.trim() }) as Partial<T>, '16%');

const typeColumn = <T extends { type: Property['type'] }>(): EditColumn<T> =>
  choiceColumn<T>(
    t('thing.type'),
    valueTypes.map((type) => ({ value: type, label: t(`type.${type}`) })),
    (row) => row.type,
    (type) => ({ type }) as Partial<T>,
    96,
  );

const unitColumn = <T extends { unit?: string }>(): EditColumn<T> =>
  textColumn<T>(t('thing.unit'), (row) => row.unit, (unit) => ({ unit }) as Partial<T>, 84, 'ucum');

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

export function propertyColumns(): EditColumn<Property>[] {
  return [
    idColumn<Property>(),
    ...wordColumns<Property>(),
    typeColumn<Property>(),
    unitColumn<Property>(),
    {
      title: t('thing.range'),
      width: 158,
      edit: (row, change, label) => (
        <span className="range-cell">
          <Limit
            value={row.range?.min}
            label={`${label} ${t('stat.min')}`}
            onChange={(min) => change({ range: { ...row.range, min } })}
          />
          <span aria-hidden="true">–</span>
          <Limit
            value={row.range?.max}
            label={`${label} ${t('stat.max')}`}
            onChange={(max) => change({ range: { ...row.range, max } })}
          />
        </span>
      ),
    },
    choiceColumn<Property>(
      t('thing.access'),
      [
        { value: 'r', label: t('access.r') },
        { value: 'rw', label: t('access.rw') },
      ],
      (row) => row.access ?? 'r',
      (access) => ({ access: access as Property['access'] }),
      84,
    ),
    {
      title: t('thing.enum'),
      edit: (row, change, label) => (
        <EnumEditor property={row} label={label} onChange={(words) => change({ enum: words })} />
      ),
    },
  ];
}

/** Fields as text, one short line: "level:f64:Cel, code:i64". */
export function fieldsText(fields: Field[] | undefined): string {
  return (fields ?? []).map((f) => [f.id, f.type, f.unit].filter(Boolean).join(':')).join(', ');
}

export function parseFields(text: string, old: Field[] | undefined): Field[] {
  return text
    .split(/[,，]/)
    .map((part) => part.trim())
    .filter(Boolean)
    .map((part) => {
      const [id = '', type = 'f64', unit] = part.split(/[:：]/).map((x) => x.trim());
      const known = valueTypes.find((v) => v === type) ?? 'f64';
      const before = old?.find((f) => f.id === id);
      return { ...before, id, type: known, ...(unit ? { unit } : {}) };
    });
}

function fieldsColumn<T>(
  title: string,
  get: (row: T) => Field[] | undefined,
  set: (fields: Field[]) => Partial<T>,
): EditColumn<T> {
  return {
    title,
    edit: (row, change, label) => (
      <Input
        size="small"
        className="mono"
        key={fieldsText(get(row))}
        defaultValue={fieldsText(get(row))}
        aria-label={label}
        placeholder="level:f64:Cel, code:i64"
        onBlur={(e) => change(set(parseFields(e.target.value, get(row))))}
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
      levels.map((level) => ({ value: level, label: t(`level.${level}`) })),
      (row) => row.level ?? 'info',
      (level) => ({ level: level as ThingEvent['level'] }),
      110,
    ),
    fieldsColumn<ThingEvent>(t('thing.fields'), (row) => row.fields, (fields) => ({ fields })),
  ];
}

export function serviceColumns(): EditColumn<Service>[] {
  return [
    idColumn<Service>(),
    ...wordColumns<Service>(),
    fieldsColumn<Service>(t('thing.input'), (row) => row.input, (input) => ({ input })),
    fieldsColumn<Service>(t('thing.output'), (row) => row.output, (output) => ({ output })),
  ];
}
