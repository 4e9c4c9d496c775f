// The keys that secrets are sealed with: what there is, a new one while the node runs, and the recovery sheet.
import { App, Button, Checkbox, Modal, QRCode } from 'antd';
import { useMemo, useState } from 'react';
import { post, remove } from '../api/client';
import type { NodeKey, NodeKeys } from '../api/types';
import { useResource } from '../api/useResource';
import { useSession } from '../app/session';
import { CopyButton } from '../components/CodeBlock';
import { DataTable, type Column } from '../components/DataTable';
import { Loading } from '../components/Loading';
import { PageHeader } from '../components/PageHeader';
import { Panel } from '../components/Panel';
import { ProblemView } from '../components/ProblemView';
import { useAct } from '../components/useAct';
import { t, useLanguage } from '../i18n';
import { day, moment } from '../i18n/format';

const algorithm = { 'aes-256-gcm': 'AES-256-GCM', sm4: 'SM4-CTR + HMAC-SM3' } as const;

function columnsOf(): Column<NodeKey>[] {
  return [
    { key: 'id', title: t('nodeKeys.id'), width: 80, align: 'right', render: (k) => k.id },
    { key: 'algorithm', title: t('nodeKeys.algorithm'), width: 220, render: (k) => algorithm[k.algorithm] },
    { key: 'made', title: t('nodeKeys.made'), render: (k) => (k.made ? moment(k.made) : <span className="dim">{t('nodeKeys.earlier')}</span>) },
    {
      key: 'use',
      title: t('nodeKeys.use'),
      width: '40%',
      render: (k) => (
        <span className="mark" data-state={k.in_use ? 'online' : 'never'}>
          {t(k.in_use ? 'nodeKeys.inUse' : 'nodeKeys.older')}
        </span>
      ),
    },
  ];
}

/** What is printed and locked away. The code is here and nowhere else. */
function Sheet({ code, keys, onClose }: { code: string; keys: NodeKeys; onClose: () => void }) {
  const groups = code.split('-');
  const line = `${groups.slice(0, 4).join('-')}\n${groups.slice(4).join('-')}`;
  return (
    <Modal
      open
      title={t('nodeKeys.sheet')}
      onCancel={onClose}
      width={620}
      mask={{ closable: false }}
      footer={[
        <Button key="print" onClick={() => window.print()}>
          {t('factor.print')}
        </Button>,
        <Button key="kept" type="primary" onClick={onClose}>
          {t('action.kept')}
        </Button>,
      ]}
    >
      <p>{t('nodeKeys.sheetOnce')}</p>
      <div className="print-area key-sheet">
        <h2>{t('nodeKeys.sheetTitle')}</h2>
        <dl className="facts">
          <dt>{t('nodeKeys.sheetNode')}</dt>
          <dd>{location.host}</dd>
          <dt>{t('nodeKeys.made')}</dt>
          <dd>
            {moment(keys.sheet?.made ?? '')} · {keys.sheet?.by}
          </dd>
        </dl>
        <div className="key-code">
          <QRCode value={code} type="svg" size={132} bordered={false} color="#000" bgColor="#fff" />
          <pre aria-label={t('nodeKeys.code')} role="region" tabIndex={0}>
            {line}
          </pre>
        </div>
        <p>{t('nodeKeys.sheetUse')}</p>
        <pre className="key-command">songhua keys recover --data DIR</pre>
        <p className="dim">{t('nodeKeys.sheetKeep')}</p>
      </div>
      <CopyButton text={code} />
    </Modal>
  );
}

/** Asks before a new key is made; where the master key is a file it may be made anew too. */
function Rotate({ keys, onDone, onClose }: { keys: NodeKeys; onDone: (n: number) => void; onClose: () => void }) {
  const [master, setMaster] = useState(false);
  const { busy, problem, run } = useAct();
  return (
    <Modal
      open
      title={t('nodeKeys.rotate')}
      okText={t('nodeKeys.rotate')}
      cancelText={t('action.cancel')}
      confirmLoading={busy}
      onCancel={onClose}
      onOk={() => void run(async () => onDone((await post<{ resealed: number }>('security/keys/rotation', { master })).resealed))}
    >
      <p>{t('nodeKeys.rotateWhat')}</p>
      {keys.master.kind === 'file' ? (
        <Checkbox checked={master} onChange={(e) => setMaster(e.target.checked)}>
          {t('nodeKeys.rotateMaster', { file: keys.master.where })}
        </Checkbox>
      ) : (
        <p className="dim">{t('nodeKeys.masterElsewhere')}</p>
      )}
      <ProblemView problem={problem} />
    </Modal>
  );
}

