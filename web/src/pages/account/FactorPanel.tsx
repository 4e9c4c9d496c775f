import { App, Button, Form, Modal, QRCode } from 'antd';
import { useState } from 'react';
import { post, put, remove } from '../../api/client';
import { useSession } from '../../app/session';
import { Code } from '../../components/Code';
import { CodeBlock } from '../../components/CodeBlock';
import { Panel } from '../../components/Panel';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { t } from '../../i18n';
import { Keys } from './KeysPanel';

interface Begun {
  secret: string;
  uri: string;
}
interface Codes {
  recovery_codes: string[];
}

/** A secret in groups of four is easier to type. */
export function grouped(secret: string): string {
  return secret.replace(/(.{4})(?=.)/g, '$1 ');
}

function RecoveryCodes({ codes, onClose }: { codes: string[]; onClose: () => void }) {
  const text = codes.join('\n');
  return (
    <Modal
      open
      title={t('factor.codes')}
      onCancel={onClose}
      onOk={onClose}
      okText={t('action.kept')}
      cancelButtonProps={{ style: { display: 'none' } }}
      mask={{ closable: false }}
      width={460}
    >
      <p>{t('factor.codesWhat')}</p>
      <div className="print-area">
        <CodeBlock text={text} label={t('factor.codes')} />
      </div>
      <div className="row-actions">
        <Button
          size="small"
          href={`data:text/plain;charset=utf-8,${encodeURIComponent(`${text}\n`)}`}
          download="songhua-recovery-codes.txt"
        >
          {t('factor.download')}
        </Button>
        <Button size="small" onClick={() => window.print()}>
          {t('factor.print')}
        </Button>
      </div>
    </Modal>
  );
}

function SetUp({ begun, done }: { begun: Begun; done: (codes: string[]) => void }) {
  const { busy, problem, run } = useAct();
  return (
    <div className="factor-set-up">
      <div>
        <p>{t('factor.scan')}</p>
        <QRCode value={begun.uri} type="svg" size={168} color="#000" bgColor="#fff" />
        <p className="dim">{t('factor.type')}</p>
        <CodeBlock text={grouped(begun.secret)} label={t('factor.title')} />
      </div>
      <Form<{ code: string }>
        layout="vertical"
        requiredMark={false}
        onFinish={({ code }) =>
          void run(
            async () => done((await put<Codes>('sessions/current/totp', { code: code.trim() })).data.recovery_codes),
            t('factor.enabled'),
          )
        }
      >
        <p>{t('factor.enter')}</p>
        <Code autoFocus hint={false} />
        <ProblemView problem={problem} />
        <Button type="primary" htmlType="submit" loading={busy}>
          {t('factor.enable')}
        </Button>
      </Form>
    </div>
  );
}

export function FactorPanel() {
  const { session, refresh } = useSession();
  const { modal } = App.useApp();
  const { busy, problem, run } = useAct();
  const [begun, setBegun] = useState<Begun | null>(null);
  const [codes, setCodes] = useState<string[] | null>(null);
  const any = session?.second_factor === true;
  const on = session?.totp ?? any;

  const ask = (content: string, word: string, act: () => Promise<unknown>, done?: string) =>
    modal.confirm({
      title: word,
      content,
      okText: word,
      cancelText: t('action.cancel'),
      okButtonProps: { danger: true },
      onOk: () => run(act, done),
    });
  return (
    <Panel
      title={t('factor.title')}
      extra={<span className="mark" data-state={any ? 'online' : 'never'}>{t(any ? 'factor.on' : 'factor.off')}</span>}
    >
      <p>{t('factor.what')}</p>
      {any ? <p className="dim">{t('factor.codesLeft', { n: session?.recovery_left ?? 0 })}</p> : null}
      <ProblemView problem={problem} />
      {begun && !on ? (
        <SetUp
          begun={begun}
          done={(made) => {
            setBegun(null);
            setCodes(made);
          }}
        />
      ) : null}
      {!on && !begun ? (
        <Button
          type="primary"
          loading={busy}
          onClick={() => void run(async () => setBegun(await post<Begun>('sessions/current/totp')))}
        >
          {t('factor.setUp')}
        </Button>
      ) : null}
      {any ? (
        <span className="row-actions start">
          <Button
            onClick={() =>
              ask(t('factor.newCodesAsk'), t('factor.newCodes'), async () =>
                setCodes((await post<Codes>('sessions/current/recovery-codes')).recovery_codes),
              )
            }
          >
            {t('factor.newCodes')}
          </Button>
          {on ? <Button
            danger
            onClick={() =>
              ask(
                t('factor.removeAsk'),
                t('factor.remove'),
                async () => {
                  await remove('sessions/current/totp');
                  await refresh();
                },
                t('factor.removed'),
              )
            }
          >
            {t('factor.remove')}
          </Button> : null}
        </span>
      ) : null}
      <Keys onCodes={setCodes} />
      {codes ? (
        <RecoveryCodes
          codes={codes}
          onClose={() => {
            setCodes(null);
            void refresh();
          }}
        />
      ) : null}
    </Panel>
  );
}
