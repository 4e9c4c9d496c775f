// Answers POST history/query from the plant's functions, in the shapes of docs/api.md.
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
    default:
      return mean;
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

/** One point over the range: raw, down-sampled or aggregated. */
export function querySeries(ask, device, property) {
  const from = toMs(ask.from);
  const to = toMs(ask.to);
  const base = { point: `${device.id}/${property.id}`, unit: property.unit, type: property.type };
  const value = (t) => valueAt(device, property, t);
  if (!ask.aggregate) {
    const wanted = ask.downsample ? ask.downsample.points : (ask.limit ?? 10_000);
    const time = times(from, to, wanted);
    return {
      ...base,
      time,
      value: time.map(value),
      quality: time.map((t) => qualityAt(device, property, t)),
    };
  }
  const rows = buckets(ask, from, to)
    .map(([a, b, start]) => ({ start: start ?? a, values: times(a, b, 40).map(value) }))
    .filter((row) => row.values.length > 0);
  const columns = Object.fromEntries(
    ask.aggregate.map((name) => [name, rows.map((row) => aggregate(name, row.values))]),
  );
  return { ...base, time: rows.map((row) => row.start), ...columns };
}
