// Answers POST history/query from the plant's functions, in the shapes of docs/api.md.
import { answer, notFound, Refusal } from './answer.js';
import { qualityAt, valueAt } from './plant.js';

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const RAW_STEP_MS = 1000;

export function stepMs(text) {
  const found = /^(\d+)(ms|s|m|h|d)$/.exec(text ?? '');
  return found ? Number(found[1]) * UNITS[found[2]] : null;
}

export function toMs(time) {
  return typeof time === 'number' ? time : Date.parse(time);
}

/** About `n` sample times of [from, to), never in the future. */
function times(from, to, n) {
  const end = Math.min(to, Date.now());
  const step = Math.max(RAW_STEP_MS, Math.ceil((to - from) / n / RAW_STEP_MS) * RAW_STEP_MS);
  const list = [];
  for (let t = Math.ceil(from / step) * step; t < end; t += step) list.push(t);
  return list;
}

function aggregate(name, values) {
  const numbers = values.map(Number);
  const n = numbers.length;
  const sum = numbers.reduce((a, b) => a + b, 0);
  const mean = sum / n;
  switch (name) {
    case 'count':
      return n;
    case 'sum':
      return sum;
    case 'min':
      return Math.min(...numbers);
    case 'max':
      return Math.max(...numbers);
    case 'first':
      return values[0];
    case 'last':
      return values[n - 1];
    case 'stddev':
      return Math.sqrt(numbers.reduce((a, b) => a + (b - mean) ** 2, 0) / Math.max(1, n - 1));
    case 'rate':
      return (numbers[n - 1] - numbers[0]) / n;
    case 'twa':
      return mean;
    default: {
      const share = /^p(\d+(?:\.\d+)?)$/.exec(name);
      if (!share) return mean;
      const sorted = [...numbers].sort((a, b) => a - b);
      return sorted[Math.round((Number(share[1]) / 100) * (n - 1))];
    }
  }
}

function buckets(ask, from, to) {
  const step = stepMs(ask.step);
  if (!step) return [[from, to]];
  const list = [];
  for (let t = Math.floor(from / step) * step; t < to; t += step) {
    list.push([Math.max(t, from), Math.min(t + step, to), t]);
  }
  return list;
}

/** Corrections and deletions in force: what they make of a point's value; undefined: it was deleted. */
export class Edits {
  list = [];

  add(edit) {
    this.list.unshift({ id: this.list.length + 1, by: 'person:admin', time: new Date().toISOString(), ...edit });
    return this.list[0];
  }

  of(point) {
    return this.list.filter((e) => e.points.includes(point));
  }

  apply(point, t, value) {
    for (const e of this.of(point)) {
      if (e.kind === 'deletion' && t >= toMs(e.from) && t < toMs(e.to)) return undefined;
      if (e.kind === 'correction' && e.values.has(t)) return e.values.get(t);
    }
    return value;
  }
}

/** One point over the range: raw, down-sampled or aggregated. */
export function querySeries(ask, device, property, edits) {
  const from = toMs(ask.from);
  const to = toMs(ask.to);
  const base = { point: `${device.id}/${property.id}`, unit: property.unit, type: property.type };
  const edited = edits.of(base.point).length > 0;
  const value = (t) => edits.apply(base.point, t, valueAt(device, property, t));
  const written = (a, b, n) => times(a, b, edited ? (b - a) / RAW_STEP_MS : n).filter((t) => !edited || value(t) !== undefined);
  if (!ask.aggregate) {
    const wanted = ask.downsample ? ask.downsample.points : (ask.limit ?? 10_000);
    const time = written(from, to, wanted);
    return {
      ...base,
      time: ask.time === 'rfc3339' ? time.map((t) => new Date(t).toISOString()) : time,
      value: time.map(value),
      quality: time.map((t) => qualityAt(device, property, t)),
    };
  }
  const rows = buckets(ask, from, to)
    .map(([a, b, start]) => ({ start: start ?? a, seconds: (Math.min(b, Date.now()) - a) / 1000, values: written(a, b, 40).map(value) }))
    .filter((row) => row.values.length > 0);
  const columns = Object.fromEntries(
    ask.aggregate.map((name) => [name, rows.map((row) => (name.startsWith('duration:') ? row.seconds : aggregate(name, row.values)))]),
  );
  return { ...base, time: rows.map((row) => row.start), ...columns };
}

/** Data quality: the plant has a sample a second, so what is wrong is made up: a gap of two minutes each hour, ten minutes in which
 * the value stays, a moment of bad quality. */