export default function Keys() {
  const lang = useLanguage();
  const { may } = useSession();
  const { modal, message } = App.useApp();
  const { busy, problem: refused, run } = useAct();
  const { data, problem, reload } = useResource<NodeKeys>('security/keys');
  const [asking, setAsking] = useState(false);
  const [sheet, setSheet] = useState<(NodeKeys & { code: string }) | null>(null);
  const columns = useMemo(columnsOf, [lang]);
  const change = may('config.security');

  const make = () =>
    run(async () => {
      setSheet(await post<NodeKeys & { code: string }>('security/keys/sheet'));
      reload();
    });
  const askSheet = () =>
    data?.sheet
      ? modal.confirm({
          title: t('nodeKeys.newSheet'),
          content: t('nodeKeys.newSheetAsk', { time: day(data.sheet.made) }),
          okText: t('nodeKeys.newSheet'),
          cancelText: t('action.cancel'),
          onOk: make,
        })
      : void make();
  const revoke = () =>
    modal.confirm({
      title: t('nodeKeys.revoke'),
      content: t('nodeKeys.revokeAsk'),
      okText: t('nodeKeys.revoke'),
      cancelText: t('action.cancel'),
      okButtonProps: { danger: true },
      onOk: () =>
        run(async () => {
          await remove('security/keys/sheet');
          reload();
        }, t('nodeKeys.revoked')),
    });

  return (
    <div className="page">
      <PageHeader title={t('nodeKeys.title')} note={t('nodeKeys.what')} />
      <ProblemView problem={problem} retry={reload} />
      <ProblemView problem={refused} />
      {!data && !problem ? <Loading /> : null}
      {data ? (
        <div className="stack">
          <Panel title={t('nodeKeys.master')}>
            <dl className="facts">
              <dt>{t('nodeKeys.masterIs')}</dt>
              <dd>
                {t(`nodeKeys.master.${data.master.kind}`)} · <code>{data.master.where}</code>
              </dd>
            </dl>
            <p className="dim">{t('nodeKeys.masterHint')}</p>
          </Panel>
          <Panel
            title={t('nodeKeys.keys')}
            extra={
              change ? (
                <Button size="small" type="primary" onClick={() => setAsking(true)}>
                  {t('nodeKeys.rotate')}
                </Button>
              ) : null
            }
          >
            <DataTable label={t('nodeKeys.keys')} columns={columns} rows={data.keys} rowKey={(k) => String(k.id)} />
            <p className="dim">{t('nodeKeys.keysHint')}</p>
          </Panel>
          <Panel
            title={t('nodeKeys.sheet')}
            extra={
              change ? (
                <span className="row-actions">
                  {data.sheet ? (
                    <Button size="small" danger onClick={revoke}>
                      {t('nodeKeys.revoke')}
                    </Button>
                  ) : null}
                  <Button size="small" type={data.sheet ? 'default' : 'primary'} loading={busy} onClick={() => void askSheet()}>
                    {t('nodeKeys.newSheet')}
                  </Button>
                </span>
              ) : null
            }
          >
            <p>{data.sheet ? t('nodeKeys.sheetThere', { time: moment(data.sheet.made), by: data.sheet.by }) : t('nodeKeys.sheetNone')}</p>
            <p className="dim">{t('nodeKeys.sheetWhat')}</p>
          </Panel>
        </div>
      ) : null}
      {asking && data ? (
        <Rotate
          keys={data}
          onClose={() => setAsking(false)}
          onDone={(n) => {
            setAsking(false);
            reload();
            void message.success(t('nodeKeys.rotated', { n }));
          }}
        />
      ) : null}
      {sheet ? <Sheet code={sheet.code} keys={sheet} onClose={() => setSheet(null)} /> : null}
    </div>
  );
}
