import { Select } from 'antd';
import type { Page, Role } from '../api/types';
import { useResource } from '../api/useResource';
import { t } from '../i18n';

interface Props {
  id?: string;
  value?: string[];
  onChange?: (roles: string[]) => void;
}

export function RolePicker({ id, value, onChange }: Props) {
  const { data } = useResource<Page<Role>>('roles');
  return (
    <Select
      id={id}
      mode="multiple"
      value={value}
      aria-label={t('people.roles')}
      options={(data?.items ?? []).map((role) => ({
        value: role.name,
        label: role.name,
        title: role.permissions.join(', '),
      }))}
      onChange={(roles: string[]) => onChange?.(roles)}
      notFoundContent={t('pick.none')}
    />
  );
}
