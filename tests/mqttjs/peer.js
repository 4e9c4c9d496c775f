// MQTT.js as a client of the real binary: what devices in JavaScript, browsers and Node-RED do. Started by tests/wire/mqttjs_test.py with
// one JSON argument; asks it by lines on stdout to kill the server and start it again, and goes on when a line comes back.
// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import mqtt from 'mqtt';

const E = JSON.parse(process.argv[2]);
const ca = readFileSync(E.certificate);
const URLS = {
  tcp: `mqtt://127.0.0.1:${E.mqtt}`,
  tls: `mqtts://127.0.0.1:${E.mqtts}`,
  ws: `ws://127.0.0.1:${E.http}/mqtt`,
  wss: `wss://127.0.0.1:${E.https}/mqtt`,
};
const TOKEN = { username: E.token, password: '' };
const DEVICE = { username: E.device.user, password: E.device.password };
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function ask(what) {
  console.log(`ask ${what}`);
  const { value } = await lines.next();
  assert.equal(value, 'done');
}

const sleep = (ms) => new Promise((r) => setTimeout(r, ms));

async function until(what, test, ms = 15000) {
  const end = Date.now() + ms;
  while (!test()) {
    assert.ok(Date.now() < end, `${what}: not after ${ms} ms`);
    await sleep(5);
  }
}

let number = 0;
async function connect(o = {}) {
  const { over = 'tcp', v = 5, who = TOKEN, ...more } = o;
  const c = await mqtt.connectAsync(URLS[over], {
    protocolVersion: v,
    clientId: `js-${++number}`,
    reconnectPeriod: 0,
    connectTimeout: 10000,
    ca,
    ...who,
    ...more,
  }, false);
  c.got = [];
  c.on('message', (topic, payload, packet) => c.got.push({ topic, text: payload.toString(), packet }));
  c.on('error', () => {});
  return c;
}

const texts = (c) => c.got.map((m) => m.text);

async function credentials() {
  for (const over of Object.keys(URLS)) {
    for (const v of [4, 5]) {
      for (const who of [TOKEN, DEVICE]) {
        const c = await connect({ over, v, who });
        await c.publishAsync(`sh/v1/${E.device.id}/telemetry`, JSON.stringify({ [`${over}${v}`]: 1 }), { qos: 1 });
        await c.endAsync();
      }
    }
  }
  for (const [v, want] of [[4, 4], [5, 0x86]]) {
    await assert.rejects(connect({ v, who: { ...DEVICE, password: 'wrong' } }), (e) => {
      assert.equal(e.code, want);
      return true;
    });
  }
  await assert.rejects(connect({ over: 'tls', ca: undefined }), /self-signed|self signed|certificate/);
}

async function everyQos() {
  let n = 0;
  for (const vp of [4, 5]) {
    for (const vs of [4, 5]) {
      const over = Object.keys(URLS)[n % 4];
      const sub = await connect({ v: vs, over });
      const pub = await connect({ v: vp });
      const granted = await sub.subscribeAsync(`js/${n}/#`, { qos: 2 });
      assert.equal(granted[0].qos, 2);
      const all = [];
      for (const qos of [0, 1, 2]) {
        for (let i = 0; i < 200; i++) all.push(pub.publishAsync(`js/${n}/${qos}`, `${qos}.${i}`, { qos }));
      }
      await Promise.all(all);
      await until('600 messages', () => sub.got.length === 600);
      for (const qos of [0, 1, 2]) {
        const mine = sub.got.filter((m) => m.packet.qos === qos).map((m) => m.text);
        assert.deepEqual(mine, Array.from({ length: 200 }, (_, i) => `${qos}.${i}`));
      }
      const big = Buffer.alloc(300000, 'x');
      await pub.publishAsync(`js/${n}/big`, big, { qos: 2 });
      await until('a large one', () => sub.got.length === 601);
      assert.equal(sub.got[600].text.length, 300000);
      await sub.unsubscribeAsync(`js/${n}/#`);
      await pub.publishAsync(`js/${n}/2`, 'late', { qos: 2 });
      await pub.endAsync();
      await sub.endAsync();
      assert.equal(sub.got.length, 601);
      n++;
    }
  }
}

