import { describe, expect, test } from 'vitest';
import { parseLabels, labelsText } from '../../src/pages/devices/labels';
import { grantBody, grantValues } from '../../src/pages/account/Grants';
import type { Grant } from '../../src/api/types';
import { guessEncoding, rejectedCsv, templateCsv } from '../../src/pages/devices/importFile';
import { fileName, fingerprintText, pemKind } from '../../src/pages/device/pem';
import { mqttUser, snippets, topicOf, type About } from '../../src/pages/device/snippets';
import { asInherited, checkThing, edited, emptyThing, enumText, mayEdit, parseEnum, parseThing, portable, withParent } from '../../src/pages/things/model';
import { fieldsText } from '../../src/pages/things/FieldsEditor';
import { findUnits } from '../../src/pages/things/units';

describe('labels', () => {
  test.each([
    ['line:2, shift:a', { line: '2', shift: 'a' }],
    ['产线：二；班=甲', { 产线: '二', 班: '甲' }],
    ['', {}],
    ['url:http://x', { url: 'http://x' }],
    ['nonsense', null],
  ])('%s', (text, labels) => expect(parseLabels(text)).toEqual(labels));
  test('there and back', () => {
    expect(parseLabels(labelsText({ a: '1', b: 'x' }))).toEqual({ a: '1', b: 'x' });
  });
});

describe('import file', () => {
  test('UTF-8 and GBK are told apart', () => {
    expect(guessEncoding(new TextEncoder().encode('id,name\npump,水泵'))).toBe('utf-8');
    expect(guessEncoding(new Uint8Array([0x70, 0x2c, 0xcb, 0xae, 0xb1, 0xc3]))).toBe('gbk');
  });
  test('a character cut at the end does not make it GBK', () => {
    expect(guessEncoding(new TextEncoder().encode('水泵').slice(0, 5))).toBe('utf-8');
  });
  test('what is saved opens in Excel: byte order mark, quoted fields', () => {
    expect(templateCsv().charCodeAt(0)).toBe(0xfeff);
    const report = rejectedCsv([{ row: 3, column: 'id', detail: 'say "id", please' }], [['id'], ['a'], ['b']]);
    expect(report.split('\r\n')[1]).toBe('b,3,id,"say ""id"", please"');
  });
});

describe('certificates', () => {
  test.each([
    ['-----BEGIN CERTIFICATE-----\nMII', 'certificate'],
    ['Bag Attributes\n-----BEGIN CERTIFICATE-----', 'certificate'],
    ['-----BEGIN CERTIFICATE REQUEST-----', 'request'],
    ['-----BEGIN NEW CERTIFICATE REQUEST-----', 'request'],
    ['-----BEGIN PRIVATE KEY-----', 'key'],
    ['-----BEGIN EC PRIVATE KEY-----', 'key'],
    ['-----BEGIN CERTIFICATE-----\n-----BEGIN RSA PRIVATE KEY-----', 'key'],
    ['-----BEGIN PUBLIC KEY-----', 'unknown'],
    ['', 'unknown'],
  ])('%s is a %s', (text, kind) => expect(pemKind(text)).toBe(kind));
  test('fingerprint and file name', () => {
    expect(fingerprintText('0aff')).toBe('0A:FF');
    expect(fileName('line 1/press:2', 'key')).toBe('line_1_press_2-key.pem');
    expect(fileName('水泵-1', 'ca')).toBe('水泵-1-ca.pem');
  });
});

describe('snippets', () => {
  const about: About = {
    device: "pump 1/a'b",
    tenant: 'park-a',
    host: '10.0.0.5',
    httpUrl: 'http://10.0.0.5:8080',
    mqttPort: 1884,
    secret: 's3cret',
    sample: { flow: 60, running: true, mode: 'auto' },
  };
  const text = (key: string) => snippets(about).find((s) => s.key === key)?.text ?? '';

  test('ids are percent-encoded in topics', () => {
    expect(topicOf('a/b+c#d%e')).toBe('sh/v1/a%2Fb%2Bc%23d%25e/telemetry');
  });
  test('the tenant belongs to the user except in the root', () => {
    expect([mqttUser('d', 'park'), mqttUser('d', ''), mqttUser('d', 'root')]).toEqual(['d@park', 'd', 'd']);
  });
  test('every MQTT program has user, secret, port and topic', () => {
    for (const key of ['mosquitto', 'python', 'c', 'mqttjs']) {
      expect(text(key)).toContain('s3cret');
      expect(text(key)).toContain('1884');
      expect(text(key)).toContain('@park-a');
      expect(text(key)).toContain('sh/v1/pump 1%2Fa');
    }
  });
  test('quotes cannot leave the shell word', () => {
    expect(text('mosquitto')).toContain(`'pump 1/a'\\''b@park-a'`);
  });
  test('Python has its own words for true', () => {
    expect(text('python')).toContain('"running":True');
  });
  test('a line is escaped and keeps types', () => {
    const line = snippets({ ...about, device: 'pump 1,x' }).find((s) => s.key === 'line')?.text;
    expect(line).toContain('pump\\ 1\\,x flow=60,running=true,mode="auto"');
  });
  test('a placeholder stands until there is a secret', () => {
    expect(snippets({ ...about, secret: null })[0]?.text).toContain('<SECRET>');
  });
});