export function qualitySeries(ask, device, property) {
  const [from, end] = [toMs(ask.from), Math.min(toMs(ask.to), Date.now())];
  const number = property.type === 'f64' || property.type === 'i64';
  const seconds = { all: Math.max(0, end - from) / 1000, good: 0, gap: 0, stuck: 0, bad: 0, uncertain: 0, range: 0, late: 0 };
  const gap = ask.gap ? stepMs(ask.gap) / 1000 : (ask.gap_factor ?? 3);
  const stuck = number && ask.stuck ? stepMs(ask.stuck) / 1000 : null;
  const intervals = [];
  const add = (kind, a, b, more = {}) => {
    const part = { kind, from: Math.max(a, from), to: Math.min(b, end) };
    if (part.to <= part.from) return;
    seconds[kind] += (part.to - part.from) / 1000;
    intervals.push({ ...part, seconds: (part.to - part.from) / 1000, ...more });
  };
  for (let hour = Math.floor(from / 3_600_000) * 3_600_000; hour < end; hour += 3_600_000) {
    if (gap < 120) add('gap', hour + 600_000, hour + 720_000);
    if (stuck !== null && stuck <= 600) add('stuck', hour + 1_200_000, hour + 1_800_000);
    add('bad', hour + 2_400_000, hour + 2_430_000);
    add('uncertain', hour + 2_700_000, hour + 2_760_000);
    if (number) add('range', hour + 3_000_000, hour + 3_060_000);
    add('late', hour + 3_300_000, hour + 3_400_000, { delay: 420 });
  }
  seconds.good = seconds.all - seconds.gap - seconds.stuck - seconds.bad - seconds.uncertain - seconds.range;
  const { min = null, max = null } = number ? (property.range ?? {}) : {};
  return {
    point: `${device.id}/${property.id}`, type: property.type, unit: property.unit, period: 1, declared: false, gap, stuck, low: min, high: max, seconds,
    samples: { all: Math.round(seconds.all - seconds.gap), bad: seconds.bad, uncertain: seconds.uncertain, range: seconds.range },
    availability: seconds.all > 0 ? 1 - (seconds.gap + seconds.bad) / seconds.all : null,
    intervals: intervals.sort((a, b) => a.from - b.from), merged_within: null,
  };
}

/** Notes on the history; the rest of the mock's routes is in server.js. */
export const noteRoutes = {
  on_notes({ req, res, rest, json, q }) {
    this.notes ??= [];
    const shown = (n) => ({ ...n, from: new Date(n.from).toISOString(), to: new Date(n.to).toISOString(), mine: n.by === 'person:admin' });
    const asked = (q.get('points') ?? '').split(',').filter(Boolean);
    const devices = asked.map((p) => p.slice(0, p.lastIndexOf('/')));
    const on = (n) => asked.length === 0 || n.points.some((p) => asked.includes(p)) || n.devices.some((d) => devices.includes(d)) || n.assets.length > 0;
    const found = () => this.notes
      .filter((n) => on(n) && n.to >= Number(q.get('from') ?? 0) && n.from < Number(q.get('to') ?? Infinity))
      .sort((a, b) => b.from - a.from);
    if (rest[0] === 'export') {
      res.writeHead(200, { 'Content-Type': 'text/csv; charset=utf-8', 'Content-Disposition': 'attachment; filename="notes.csv"' });
      return res.end(`\ufefffrom,to,category,text,on,by,time\r\n${found().map((n) => `${n.from},${n.to},${n.category},${n.text}\r\n`).join('')}`);
    }
    if (req.method === 'GET') return answer(res, 200, { items: found().map(shown), next: null, total: found().length });
    const known = this.notes.find((n) => n.id === rest[0]);
    if (rest[0] && !known) throw notFound('标注');
    if (req.method === 'DELETE') {
      this.notes = this.notes.filter((n) => n !== known);
      return answer(res, 204);
    }
    const body = json();
    if (!body.text?.trim()) throw new Refusal(400, 'bad_request', '标注需要内容，不超过 4000 字节', '');
    const from = toMs(body.from);
    const kept = { points: [], devices: [], assets: [], ...body, from, to: body.to === null || body.to === undefined ? from : toMs(body.to) };
    if (known) Object.assign(known, kept, { edited: { by: 'person:admin', time: new Date().toISOString() } });
    else this.notes.push({ id: `note-${this.notes.length}-${from}`, by: 'person:admin', time: new Date().toISOString(), ...kept });
    return answer(res, known ? 200 : 201, shown(known ?? this.notes[this.notes.length - 1]));
  },
};

/** What begins as a workbook does: the real server makes a whole one. More than a week of seconds is too much. */
export function exportBook({ res, q }) {
  if (Number(q.get('to')) - Number(q.get('from')) > 7 * 86_400_000 && !q.get('step')) {
    throw new Refusal(422, 'limit', '工作簿最多容纳 2000 万个值：请缩短时间、减少点位、按间隔聚合，或导出为 CSV、列式文件', '');
  }
  res.writeHead(200, { 'Content-Type': 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', 'Content-Disposition': 'attachment; filename="history.xlsx"' });
  res.end(Buffer.from('504b0506000000000000000000000000000000000000', 'hex'));
}