async function retained() {
  for (const v of [4, 5]) {
    const pub = await connect({ v });
    await pub.publishAsync(`keep/${v}/a`, 'one', { qos: 1, retain: true });
    await pub.publishAsync(`keep/${v}/a`, 'two', { qos: 1, retain: true });
    await pub.publishAsync(`keep/${v}/b`, 'gone', { qos: 2, retain: true });
    await pub.publishAsync(`keep/${v}/b`, '', { qos: 1, retain: true });
    const sub = await connect({ v });
    await sub.subscribeAsync(`keep/${v}/#`, { qos: 1 });
    await until('retained', () => sub.got.length === 1);
    assert.equal(sub.got[0].text, 'two');
    assert.equal(sub.got[0].packet.retain, true);
    await pub.publishAsync(`keep/${v}/a`, 'three', { qos: 1, retain: true });
    await until('as it comes', () => sub.got.length === 2);
    assert.equal(sub.got[1].packet.retain, false);
    if (v === 5) {
      const b = await connect();
      await b.subscribeAsync('keep/5/#', { qos: 1, rh: 2 });
      await b.subscribeAsync('keep/5/a', { qos: 1, rap: true, rh: 1 });
      await until('only if new', () => b.got.length === 1);
      await b.subscribeAsync('keep/5/a', { qos: 1, rap: true, rh: 1 });
      await b.subscribeAsync('self', { qos: 1, nl: true });
      await b.publishAsync('self', 'not to me', { qos: 1 });
      await pub.publishAsync('keep/5/a', 'four', { qos: 1, retain: true });
      await until('retain as published', () => b.got.some((m) => m.text === 'four' && m.packet.retain));
      assert.ok(!texts(b).includes('not to me'));
      assert.equal(b.got.filter((m) => m.text === 'three').length, 1);
      await b.endAsync();
    }
    await Promise.all([pub.endAsync(), sub.endAsync()]);
  }
}

async function wills() {
  const sub = await connect();
  await sub.subscribeAsync('will/#', { qos: 1 });
  for (const v of [4, 5]) {
    const w = await connect({
      v,
      ...(v === 5 && { properties: { sessionExpiryInterval: 60 } }), // else the session ends first, and the will with it
      will: {
        topic: `will/${v}`,
        payload: 'gone',
        qos: 1,
        retain: false,
        ...(v === 5 && { properties: { contentType: 'text/plain', userProperties: { why: 'lost' }, willDelayInterval: 1 } }),
      },
    });
    const from = Date.now();
    w.stream.destroy();
    await until('the will', () => texts(sub).filter((t) => t === 'gone').length === (v === 4 ? 1 : 2));
    if (v === 5) {
      assert.ok(Date.now() - from >= 900, 'the will came before its delay');
      const p = sub.got.at(-1).packet.properties;
      assert.equal(p.contentType, 'text/plain');
      assert.equal(p.userProperties.why, 'lost');
    }
    w.end(true);
  }
  const silent = await connect({ will: { topic: 'will/never', payload: 'x', qos: 1, retain: false } });
  await silent.endAsync();
  const wanted = await connect({ will: { topic: 'will/wanted', payload: 'on purpose', qos: 1, retain: false } });
  await wanted.endAsync(false, { reasonCode: 4 });
  await until('disconnect with will', () => texts(sub).includes('on purpose'));
  assert.ok(!sub.got.some((m) => m.topic === 'will/never'));
  await sub.endAsync();
}

