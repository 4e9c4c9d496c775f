import { Button, Input, Modal } from 'antd';
import { useState } from 'react';
import type { Property } from '../../api/types';
import { pick, t } from '../../i18n';
import { enumText, parseEnum } from './model';

interface Props {
  property: Property;
  label: string;
  onChange: (words: Property['enum']) => void;
}

/** Words for the values of a property (0 = stopped, 1 = running). */
export function EnumEditor({ property, label, onChange }: Props) {
  const [text, setText] = useState<string | null>(null);
  const entries = Object.entries(property.enum ?? {});
  const parsed = text === null ? undefined : parseEnum(text);
  return (
    <>
      <Button size="small" type="text" className="enum-button" aria-label={label} onClick={() => setText(enumText(property.enum))}>
        {entries.length > 0
          ? entries.map(([value, w]) => `${value}=${pick(w)}`).join(' ')
          : t('thing.noEnum')}
      </Button>
      <Modal
        open={text !== null}
        title={`${t('thing.enum')} · ${property.id}`}
        okText={t('action.apply')}
        cancelText={t('action.cancel')}
        okButtonProps={{ disabled: parsed === null }}
        onCancel={() => setText(null)}
        onOk={() => {
          if (parsed === null) return;
          onChange(parsed);
          setText(null);
        }}
      >
        <p>{t('thing.enumHint')}</p>
        <Input.TextArea
          autoFocus
          rows={7}
          className="mono"
          value={text ?? ''}
          aria-label={t('thing.enum')}
          placeholder={'0 = 停止 | stopped\n1 = 运行 | running'}
          status={parsed === null ? 'error' : undefined}
          onChange={(e) => setText(e.target.value)}
        />
        {parsed === null ? <p className="bad">{t('thing.enumBad')}</p> : null}
      </Modal>
    </>
  );
}
