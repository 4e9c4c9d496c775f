import { App, Button, Form, Input, Tabs } from 'antd';
import { useEffect, useState } from 'react';
import { call, put, remove, seg } from '../../api/client';
import type { Property, Thing, ThingEvent } from '../../api/types';
import { useResource } from '../../api/useResource';
import { navigate } from '../../app/router';
import { useSession } from '../../app/session';
import { Loading } from '../../components/Loading';
import { DemoMark } from '../../components/Marks';
import { PageHeader } from '../../components/PageHeader';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { pick, t, useLanguage } from '../../i18n';
import { saveFile } from '../devices/importFile';
import { MemberTable } from './MemberTable';
import { eventColumns, propertyColumns, serviceColumns } from './members';
import { checkThing, emptyThing, parseThing } from './model';
import { UseCount } from './Things';

type Change = (part: Partial<Thing>) => void;
const UCUM = ['Cel', 'K', 'bar', 'kPa', 'MPa', 'L/min', 'm3/h', 'm/s', 'mm', 'mm/s', 'Hz', '/min', 'A', 'V', 'kW', 'kW.h', '%', 's', 'h'];

function Head({ thing, fresh, change }: { thing: Thing; fresh: boolean; change: Change }) {
  const name = (lang: 'zh' | 'en') => ({
    value: thing.name?.[lang] ?? '',
    onChange: (e: React.ChangeEvent<HTMLInputElement>) =>
      change({ name: { ...thing.name, [lang]: e.target.value } }),
  });
  return (
    <Form layout="vertical" className="form-grid" component="div">
      <Form.Item label={t('thing.id')} htmlFor="thing-id">
        <Input
          id="thing-id"
          disabled={!fresh}
          value={thing.id}
          onChange={(e) => change({ id: e.target.value.trim() })}
        />
      </Form.Item>
      <Form.Item label={t('thing.nameZh')} htmlFor="thing-zh">
        <Input id="thing-zh" {...name('zh')} />
      </Form.Item>
      <Form.Item label={t('thing.nameEn')} htmlFor="thing-en">
        <Input id="thing-en" {...name('en')} />
      </Form.Item>
      <Form.Item label={t('thing.description')} htmlFor="thing-text" className="wide">
        <Input
          id="thing-text"
          value={thing.description ?? ''}
          onChange={(e) => change({ description: e.target.value })}
        />
      </Form.Item>
    </Form>
  );
}

function JsonPage({ thing, onChange }: { thing: Thing; onChange: (thing: Thing) => void }) {
  const [text, setText] = useState(() => JSON.stringify(thing, null, 2));
  const parsed = parseThing(text);
  return (
    <>
      <p className="dim">{t('thing.jsonHint')}</p>
      <Input.TextArea
        className="mono"
        rows={24}
        value={text}
        aria-label="JSON"
        status={typeof parsed === 'string' ? 'error' : undefined}
        onChange={(e) => {
          setText(e.target.value);
          const next = parseThing(e.target.value);
          if (typeof next !== 'string') onChange(next);
        }}
      />
      {typeof parsed === 'string' ? <p className="bad">{t('thing.jsonBad', { why: parsed })}</p> : null}
    </>
  );
}

function Members({ thing, change, set }: { thing: Thing; change: Change; set: (t: Thing) => void }) {
  useLanguage();
  const properties = thing.properties ?? [];
  const events = thing.events ?? [];
  const services = thing.services ?? [];
  return (
    <Tabs
      destroyOnHidden
      items={[
        {
          key: 'properties',
          label: `${t('thing.properties')} ${properties.length}`,
          children: (
            <MemberTable
              label={t('thing.properties')}
              rows={properties}
              columns={propertyColumns()}
              fresh={(): Property => ({ id: '', type: 'f64', access: 'r' })}
              addWord={t('thing.addProperty')}
              onChange={(rows) => change({ properties: rows })}
            />
          ),
        },
        {
          key: 'events',
          label: `${t('thing.events')} ${events.length}`,
          children: (
            <MemberTable
              label={t('thing.events')}
              rows={events}
              columns={eventColumns()}
              fresh={(): ThingEvent => ({ id: '', level: 'info', fields: [] })}
              addWord={t('thing.addEvent')}
              onChange={(rows) => change({ events: rows })}
            />
          ),
        },
        {
          key: 'services',
          label: `${t('thing.services')} ${services.length}`,
          children: (
            <MemberTable
              label={t('thing.services')}
              rows={services}
              columns={serviceColumns()}
              fresh={() => ({ id: '', input: [], output: [] })}
              addWord={t('thing.addService')}
              onChange={(rows) => change({ services: rows })}
            />
          ),
        },
        { key: 'json', label: 'JSON', children: <JsonPage thing={thing} onChange={set} /> },
      ]}
    />
  );
}

