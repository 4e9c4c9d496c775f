import { Modal } from 'antd';
import type { ReactNode } from 'react';
import { t } from '../i18n';
import { CodeBlock } from './CodeBlock';

interface Props {
  title: string;
  rows: [label: string, value: string][];
  note?: ReactNode;
  onClose: () => void;
}

/** A secret that the server tells only once. */
export function Secret({ title, rows, note, onClose }: Props) {
  return (
    <Modal
      open
      title={title}
      onCancel={onClose}
      onOk={onClose}
      okText={t('action.kept')}
      cancelButtonProps={{ style: { display: 'none' } }}
      mask={{ closable: false }}
    >
      <p>{t('secret.once')}</p>
      {rows.map(([label, value]) => (
        <div key={label} className="secret-row">
          <span>{label}</span>
          <CodeBlock text={value} label={label} />
        </div>
      ))}
      {note}
    </Modal>
  );
}
