// A table whose rows are edited in place: properties, events, services and their fields.
import { DeleteOutlined, EditOutlined, PlusOutlined, RollbackOutlined } from '@ant-design/icons';
import { Button, ConfigProvider, Input, Select } from 'antd';
import type { ReactNode } from 'react';
import type { Member, Words } from '../../api/types';
import { t } from '../../i18n';
import { edited, mayEdit, type ListKey } from './model';

export interface EditColumn<T> {
  title: string;
  /** What of the member it edits: an inherited one allows only some. */
  attr: string;
  width?: number | string;
  edit: (row: T, change: (part: Partial<T>) => void, label: string) => ReactNode;
}

interface Props<T> {
  label: string;
  rows: T[];
  columns: EditColumn<T>[];
  readOnly?: boolean;
  narrow?: boolean;
  /** Which list of a model this is: inherited members are shown, and overridden by an act. */
  list?: ListKey;
  /** The member as the model above has it. */
  inherit?: (row: T) => T;
  fresh: () => T;
  addWord: string;
  onChange: (rows: T[]) => void;
}

export function textColumn<T>(
  title: string,
  attr: string,
  get: (row: T) => string | undefined,
  set: (value: string, row: T) => Partial<T>,
  width?: number | string,
): EditColumn<T> {
  return {
    title,
    attr,
    width,
    edit: (row, change, label) => (
      <Input
        size="small"
        value={get(row) ?? ''}
        aria-label={label}
        onChange={(e) => change(set(e.target.value, row))}
      />
    ),
  };
}

/** Two columns for a name in both languages. */
export function wordColumns<T extends { name?: Words }>(): EditColumn<T>[] {
  const column = (lang: 'zh' | 'en', title: string) =>
    textColumn<T>(
      title,
      'name',
      (row) => row.name?.[lang],
      (value, row) => ({ name: { ...row.name, [lang]: value } }) as Partial<T>,
      '14%',
    );
  return [column('zh', t('thing.nameZh')), column('en', t('thing.nameEn'))];
}

export function choiceColumn<T>(
  title: string,
  attr: string,
  options: { value: string; label: string }[],
  get: (row: T) => string,
  set: (value: string) => Partial<T>,
  width: number,
): EditColumn<T> {
  return {
    title,
    attr,
    width,
    edit: (row, change, label) => (
      <Select
        size="small"
        style={{ width: '100%' }}
        value={get(row)}
        aria-label={label}
        options={options}
        onChange={(value: string) => change(set(value))}
      />
    ),
  };
}

function Cell<T extends Member>({ column, row, number, editable, change }: {
  column: EditColumn<T>;
  row: T;
  number: number;
  editable: boolean;
  change: (part: Partial<T>) => void;
}) {
  return (
    <td>
      <ConfigProvider componentDisabled={!editable}>{column.edit(row, change, `${column.title} ${number}`)}</ConfigProvider>
    </td>
  );
}

interface ActProps<T> {
  row: T;
  number: number;
  readOnly: boolean | undefined;
  inherit: ((row: T) => T) | undefined;
  onRow: (row: T) => void;
  onRemove: () => void;
}

/** Removes a member of its own; overrides an inherited one, or takes that back. */
function RowAct<T extends Member>({ row, number, readOnly, inherit, onRow, onRemove }: ActProps<T>) {
  const common = { size: 'small', type: 'text', disabled: readOnly } as const;
  if (!row.inherited || !inherit) {
    return <Button {...common} icon={<DeleteOutlined />} aria-label={`${t('action.remove')} ${number}`} onClick={onRemove} />;
  }
  return row.overrides ? (
    <Button
      {...common}
      icon={<RollbackOutlined />}
      title={t('thing.inheritAgain')}
      aria-label={t('thing.inheritAgainOf', { id: row.id })}
      onClick={() => onRow(inherit(row))}
    />
  ) : (
    <Button
      {...common}
      icon={<EditOutlined />}
      title={t('thing.override')}
      aria-label={t('thing.overrideOf', { id: row.id })}
      onClick={() => onRow({ ...row, overrides: [] })}
    />
  );
}

export function MemberTable<T extends Member>(props: Props<T>) {
  const { label, rows, columns, readOnly, narrow, list, inherit, fresh, addWord, onChange } = props;
  const put = (index: number, next: T) => onChange(rows.map((row, i) => (i === index ? next : row)));
  const editable = (row: T, attr: string) => !readOnly && (list === undefined || mayEdit(list, row, attr));
  return (
    <div className="member-table">
      <div className="table-box" tabIndex={0} role="region" aria-label={label}>
        <table aria-label={label} className={narrow ? 'narrow' : undefined}>
          <thead>
            <tr>
              {columns.map((column) => (
                <th key={column.title} scope="col" style={{ width: column.width }}>
                  {column.title}
                </th>
              ))}
              <th scope="col" style={{ width: 40 }}>
                <span className="hidden">{t('action.remove')}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row, i) => (
              <tr
                key={i}
                className={row.inherited ? (row.overrides ? 'overridden' : 'inherited') : undefined}
                title={row.inherited ? t('thing.inheritedFrom', { id: row.inherited }) : undefined}
              >
                {columns.map((column) => (
                  <Cell
                    key={column.title}
                    column={column}
                    row={row}
                    number={i + 1}
                    editable={editable(row, column.attr)}
                    change={(part) => put(i, edited(row, part))}
                  />
                ))}
                <td>
                  <RowAct
                    row={row}
                    number={i + 1}
                    readOnly={readOnly}
                    inherit={inherit}
                    onRow={(next) => put(i, next)}
                    onRemove={() => onChange(rows.filter((_, k) => k !== i))}
                  />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <Button size="small" icon={<PlusOutlined />} disabled={readOnly} onClick={() => onChange([...rows, fresh()])}>
        {addWord}
      </Button>
    </div>
  );
}