async function properties() {
  const pub = await connect({ properties: { topicAliasMaximum: 10 } });
  const sub = await connect({ properties: { topicAliasMaximum: 10, receiveMaximum: 5 } });
  await sub.subscribeAsync('p/#', { qos: 1, properties: { subscriptionIdentifier: 77 } });
  await pub.publishAsync('p/a', 'one', {
    qos: 1,
    properties: {
      userProperties: { a: ['2', '1'], b: '3' },
      responseTopic: 're/ply',
      correlationData: Buffer.from([0, 1, 255]),
      contentType: 'text/plain',
      payloadFormatIndicator: true,
      messageExpiryInterval: 100,
    },
  });
  await until('properties', () => sub.got.length === 1);
  const p = sub.got[0].packet.properties;
  assert.deepEqual(p.userProperties.a, ['2', '1']);
  assert.equal(p.userProperties.b, '3');
  assert.equal(p.responseTopic, 're/ply');
  assert.deepEqual([...p.correlationData], [0, 1, 255]);
  assert.equal(p.contentType, 'text/plain');
  assert.equal(p.payloadFormatIndicator, true);
  assert.ok(p.messageExpiryInterval === 100 || p.messageExpiryInterval === 99);
  assert.equal(p.subscriptionIdentifier, 77);
  // request and response
  const server = await connect();
  await server.subscribeAsync('ask', { qos: 1 });
  server.on('message', (t, m, k) =>
    server.publish(k.properties.responseTopic, `re: ${m}`, { qos: 1, properties: { correlationData: k.properties.correlationData } }),
  );
  await pub.subscribeAsync('answer/me', { qos: 1 });
  await pub.publishAsync('ask', 'q', { qos: 1, properties: { responseTopic: 'answer/me', correlationData: Buffer.from('id7') } });
  await until('the answer', () => pub.got.length === 1);
  assert.equal(pub.got[0].text, 're: q');
  assert.equal(pub.got[0].packet.properties.correlationData.toString(), 'id7');
  // aliases both ways: ours by number, the server's as it likes
  for (let i = 0; i < 20; i++) {
    await pub.publishAsync(i === 0 ? 'p/alias' : '', String(i), { qos: 1, properties: { topicAlias: 3 } });
  }
  await until('by alias', () => sub.got.length === 21);
  assert.deepEqual(texts(sub).slice(1), Array.from({ length: 20 }, (_, i) => String(i)));
  assert.ok(sub.got.slice(1).every((m) => m.topic === 'p/alias' || m.topic === ''), 'the topic of an aliased message');
  // more at once than the subscriber's receive maximum
  await Promise.all(Array.from({ length: 100 }, (_, i) => pub.publishAsync('p/many', `m${i}`, { qos: 1 + (i % 2) })));
  await until('receive maximum', () => sub.got.length === 121);
  // a message larger than the client takes is left out, the next one comes
  const small = await connect({ properties: { maximumPacketSize: 200 } });
  await small.subscribeAsync('size', { qos: 1 });
  await pub.publishAsync('size', 'x'.repeat(1000), { qos: 1 });
  await pub.publishAsync('size', 'fits', { qos: 1 });
  await until('what fits', () => small.got.length === 1);
  assert.equal(small.got[0].text, 'fits');
  // limits the server states, and the reason codes it gives
  const c = await connect({ clientId: '' });
  await assert.rejects(c.subscribeAsync('a/#/b', { qos: 1 }));
  const code = new Promise((r) => c.on('packetreceive', (p) => p.cmd === 'puback' && r(p.reasonCode)));
  await c.publishAsync('nobody/hears', 'x', { qos: 1 });
  assert.equal(await code, 0x10);
  await Promise.all([pub, sub, server, small, c].map((x) => x.endAsync()));
}

async function takenOver() {
  const first = await connect({ clientId: 'the-one' });
  const told = new Promise((r) => first.on('disconnect', (p) => r(p.reasonCode)));
  const second = await connect({ clientId: 'the-one' });
  assert.equal(await told, 0x8e);
  first.end(true);
  await second.endAsync();
}

async function shared() {
  const members = await Promise.all([0, 1, 2].map(() => connect()));
  for (const m of members) await m.subscribeAsync('$share/crew/job/#', { qos: 1 });
  const pub = await connect({ v: 4 });
  await Promise.all(Array.from({ length: 90 }, (_, i) => pub.publishAsync(`job/${i}`, String(i), { qos: 1 })));
  const sum = () => members.reduce((n, m) => n + m.got.length, 0);
  await until('each job once', () => sum() === 90);
  assert.ok(members.every((m) => m.got.length >= 15), `uneven: ${members.map((m) => m.got.length)}`);
  members[0].stream.destroy();
  await sleep(100);
  await Promise.all(Array.from({ length: 30 }, (_, i) => pub.publishAsync(`job/x${i}`, String(i), { qos: 1 })));
  await until('the others do it', () => sum() === 120);
  members[0].end(true);
  await Promise.all([pub, members[1], members[2]].map((x) => x.endAsync()));
}