describe('thing model', () => {
  const thing = { ...emptyThing(), id: 'pump' };
  test('faults are found before the server is asked', () => {
    expect(checkThing(thing)).toEqual([]);
    expect(checkThing(emptyThing()).map((f) => f.kind)).toEqual(['noId']);
    const bad = {
      ...thing,
      properties: [
        { id: 'a', type: 'f64' as const, range: { min: 5, max: 1 } },
        { id: 'a', type: 'f64' as const },
        { id: 'x/y', type: 'f64' as const },
        { id: '', type: 'f64' as const },
      ],
    };
    expect(checkThing(bad).map((f) => f.kind).sort()).toEqual(['badId', 'noId', 'range', 'twice']);
  });
  test('enum words, there and back', () => {
    const words = { '0': { zh: '停止', en: 'stopped' }, '-1': { zh: '未知' } };
    expect(parseEnum(enumText(words))).toEqual(words);
    expect(parseEnum('')).toBeUndefined();
    expect(parseEnum('no number')).toBeNull();
  });
  test('fields as one line', () => {
    expect(fieldsText([{ id: 'level', type: 'f64', unit: 'Cel' }, { id: 'n', type: 'i64' }])).toBe('level Cel, n');
    expect(fieldsText(undefined)).toBe('');
  });
  test('units are found by code, quantity and name; the code comes first', () => {
    expect(findUnits('kW')[0]?.code).toBe('kW');
    expect(findUnits('压力').map((u) => u.code)).toContain('bar');
    expect(findUnits('rpm').map((u) => u.code)).toEqual(['/min']);
    expect(findUnits('no such unit')).toEqual([]);
  });
  test('a model takes over what another has, narrows it, and lets it go', () => {
    const base = { ...emptyThing(), id: 'base', properties: [{ id: 't', type: 'f64' as const, range: { max: 9 } }, { id: 'u', type: 'i64' as const }] };
    const child = withParent({ ...emptyThing(), id: 'c', properties: [{ id: 'own', type: 'bool' as const }] }, base);
    expect(child.extends).toBe('base');
    expect(child.properties?.map((p) => [p.id, p.inherited])).toEqual([['t', 'base'], ['u', 'base'], ['own', undefined]]);
    const [first] = child.properties ?? [];
    if (!first) throw new Error('nothing inherited');
    expect(mayEdit('properties', first, 'range')).toBe(false);
    const open = { ...first, overrides: [] };
    expect([mayEdit('properties', open, 'range'), mayEdit('properties', open, 'type')]).toEqual([true, false]);
    const narrowed = edited(open, { range: { max: 5 } });
    expect(narrowed.overrides).toEqual(['range']);
    expect(portable({ ...child, revision: 3, properties: [narrowed, ...(child.properties ?? []).slice(1)] })).toMatchObject({ properties: [{ id: 't' }, { id: 'own' }] });
    expect(asInherited(base, narrowed)).not.toHaveProperty('overrides');
    const again = withParent({ ...child, properties: [narrowed, ...(child.properties ?? []).slice(1)] }, base);
    expect(again.properties?.[0]?.range).toEqual({ max: 5 });
    expect(withParent(again, null).properties?.map((p) => p.id)).toEqual(['own']);
  });
  test('JSON that is no model is refused with the reason', () => {
    expect(parseThing('{"id":"x","properties":{}}')).toBe('list');
    expect(parseThing('[]')).toBe('object');
    expect(typeof parseThing('{')).toBe('string');
    expect(parseThing('{"id":"x","extra":1}')).toMatchObject({ id: 'x', extra: 1, events: [] });
  });
});

describe('grants', () => {
  const given: Grant = {
    role: 'operator', tenant: '', asset: 'line1', from: null, until: '2027-01-05T08:00:00.123456Z', state: 'active', reason: 'repair', by: 'admin', given: '2026-01-01T00:00:00Z',
  };
  test('a row that nobody touched goes back as it came', () => {
    expect(grantBody(grantValues(given, '', 0), given)).toEqual({
      role: 'operator', asset: 'line1', from: undefined, until: given.until, reason: 'repair',
    });
  });
  test('a new end is that of the browser, to the minute', () => {
    const body = grantBody({ ...grantValues(given, '', 0), until: '2027-02-01T00:00' }, given);
    expect(body.until).toBe(new Date(2027, 1, 1).toISOString());
    expect(grantBody({ role: 'viewer', part: 'all' }).until).toBeUndefined();
  });
  test('own, label and tenant have their own members', () => {
    expect(grantBody({ role: 'viewer', part: 'own' })).toMatchObject({ own: true });
    expect(grantBody({ role: 'viewer', part: 'label', what: ' line:1 ' })).toMatchObject({ label: 'line:1' });
    expect(grantBody({ role: 'viewer', part: 'tenant', what: 'park/a' })).toMatchObject({ tenant: 'park/a' });
    expect(grantValues({ role: 'viewer', tenant: 'park/a' }, '', 0)).toMatchObject({ part: 'tenant', what: 'park/a' });
    // an asset of a tenant below stays there
    const below: Grant = { role: 'viewer', tenant: 'park/a', asset: 'x' };
    expect(grantBody(grantValues(below, '', 0), below)).toMatchObject({ tenant: 'park/a', asset: 'x' });
  });
});
