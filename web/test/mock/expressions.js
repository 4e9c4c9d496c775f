// POST history/calculate, GET and POST expressions, for the four operations on numbers and points in braces; units as far as sums go.
// The real server knows the whole language (src/expr/README.md).
import { answer, Refusal } from './answer.js';
import { querySeries } from './history.js';

const POINT = /\{([^}]*)\}/g;
const functions = [
  { name: 'abs', usage: 'abs(x)', group: 'math', description: '绝对值' },
  { name: 'round', usage: 'round(x, digits)', group: 'math', description: '四舍五入；digits 为小数位数，省略为 0' },
  { name: 'if', usage: 'if(c, x, y)', group: 'logic', description: 'c 为真取 x，否则取 y（省略则无值）' },
  { name: 'convert', usage: 'convert(x, "kPa")', group: 'unit', description: '换算为另一单位' },
  { name: 'integral', usage: 'integral(x, gap)', group: 'state', description: '对时间的累积（单位·秒）；间隔超过 gap 秒的部分不计' },
];

function parse(mock, text) {
  const points = [...new Set([...text.matchAll(POINT)].map((m) => m[1]))];
  const found = points.map((name) => mock.point(name));
  const missing = points.find((_, i) => !found[i]);
  if (missing !== undefined) {
    const at = text.indexOf(`{${missing}}`);
    return { at, length: missing.length + 2, message: `没有名为“${missing}”的输入或函数；点位请写在花括号中，如 {pump-1/flow}` };
  }
  const rest = text.replace(POINT, '1');
  if (!/^[\d.+\-*/() ]+$/.test(rest)) {
    const at = text.search(/[^\d.+\-*/() {}]/);
    return { at, length: 1, message: '此处应为数值' };
  }
  if (/[+\-*/(] *$/.test(text)) return { at: text.length, length: 0, message: '表达式在需要数值处结束' };
  const units = found.map((f) => f.property.unit);
  const divided = /^\s*\{[^}]*\}\s*\/\s*\{[^}]*\}\s*$/.test(text) && units.length === 2;
  if (units.length === 2 && /\}\s*[+-]\s*\{/.test(text) && units[0] !== units[1]) {
    return { at: 0, length: text.length, message: `${units[0]} 与 ${units[1]} 量纲不同，不能一起运算` };
  }
  const over = (unit) => (/[./]/.test(unit) ? `(${unit})` : unit);
  const unit = divided ? `${units[0]}/${over(units[1])}` : (units[0] ?? '');
  return { points, found, unit, run: new Function('v', `return ${text.replace(POINT, (_, name) => `v[${points.indexOf(name)}]`)};`) };
}

export const expressionRoutes = {
  on_expressions({ req, res, json }) {
    if (req.method === 'GET') return answer(res, 200, { functions });
    const parsed = parse(this, json().expression);
    if (parsed.message) return answer(res, 200, { valid: false, ...parsed });
    return answer(res, 200, { valid: true, type: 'f64', unit: parsed.unit, remembers: false, points: parsed.points });
  },

  calculate({ res, rest, json }) {
    const ask = json();
    const series = ask.expressions.map(({ name, expression }, i) => {
      const p = parse(this, expression);
      if (p.message) throw new Refusal(400, 'bad_expression', `expressions[${i}].expression 第 ${p.at + 1} 个字符：${p.message}`, '');
      const step = ask.step ?? `${Math.max(1, Math.round((ask.to - ask.from) / 500_000))}s`;
      const columns = p.found.map((f) => querySeries({ ...ask, step, aggregate: ['mean'] }, f.device, f.property, this.edits));
      const time = columns[0]?.time ?? [];
      const value = time.map((t, k) => p.run(columns.map((c) => c.mean[k] ?? NaN))).map((v) => (Number.isFinite(v) ? v : null));
      const there = value.filter((v) => v !== null);
      const statistics = {
        count: there.length, min: Math.min(...there), max: Math.max(...there), mean: there.reduce((a, b) => a + b, 0) / there.length,
        first: there[0] ?? null, last: there[there.length - 1] ?? null,
      };
      return { name: name ?? '', type: 'f64', unit: p.unit, points: p.points, time, value, statistics };
    });
    if (rest[1] !== 'export') return answer(res, 200, { series });
    const head = ['time', ...series.map((s, i) => `${s.name || ask.expressions[i].expression} [${s.unit}]`)];
    const rows = (series[0]?.time ?? []).map((time, k) => [new Date(time).toISOString(), ...series.map((s) => s.value[k] ?? '')]);
    res.writeHead(200, { 'Content-Type': 'text/csv; charset=utf-8', 'Content-Disposition': 'attachment; filename="calculated.csv"' });
    return res.end(`\ufeff${[head, ...rows].map((row) => row.join(',')).join('\r\n')}\r\n`);
  },
};
