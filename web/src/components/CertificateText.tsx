// A text that somebody's certificate signs, how that is done, and the places for what comes back; shared by signing in, confirming, binding
// and trying a provider out.
import { App, Button, Form, Input } from 'antd';
import { useId, type ChangeEvent } from 'react';
import { t } from '../i18n';
import { CodeBlock } from './CodeBlock';

/** Text as it is; other bytes (DER, r and s) in base64, of which `mark` makes PEM. */
export function textOfFile(bytes: Uint8Array, mark?: string): string {
  const printable = bytes.every((b) => b === 9 || b === 10 || b === 13 || (b >= 32 && b < 127));
  if (printable) return new TextDecoder().decode(bytes);
  let raw = '';
  bytes.forEach((b) => (raw += String.fromCharCode(b)));
  if (!mark) return btoa(raw);
  const lines = btoa(raw).match(/.{1,64}/g)?.join('\n') ?? '';
  return `-----BEGIN ${mark}-----\n${lines}\n-----END ${mark}-----\n`;
}

const FILE_MAX = 400_000;

function FileButton({ label, mark, onText }: { label: string; mark?: string; onText: (text: string) => void }) {
  const id = useId();
  const { message } = App.useApp();
  const take = (event: ChangeEvent<HTMLInputElement>) => {
    const file = event.target.files?.[0];
    event.target.value = '';
    if (!file) return;
    if (file.size > FILE_MAX) void message.error(t('cert.tooLarge'));
    else void file.arrayBuffer().then((data) => onText(textOfFile(new Uint8Array(data), mark)));
  };
  return (
    <>
      <input id={id} type="file" style={{ display: 'none' }} aria-label={label} onChange={take} />
      <Button size="small" onClick={() => document.getElementById(id)?.click()}>
        {t('cert.file')}
      </Button>
    </>
  );
}

/** A text field of a form that a file can fill. */
export function FileField({ name, label, hint, rows, needed, mark }: {
  name: string;
  label: string;
  hint?: string;
  rows: number;
  needed?: boolean;
  /** What DER becomes as PEM: CERTIFICATE, X509 CRL. */
  mark?: string;
}) {
  const form = Form.useFormInstance();
  return (
    <Form.Item
      name={name}
      label={label}
      extra={
        <>
          {hint ? <p>{hint}</p> : null}
          <FileButton label={`${label} · ${t('cert.file')}`} mark={mark} onText={(text) => form.setFieldsValue({ [name]: text })} />
        </>
      }
      rules={needed ? [{ required: true, whitespace: true, message: t('cert.missing') }] : []}
    >
      <Input.TextArea rows={rows} spellCheck={false} autoComplete="off" />
    </Form.Item>
  );
}

export function SignFields({ needed }: { needed: boolean }) {
  return (
    <>
      <FileField name="certificate" label={t('cert.certificate')} hint={t('cert.certificateHint')} rows={3} needed={needed} mark="CERTIFICATE" />
      <FileField name="signature" label={t('cert.signature')} rows={2} needed={needed} />
    </>
  );
}

/** once: the text is the server's, good for one answer. */
export function ToSign({ text, distid, once }: { text: string; distid: string; once: boolean }) {
  const sm2 = `openssl pkeyutl -sign -rawin -digest sm3 -pkeyopt distid:${distid} -inkey key.pem -in challenge.txt | base64`;
  const other = 'openssl pkeyutl -sign -rawin -digest sha256 -inkey key.pem -in challenge.txt | base64';
  const ctl = `songhua ctl sign challenge.txt --private-key key.pem${distid === '1234567812345678' ? '' : ` --distid ${distid}`}`;
  return (
    <>
      {once ? <p>{t('cert.textWhat')}</p> : null}
      <CodeBlock text={text} label={t('cert.text')} />
      <p>
        <a href={`data:text/plain;charset=utf-8,${encodeURIComponent(text)}`} download="challenge.txt">
          {t('cert.save')}
        </a>
      </p>
      <details>
        <summary>{t('cert.how')}</summary>
        <p>{t('cert.howUsb', { id: distid })}</p>
        {([['cert.howSm2', sm2], ['cert.howOther', other], ['cert.howCtl', ctl]] as const).map(([word, command]) => (
          <div key={word}>
            <p className="dim">{t(word)}</p>
            <CodeBlock text={command} label={t(word)} />
          </div>
        ))}
      </details>
    </>
  );
}
