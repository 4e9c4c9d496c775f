// Tabs of a page; on a phone a chooser, as a row of tabs would not fit.
import { Select, Tabs } from 'antd';
import type { ReactNode } from 'react';
import { usePhone } from '../app/phone';

interface Props {
  label: string;
  active: string;
  onChange: (key: string) => void;
  items: { key: string; label: string; children: ReactNode }[];
}

export function PageTabs({ label, active, onChange, items }: Props) {
  const phone = usePhone();
  if (!phone) return <Tabs activeKey={active} destroyOnHidden onChange={onChange} items={items} />;
  return (
    <div className="phone-tabs">
      <Select value={active} aria-label={label} options={items.map((i) => ({ value: i.key, label: i.label }))} onChange={onChange} />
      {items.find((i) => i.key === active)?.children}
    </div>
  );
}