/** A session that is away, over a reconnect and over kill -9; expiry of sessions and messages. */
async function sessions(kill) {
  const kinds = [
    { v: 4, clientId: `stay-4-${kill}`, clean: false },
    { v: 5, clientId: `stay-5-${kill}`, clean: false, properties: { sessionExpiryInterval: 600 } },
  ];
  for (const k of kinds) {
    const c = await connect({ ...k, over: 'ws' });
    assert.equal(c.got.length, 0);
    await c.subscribeAsync('away/#', { qos: 2 });
    await c.endAsync();
  }
  const brief = await connect({ clientId: `brief-${kill}`, clean: false, properties: { sessionExpiryInterval: 1 } });
  await brief.subscribeAsync('away/#', { qos: 1 });
  await brief.endAsync();
  const pub = await connect();
  for (let i = 0; i < 40; i++) await pub.publishAsync(`away/${1 + (i % 2)}`, String(i), { qos: 1 + (i % 2) });
  await pub.publishAsync('away/1', 'stale', { qos: 1, properties: { messageExpiryInterval: 1 } });
  await pub.publishAsync('kept/state', 'running', { qos: 1, retain: true });
  await pub.endAsync();
  await sleep(1300);
  if (kill) await ask('kill');
  for (const k of kinds) {
    const got = [];
    const c = mqtt.connect(URLS.tcp, { protocolVersion: k.v, ...k, reconnectPeriod: 0, ...TOKEN });
    c.on('message', (t, m, p) => got.push({ text: m.toString(), p }));
    const ack = await new Promise((r, no) => {
      c.on('connect', r);
      c.on('error', no);
    });
    assert.equal(ack.sessionPresent, true);
    await until('what came meanwhile', () => got.length >= 40);
    await sleep(200);
    const wanted = (q) => Array.from({ length: 40 }, (_, i) => i).filter((i) => 1 + (i % 2) === q).map(String);
    for (const q of [1, 2]) assert.deepEqual(got.filter((m) => m.p.qos === q).map((m) => m.text), wanted(q), `QoS ${q} of ${k.v}`);
    await c.subscribeAsync('kept/state', { qos: 1 });
    await until('the retained one', () => got.some((m) => m.text === 'running' && m.p.retain));
    await c.unsubscribeAsync('away/#');
    await c.endAsync();
  }
  const again = mqtt.connect(URLS.tcp, { protocolVersion: 5, clientId: `brief-${kill}`, clean: false, reconnectPeriod: 0, ...TOKEN });
  const ack = await new Promise((r) => again.on('connect', r));
  assert.equal(ack.sessionPresent, false);
  await again.endAsync();
}

/** Traffic through kill -9: the client reconnects by itself; acknowledged is there, QoS 2 exactly once. */
async function throughKill() {
  const keep = await connect({ clientId: 'keeper-js', clean: false, properties: { sessionExpiryInterval: 600 } });
  await keep.subscribeAsync('through/#', { qos: 2 });
  await keep.endAsync();
  const pub = await connect({
    clientId: 'through-js',
    clean: false,
    reconnectPeriod: 50,
    properties: { sessionExpiryInterval: 600 },
  });
  const done = [];
  for (let r = 0; r < 3; r++) {
    for (let i = 0; i < 200; i++) {
      const text = `${r}.${i}`;
      done.push(pub.publishAsync(`through/${1 + (i % 2)}`, text, { qos: 1 + (i % 2) }).then(() => text));
    }
    await sleep(30 + 40 * r);
    await ask('kill');
    await until('back again', () => pub.connected);
  }
  const acked = await Promise.all(done);
  await ask('kill');
  const got = [];
  const c = mqtt.connect(URLS.tcp, {
    protocolVersion: 5, clientId: 'keeper-js', clean: false, reconnectPeriod: 0, properties: { sessionExpiryInterval: 600 }, ...TOKEN,
  });
  c.on('message', (t, m, p) => got.push({ text: m.toString(), qos: p.qos }));
  await until('all that was acknowledged', () => new Set(got.map((m) => m.text)).size === acked.length, 30000);
  const twice = got.filter((m, i) => m.qos === 2 && got.findIndex((x) => x.text === m.text) !== i);
  assert.deepEqual(twice, [], 'QoS 2 came more than once');
  await c.endAsync();
  await pub.endAsync();
  console.log(`say ${acked.length} acknowledged over 4 kills, all there`);
}

const only = process.argv[3];
const parts = { credentials, everyQos, retained, wills, properties, takenOver, shared, 'sessions, reconnect': () => sessions(false), 'sessions, kill -9': () => sessions(true), throughKill };
for (const [name, part] of Object.entries(parts)) {
  if (only && only !== name) continue;
  try {
    await part();
  } catch (e) {
    console.log(`say FAILED ${name}`);
    console.error(e);
    process.exit(1);
  }
  console.log(`say ${name} ok`);
}
process.exit(0);