function Editor({ start, etag, fresh, reload }: { start: Thing; etag: string | null; fresh: boolean; reload: () => void }) {
  const [thing, setThing] = useState(start);
  useEffect(() => setThing(start), [start]);
  const { may } = useSession();
  const { modal } = App.useApp();
  const { busy, problem, run } = useAct();
  const faults = checkThing(thing);
  const dirty = JSON.stringify(thing) !== JSON.stringify(start);
  const change: Change = (part) => setThing((old) => ({ ...old, ...part }));

  const save = () =>
    run(async () => {
      if (fresh) {
        await call('POST', 'things', { json: thing });
        navigate(`/things/${seg(thing.id)}`, true);
      } else {
        await put(`things/${seg(thing.id)}`, thing, etag);
        reload();
      }
    }, t('state.saved'));
  const drop = () =>
    modal.confirm({
      title: t('thing.delete'),
      content: t('thing.deleteHint', { id: thing.id }),
      okText: t('action.delete'),
      cancelText: t('action.cancel'),
      okButtonProps: { danger: true },
      onOk: () =>
        run(async () => {
          await remove(`things/${seg(thing.id)}`);
          navigate('/things');
        }, t('state.deleted')),
    });
  const write = may('things.write');
  return (
    <>
      <PageHeader
        title={fresh ? t('thing.create') : pick(thing.name, thing.id)}
        parent={{ path: '/things', title: t('nav.things') }}
        marks={thing.demo ? <DemoMark /> : null}
        note={
          fresh ? null : (
            <span>
              {t('thing.usedBy')} <UseCount thing={thing.id} />
            </span>
          )
        }
        actions={
          <>
            <Button
              onClick={() => saveFile(`${thing.id || 'thing'}.json`, JSON.stringify([thing], null, 2), 'application/json')}
            >
              {t('action.export')}
            </Button>
            {!fresh && write ? (
              <Button danger onClick={drop}>
                {t('action.delete')}
              </Button>
            ) : null}
            {write ? (
              <Button
                type="primary"
                loading={busy}
                disabled={faults.length > 0 || !(dirty || fresh)}
                onClick={() => void save()}
              >
                {t('action.save')}
              </Button>
            ) : null}
          </>
        }
      />
      <ProblemView problem={problem} />
      {dirty && faults.length > 0 ? (
        <div className="hint-line" role="status">
          {faults.slice(0, 3).map((f) => `${f.path}: ${t(`fault.${f.kind}`)}`).join(' · ')}
        </div>
      ) : null}
      <Head thing={thing} fresh={fresh} change={change} />
      <Members thing={thing} change={change} set={setThing} />
      <datalist id="ucum">
        {UCUM.map((unit) => (
          <option key={unit} value={unit} />
        ))}
      </datalist>
    </>
  );
}

const BLANK = emptyThing();

export default function ThingEditor({ params }: { params: Record<string, string> }) {
  const id = params.id ?? '';
  const fresh = id === '+';
  const { data, etag, problem, reload } = useResource<Thing>(fresh ? null : `things/${seg(id)}`);
  if (fresh) return <Editor start={BLANK} etag={null} fresh reload={reload} />;
  if (data) return <Editor start={data} etag={etag} fresh={false} reload={reload} />;
  return (
    <>
      <PageHeader title={id} parent={{ path: '/things', title: t('nav.things') }} />
      {problem ? <ProblemView problem={problem} retry={reload} /> : <Loading />}
    </>
  );
}
