import { App, Button, Form, Input, Select } from 'antd';
import { lazy, Suspense, useEffect, useState } from 'react';
import { call, get, remove, seg } from '../../api/client';
import type { Member, Page, Property, Thing, ThingEvent } from '../../api/types';
import { useResource } from '../../api/useResource';
import { navigate, setQuery, usePlace } from '../../app/router';
import { useSession } from '../../app/session';
import { ClassChoice, ClassMark } from '../../components/DataClass';
import { Loading } from '../../components/Loading';
import { DemoMark } from '../../components/Marks';
import { PageHeader } from '../../components/PageHeader';
import { PageTabs } from '../../components/PageTabs';
import { ProblemView } from '../../components/ProblemView';
import { useAct } from '../../components/useAct';
import { pick, t, useLanguage } from '../../i18n';
import { saveFile } from '../devices/importFile';
import { MemberTable } from './MemberTable';
import { eventColumns, propertyColumns, serviceColumns } from './members';
import { asInherited, checkThing, emptyThing, parseThing, portable, withParent, type ListKey } from './model';
import { Review, type Proposal } from './Review';
import { Uses } from './Uses';
import { Versions } from './Versions';

const Files = lazy(() => import('../../components/files/Files'));

type Change = (part: Partial<Thing>) => void;

/** Which model this one extends; what it inherits is fetched and shown at once. */
function Extends({ thing, set }: { thing: Thing; set: (thing: Thing) => void }) {
  const { data } = useResource<Page<Thing>>('things');
  const { problem, run } = useAct();
  const choose = (id: string | undefined) =>
    run(async () => set(withParent(thing, id ? await get<Thing>(`things/${seg(id)}`) : null)));
  return (
    <Form.Item label={t('thing.extends')} htmlFor="thing-extends">
      <Select
        id="thing-extends"
        allowClear
        showSearch
        optionFilterProp="label"
        placeholder={t('thing.extendsNone')}
        value={thing.extends || undefined}
        options={(data?.items ?? [])
          .filter((other) => other.id !== thing.id && other.extends !== thing.id)
          .map((other) => ({ value: other.id, label: `${pick(other.name, other.id)} (${other.id})` }))}
        onChange={(id: string | undefined) => void choose(id)}
      />
      <ProblemView problem={problem} />
    </Form.Item>
  );
}

