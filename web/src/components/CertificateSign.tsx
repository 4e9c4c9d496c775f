// Somebody proves himself by a certificate: a text of the server, the signature of it.
import { Button, Form } from 'antd';
import { useCallback, useEffect, useState } from 'react';
import { asProblem, post, seg, type Problem } from '../api/client';
import type { Door } from '../api/outside';
import { t } from '../i18n';
import { SignFields, ToSign } from './CertificateText';
import { Loading } from './Loading';
import { ProblemView } from './ProblemView';
import { useAct } from './useAct';

interface Challenge {
  challenge: string;
  expires: string;
  distid: string;
}
interface Values {
  certificate: string;
  signature: string;
}
interface Props {
  door: Door;
  purpose: 'sign-in' | 'confirm' | 'bind';
  onDone: () => void | Promise<void>;
  /** The platform asks for its own second factor as well. */
  onCode?: () => void;
}

const kept = (id: string) => `songhua.certificate.${id}`;
const words = { 'sign-in': 'cert.do', confirm: 'cert.confirm', bind: 'cert.bind' } as const;

export default function CertificateSign({ door, purpose, onDone, onCode }: Props) {
  const [form] = Form.useForm<Values>();
  const [challenge, setChallenge] = useState<Challenge | null>(null);
  const [fault, setFault] = useState<Problem | null>(null);
  const [over, setOver] = useState(false);
  const { busy, problem, setProblem, run } = useAct();
  const renew = useCallback(() => {
    setFault(null);
    post<Challenge>(`sign-in/${seg(door.id)}/challenge`, { for: purpose }).then(
      (got) => {
        setChallenge(got);
        setOver(false);
        form.setFieldsValue({ signature: '' });
      },
      (error: unknown) => setFault(asProblem(error)),
    );
  }, [door.id, purpose, form]);
  useEffect(renew, [renew]);
  useEffect(() => {
    if (!challenge) return undefined;
    const timer = setTimeout(() => setOver(true), Math.max(0, Date.parse(challenge.expires) - Date.now()));
    return () => clearTimeout(timer);
  }, [challenge]);

  const send = (values: Values) =>
    run(async () => {
      try {
        await post(`sign-in/${seg(door.id)}/${purpose === 'bind' ? 'bind' : 'answer'}`, values);
      } catch (error) {
        const refused = asProblem(error);
        if (refused.code === 'code_needed' && onCode) {
          onCode();
          return;
        }
        renew(); // each text is good for one answer
        throw refused;
      }
      localStorage.setItem(kept(door.id), values.certificate);
      await onDone();
    });
  if (fault) return <ProblemView problem={fault} />;
  if (!challenge) return <Loading />;
  return (
    <Form<Values>
      form={form}
      layout="vertical"
      requiredMark={false}
      initialValues={{ certificate: localStorage.getItem(kept(door.id)) ?? '' }}
      onFinish={(values) => void send(values)}
    >
      <ToSign text={challenge.challenge} distid={challenge.distid} once />
      {over ? <p role="alert">{t('cert.over')}</p> : null}
      <SignFields needed />
      <ProblemView problem={problem} />
      <span className="row-actions start">
        <Button type="primary" htmlType="submit" loading={busy} disabled={over}>
          {t(words[purpose])}
        </Button>
        <Button
          onClick={() => {
            setProblem(null);
            renew();
          }}
        >
          {t('cert.renew')}
        </Button>
      </span>
    </Form>
  );
}
