import { Button } from 'antd';
import { useState } from 'react';
import { t } from '../i18n';

async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  // Plain HTTP in the plant network has no clipboard object.
  const area = document.createElement('textarea');
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
}

/** Copies `text`; a function is asked at the click (the address of the page changes). */
export function CopyButton({ text, word }: { text: string | (() => string); word?: string }) {
  const [done, setDone] = useState(false);
  return (
    <Button
      size="small"
      onClick={() => {
        void copyText(typeof text === 'string' ? text : text()).then(() => setDone(true));
        setTimeout(() => setDone(false), 1500);
      }}
    >
      {done ? t('action.copied') : (word ?? t('action.copy'))}
    </Button>
  );
}

export function CodeBlock({ text, label }: { text: string; label: string }) {
  return (
    <div className="code">
      <pre tabIndex={0} role="region" aria-label={label}>
        {text}
      </pre>
      <CopyButton text={text} />
    </div>
  );
}