function Head({ thing, fresh, change, set }: { thing: Thing; fresh: boolean; change: Change; set: (thing: Thing) => void }) {
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
      <Extends thing={thing} set={set} />
      <Form.Item label={t('data.class')} htmlFor="thing-class">
        <ClassChoice
          id="thing-class"
          none={t('data.asAbove')}
          value={thing}
          onChange={(to) => change({ data_class: undefined, data_level: undefined, ...to })}
        />
      </Form.Item>
      <Form.Item label={t('thing.description')} htmlFor="thing-text" className="rest">
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

interface MembersProps {
  thing: Thing;
  change: Change;
  set: (t: Thing) => void;
  versions: React.ReactNode;
  files: React.ReactNode;
}

function Members({ thing, change, set, versions, files }: MembersProps) {
  useLanguage();
  const { query } = usePlace();
  const parent = useResource<Thing>(thing.extends ? `things/${seg(thing.extends)}` : null);
  const properties = thing.properties ?? [];
  const events = thing.events ?? [];
  const services = thing.services ?? [];
  const inherit =
    <T extends Member>(list: ListKey) =>
    (row: T): T => {
      const above = parent.data?.[list]?.find((m) => m.id === row.id) as T | undefined;
      return above && parent.data ? asInherited(parent.data, above) : row;
    };
  return (
    <PageTabs
      label={t('nav.things')}
      active={query.get('tab') ?? 'properties'}
      onChange={(tab) => setQuery({ tab: tab === 'properties' ? null : tab })}
      items={[
        {
          key: 'properties',
          label: `${t('thing.properties')} ${properties.length}`,
          children: (
            <MemberTable
              label={t('thing.properties')}
              rows={properties}
              columns={propertyColumns()}
              list="properties"
              inherit={inherit<Property>('properties')}
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
              list="events"
              inherit={inherit<ThingEvent>('events')}
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
              list="services"
              inherit={inherit('services')}
              fresh={() => ({ id: '', input: [], output: [] })}
              addWord={t('thing.addService')}
              onChange={(rows) => change({ services: rows })}
            />
          ),
        },
        { key: 'json', label: 'JSON', children: <JsonPage thing={thing} onChange={set} /> },
        ...(versions ? [{ key: 'versions', label: t('thing.versions'), children: versions }] : []),
        ...(files ? [{ key: 'files', label: t('files.title'), children: files }] : []),
      ]}
    />
  );
}

interface EditorProps {
  start: Thing;
  etag: string | null;
  fresh: boolean;
  reload: () => void;
}

function Editor({ start, etag, fresh, reload }: EditorProps) {
  const [thing, setThing] = useState(start);
  const [review, setReview] = useState<Thing | null>(null);
  useEffect(() => setThing(start), [start]);
  const { may } = useSession();
  const { modal } = App.useApp();
  const { busy, problem, run } = useAct();
  const faults = checkThing(thing);
  const dirty = JSON.stringify(thing) !== JSON.stringify(start);
  const change: Change = (part) => setThing((old) => ({ ...old, ...part }));
  const write = may('things.write') && !start.shared;

  const make = () =>
    run(async () => {
      await call('POST', 'things', { json: thing });
      navigate(`/things/${seg(thing.id)}`, true);
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
  return (
    <>
      <PageHeader
        title={fresh ? t('thing.create') : pick(thing.name, thing.id)}
        parent={{ path: '/things', title: t('nav.things') }}
        marks={
          <>
            {thing.demo ? <DemoMark /> : null}
            <ClassMark of={thing} masked />
            {fresh ? null : <span className="tag">{t('thing.version', { n: start.revision ?? 1 })}</span>}
          </>
        }
        note={fresh ? null : <Uses thing={start} />}
        actions={
          <>
            <Button
              onClick={() => saveFile(`${thing.id || 'thing'}.json`, JSON.stringify([portable(thing)], null, 2), 'application/json')}
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
                onClick={() => (fresh ? void make() : setReview(thing))}
              >
                {t('action.save')}
              </Button>
            ) : null}
          </>
        }
      />
      <ProblemView problem={problem} />
      {start.shared ? <p className="dim">{t('thing.readOnly')}</p> : null}
      {dirty && faults.length > 0 ? (
        <div className="hint-line" role="status">
          {faults.slice(0, 3).map((f) => `${f.path}: ${t(`fault.${f.kind}`)}`).join(' · ')}
        </div>
      ) : null}
      <Head thing={thing} fresh={fresh} change={change} set={setThing} />
      <Members
        thing={thing}
        change={change}
        set={setThing}
        versions={fresh ? null : <Versions key={start.revision} thing={start} etag={etag} write={write} onRestored={reload} />}
        files={
          fresh || start.shared ? null : (
            <Suspense fallback={<Loading />}>
              <Files path={`things/${seg(start.id)}`} mayWrite={write} />
            </Suspense>
          )
        }
      />
      {review ? (
        <Review
          title={t('thing.review')}
          proposal={proposal(review, etag)}
          onClose={() => setReview(null)}
          onDone={() => {
            setReview(null);
            reload();
          }}
        />
      ) : null}
    </>
  );
}

const proposals = new WeakMap<Thing, Proposal>();
/** The same object for the same model: the trial is made once. */
function proposal(thing: Thing, etag: string | null): Proposal {
  const known = proposals.get(thing);
  if (known && known.etag === etag) return known;
  const made: Proposal = { method: 'PUT', path: `things/${seg(thing.id)}`, etag, body: thing };
  proposals.set(thing, made);
  return made;
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
