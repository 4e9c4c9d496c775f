// A table whose rows are edited in place: properties, events, services and their fields.
import { DeleteOutlined, PlusOutlined } from '@ant-design/icons';
import { Button, Input, Select } from 'antd';
import type { ReactNode } from 'react';
import type { Words } from '../../api/types';
import { t } from '../../i18n';

export interface EditColumn<T> {
  title: string;
  width?: number | string;
  edit: (row: T, change: (part: Partial<T>) => void, label: string) => ReactNode;
}

interface Props<T> {
  label: string;
  rows: T[];
  columns: EditColumn<T>[];
  readOnly?: boolean;
  fresh: () => T;
  addWord: string;
  onChange: (rows: T[]) => void;
}

export function textColumn<T>(
  title: string,
  get: (row: T) => string | undefined,
  set: (value: string, row: T) => Partial<T>,
  width?: number | string,
  suggestions?: string,
): EditColumn<T> {
  return {
    title,
    width,
    edit: (row, change, label) => (
      <Input
        size="small"
        value={get(row) ?? ''}
        aria-label={label}
        list={suggestions}
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
      (row) => row.name?.[lang],
      (value, row) => ({ name: { ...row.name, [lang]: value } }) as Partial<T>,
      '14%',
    );
  return [column('zh', t('thing.nameZh')), column('en', t('thing.nameEn'))];
}

export function choiceColumn<T>(
  title: string,
  options: { value: string; label: string }[],
  get: (row: T) => string,
  set: (value: string) => Partial<T>,
  width: number,
): EditColumn<T> {
  return {
    title,
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

export function MemberTable<T>({ label, rows, columns, readOnly, fresh, addWord, onChange }: Props<T>) {
  const replace = (index: number, part: Partial<T>) =>
    onChange(rows.map((row, i) => (i === index ? { ...row, ...part } : row)));
  return (
    <div className="member-table">
      <div className="table-box" tabIndex={0} role="region" aria-label={label}>
        <table aria-label={label}>
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
              <tr key={i}>
                {columns.map((column) => (
                  <td key={column.title}>
                    {column.edit(row, (part) => replace(i, part), `${column.title} ${i + 1}`)}
                  </td>
                ))}
                <td>
                  <Button
                    size="small"
                    type="text"
                    disabled={readOnly}
                    icon={<DeleteOutlined />}
                    aria-label={`${t('action.remove')} ${i + 1}`}
                    onClick={() => onChange(rows.filter((_, k) => k !== i))}
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
