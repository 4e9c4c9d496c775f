// The history explorer in headless Chromium, against the mock or (SONGHUA_URL) the real binary: axes, cursor, statistics of a selection.
import { readFileSync } from 'node:fs';
import { api, historyPath, openPage, password, real, signIn, startBrowser, startPlatform, until } from './browser.js';

let platform;
let browser;
let page;
let faults;
let names; // two points of different units, the first one a rate

/** A fresh platform has no past: two hours of it, a sample every ten seconds, up to two minutes ago. */
async function fill(name) {
  const at = name.lastIndexOf('/');
  const end = Date.now() - 120_000;
  const rows = Array.from({ length: 720 }, (_, i) => ({ ts: end - i * 10_000, values: { [name.slice(at + 1)]: 20.5 + (i % 30) } }));
  const { status, data } = await api(page, 'POST', `ingest?device=${encodeURIComponent(name.slice(0, at))}`, rows);
  expect([status, data.rejected]).toEqual([200, []]);
}

beforeAll(async () => {
  platform = await startPlatform();
  browser = await startBrowser();
  ({ page, faults } = await openPage(browser.context));
  await signIn(page, platform.url);
  const all = (await api(page, 'GET', 'points?limit=300')).data.items.filter((p) => p.type === 'f64' && p.unit);
  const recent = { points: all.map((p) => `${p.device}/${p.property}`), from: Date.now() - 600_000, to: Date.now(), time: 'ms', aggregate: ['count'] };
  const answer = await api(page, 'POST', 'history/query', recent);
  expect(answer.data.series, JSON.stringify(answer.data)).toBeDefined();
  const live = answer.data.series.filter((s) => s.count[0] > 0);
  const rate = live.find((p) => /^k?W$|\/(h|min)$/.test(p.unit));
  const other = live.find((p) => p.unit !== rate.unit && p.unit === 'Cel');
  names = [rate.point, other.point];
  if (real) for (const name of names) await fill(name);
});
afterAll(async () => {
  await browser?.close();
  await platform?.close();
});
afterEach(() => {
  expect(faults.splice(0)).toEqual([]);
});

const open = async (tail) => {
  await page.goto(platform.url + historyPath(names, tail));
  await page.waitForSelector('.legend tbody tr');
  await until(() => page.locator('.chart-box').getAttribute('data-took'), (text) => Number(text) > 0, 'answer');
};
const axes = () => page.locator('.line-chart').getAttribute('data-axes');
const button = (name) => page.getByRole('button', { name: new RegExp(`^${[...name].join('\\s?')}$`) });
const query = () => new URL(page.url()).searchParams;

describe('axes', () => {
  test('a unit has its own axis; a line is moved to another and back', async () => {
    await open('last=1h');
    await until(axes, (n) => n === '2', 'two axes');
    await page.getByLabel(`${names[1]} 的坐标轴`).click();
    await page.locator('.ant-select-item-option', { hasText: /^左 1$/ }).click();
    await until(axes, (n) => n === '1', 'one axis');
    expect(query().get('axes')).toBe(`${encodeURIComponent(names[1])}=1`);
    await page.reload();
    await until(axes, (n) => n === '1', 'one axis again');
    await page.goBack();
    await open('last=1h&axes=');
    await until(axes, (n) => n === '2', 'two axes');
  });

  test('an axis is logarithmic when asked', async () => {
    await open('last=1h');
    const box = page.locator('.log-axes input').first();
    await box.check();
    await page.waitForURL(/log=1/);
    await page.reload();
    await until(() => page.locator('.log-axes input').first().isChecked(), Boolean, 'kept');
    await page.locator('.log-axes input').first().uncheck();
    await until(() => query().get('log'), (log) => log === null, 'linear');
  });

  test('the cursor tells the value of every line at its time', async () => {
    await open('last=1h');
    const over = await page.locator('.u-over').boundingBox();
    await page.mouse.move(over.x + over.width * 0.6, over.y + 60);
    const cells = page.locator('.legend tbody td.strong');
    await until(() => cells.allInnerTexts(), (texts) => texts.length === 2 && texts.every((text) => /\d/.test(text)), 'values');
    expect(await page.locator('.legend-cursor').innerText()).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
  });

  test('a saved chart keeps its axes, and is deleted again', async () => {
    await open(`last=1h&log=1&axes=${encodeURIComponent(`${encodeURIComponent(names[1])}=1`)}`);
    await until(axes, (n) => n === '1', 'one axis');
    await button('保存曲线').click();
    await page.locator('.ant-modal input').fill('两条一轴');
    await page.locator('.ant-modal .ant-btn-primary').click();
    await page.locator('.ant-modal').waitFor({ state: 'detached' });
    await open('last=24h');
    await until(axes, (n) => n === '2', 'two axes');
    await page.getByLabel('已存曲线').click();
    await page.locator('.ant-select-item-option', { hasText: '两条一轴' }).click();
    await until(axes, (n) => n === '1', 'its axis again');
    expect([query().get('log'), query().get('last')]).toEqual(['1', '1h']);
    await button('管理').click();
    await page.locator('.saved-charts li', { hasText: '两条一轴' }).locator('button').click();
    await page.locator('.ant-modal-confirm .ant-btn-dangerous').click();
    await until(() => page.locator('.saved-charts li', { hasText: '两条一轴' }).count(), (n) => n === 0, 'gone');
  });

  test('export: CSV, line protocol, columnar', async () => {
    await open('last=1h');
    await button('导出').click();
    const links = page.locator('.ant-dropdown a[download]');
    await links.first().waitFor();
    const formats = await links.evaluateAll((all) => all.map((a) => new URL(a.href).searchParams.get('format')));
    expect(formats).toEqual(['csv', 'csv', 'lines', 'columns']);
    if (!real) return;
    for (const at of [1, 2, 3]) {
      const size = await links.nth(at).evaluate(async (a) => (await (await fetch(a.href)).arrayBuffer()).byteLength);
      expect(size).toBeGreaterThan(100);
    }
  });

});

describe('statistics of a selection', () => {
  const stat = async (row, name) => Number((await page.locator(`.stats tbody tr`).nth(row).locator(`[data-stat=${name}]`).innerText()).replace(/[, ]|[^\d.-].*$/g, ''));

  test('dragging selects, the panel counts what is selected as the server does', async () => {
    await open('last=1h');
    await button('框选').click();
    const over = await page.locator('.u-over').boundingBox();
    await page.mouse.move(over.x + over.width * 0.3, over.y + 80);
    await page.mouse.down();
    await page.mouse.move(over.x + over.width * 0.6, over.y + 80, { steps: 6 });
    await page.mouse.up();
    await page.waitForURL(/sel=\d+-\d+&?/);
    await page.waitForSelector('.stats tbody tr');
    expect(await page.locator('.chart-band').count()).toBe(1);
    const [from, to] = query().get('sel').split('-').map(Number);
    expect(to - from).toBeGreaterThan(0.25 * 3_600_000);
    expect(to - from).toBeLessThan(0.35 * 3_600_000);
    const aggregate = ['count', 'min', 'max', 'mean', 'twa', 'p50', 'duration:>-1e300'];
    const { data } = await api(page, 'POST', 'history/query', { points: names, from, to, time: 'ms', aggregate });
    const [want] = data.series;
    await until(() => stat(0, 'count'), (n) => n === want.count[0], 'count');
    for (const name of ['min', 'max', 'mean', 'twa', 'p50']) expect(await stat(0, name)).toBeCloseTo(want[name][0], 2);
    const per = want.unit.endsWith('/min') ? 60 : 3600;
    const sum = (want.twa[0] * want['duration:>-1e300'][0]) / per;
    expect(Math.abs((await stat(0, 'integral')) - sum)).toBeLessThan(1e-3 * Math.abs(sum) + 1e-3);
    expect(await page.locator('.stats tbody tr').nth(1).locator('[data-stat=integral]').innerText()).toBe('–');
  });

  test('a selection is in the link, is changed by hand, and is zoomed to', async () => {
    const to = Math.floor(Date.now() / 60_000) * 60_000 - 600_000;
    await open(`last=1h&panel=stats&sel=${to - 600_000}-${to}`);
    await page.waitForSelector('.chart-band');
    const before = await page.getByLabel('选中范围的开始').inputValue();
    await page.getByLabel('选中范围的开始').fill(before.replace(/:(\d\d)(?=(:\d\d)?$)/, (_, m) => `:${m === '59' ? '58' : String(Number(m) + 1).padStart(2, '0')}`));
    await until(() => query().get('sel'), (sel) => sel !== `${to - 600_000}-${to}`, 'changed');
    await button('放大到选中范围').click();
    await page.waitForURL(/from=/);
    expect(Number(await page.locator('.line-chart').getAttribute('data-to'))).toBe(to);
    await button('取消选中').click();
    await until(() => page.locator('.chart-band').count(), (n) => n === 0, 'no band');
    await page.getByText('可见范围', { exact: true }).waitFor();
  });
});

describe('corrections', () => {
  const rows = () => page.locator('.edits tbody tr:not(.blank)');
  const dialog = (name) => page.locator('.ant-modal', { hasText: name });
  const count = async (from, to) =>
    (await api(page, 'POST', 'history/query', { points: [names[0]], from, to, time: 'ms', aggregate: ['count', 'min', 'max'], quality: 'all' })).data.series[0]; // as the dialog does: a bad one of the plant's start too
  const why = `校准 ${Date.now().toString(36)}`;

  test('samples of a selection are corrected with a reason, marked, and the correction is withdrawn', async () => {
    const to = Date.now() - 5_000;
    const from = to - 20_000;
    const before = await count(from, to);
    expect(before.count[0]).toBeGreaterThan(0);
    await open(`from=${to - 120_000}&to=${to + 1000}&panel=edits&sel=${from}-${to}`);
    await button('更正样本').click();
    await dialog('更正样本').locator('#edit-value').fill('12.5');
    await dialog('更正样本').getByLabel('原因').fill(why);
    await dialog('更正样本').getByRole('button', { name: `更正 ${before.count[0]} 个样本` }).click();
    await until(() => rows().filter({ hasText: why }).count(), (n) => n === 1, 'the row of the correction');
    const after = await count(from, to);
    expect([after.count[0], after.min[0], after.max[0]]).toEqual([before.count[0], 12.5, 12.5]);
    await until(() => page.locator('.chart-mark').evaluateAll((all) => all.map((el) => el.getAttribute('aria-label')).join()), (text) => text.includes(why), 'mark');
    await rows().filter({ hasText: why }).getByRole('button', { name: /撤\s?销/ }).click();
    await dialog('撤销').getByLabel('原因').fill('误操作');
    await dialog('撤销').locator('.ant-btn-primary').click();
    await until(() => rows().filter({ hasText: why }).count(), (n) => n === 0, 'withdrawn');
    expect((await count(from, to)).max).toEqual(before.max);
  });

  test('samples are deleted after a fresh proof of who it is, and come back', async () => {
    const to = Date.now() - 5_000;
    const from = to - 20_000;
    const before = await count(from, to);
    await open(`from=${to - 120_000}&to=${to + 1000}&panel=edits&sel=${from}-${to}`);
    await button('删除样本').click();
    await dialog('删除样本').getByLabel(names[0]).check();
    await dialog('删除样本').getByLabel('原因').fill(`${why} 删`);
    await dialog('删除样本').locator('.ant-btn-primary').click();
    const proof = page.locator('.ant-modal input[type=password]');
    await until(async () => (await proof.count()) + (await rows().filter({ hasText: `${why} 删` }).count()), (n) => n > 0, 'proof or row');
    if (await proof.count()) {
      await proof.fill(password);
      await page.keyboard.press('Enter');
    }
    const mine = rows().filter({ hasText: `${why} 删` });
    await until(() => mine.count(), (n) => n === 1, 'the row of the deletion');
    expect((await count(from, to)).count[0] ?? 0).toBe(0);
    await mine.getByRole('button', { name: /撤\s?销/ }).click();
    await dialog('撤销').getByLabel('原因').fill('误操作');
    await dialog('撤销').locator('.ant-btn-primary').click();
    await until(() => mine.count(), (n) => n === 0, 'withdrawn');
    expect((await count(from, to)).count).toEqual(before.count);
  });

  test('without a selection nothing can be changed, and the panel says what to do', async () => {
    await open('last=1h&panel=edits');
    expect(await button('更正样本').isDisabled()).toBe(true);
    expect(await button('删除样本').isDisabled()).toBe(true);
  });
});

describe('another period', () => {
  const lines = () => page.locator('.line-chart').getAttribute('data-lines');
  const number = async (selector) => parseFloat(await page.locator(selector).innerText());

  test('the same points some minutes before: dashed lines, value and difference at the cursor, all in the link', async () => {
    await open('last=15m&mode=mean&step=1m');
    await until(lines, (n) => n === '2', 'two lines');
    await page.getByLabel('对比时段').click();
    await page.locator('.ant-select-item-option', { hasText: '自定义间隔' }).click();
    await page.getByLabel('间隔', { exact: true }).fill('10');
    await page.getByLabel('间隔的单位').click();
    await page.locator('.ant-select-dropdown:not(.ant-select-dropdown-hidden) .ant-select-item-option', { hasText: '分钟' }).click();
    await page.waitForURL(/vs=10m/);
    await page.reload();
    await until(lines, (n) => n === '4', 'four lines');
    const over = await page.locator('.u-over').boundingBox();
    await page.mouse.move(over.x + over.width * 0.9, over.y + 60);
    const then = `[data-then="${names[0]}"]`;
    await until(() => page.locator(then).innerText(), (text) => /\d/.test(text), 'value of the other period');
    const now = await number('.legend tbody tr:first-child td.strong');
    expect(await number(`[data-diff="${names[0]}"]`)).toBeCloseTo(now - (await number(then)), 2);
    await page.getByLabel('对比时段').click();
    await page.locator('.ant-select-dropdown:not(.ant-select-dropdown-hidden) .ant-select-item-option', { hasText: '不对比' }).click();
    await until(lines, (n) => n === '2', 'two lines again');
    expect(query().get('vs')).toBeNull();
  });

  test('figures of the other period and the difference stand below those of this one', async () => {
    await open('last=15m&vs=10m&panel=stats');
    const rows = page.locator('table.stats tbody tr');
    await until(() => rows.count(), (n) => n === 6, 'three rows a point');
    const of = async (kind) => parseFloat(await page.locator(`table.stats [data-${kind}="mean"]`).first().innerText());
    await until(() => of('diff'), (n) => !Number.isNaN(n), 'a difference');
    expect(await of('diff')).toBeCloseTo((await of('stat')) - (await of('then')), 1);
    await open('last=15m&panel=stats');
    await until(() => rows.count(), (n) => n === 2, 'one row a point');
  });
});

describe('calculated series', () => {
  const lines = () => page.locator('.line-chart').getAttribute('data-lines');
  const box = () => page.locator('.ant-modal');
  const field = () => page.locator('#calc-text');
  const verdict = () => page.locator('.calc-check').innerText();
  const save = () => page.locator('.ant-modal .ant-btn-primary');

  test('a ratio is written with help, checked while it is typed, drawn with its unit, and kept in the link', async () => {
    await open('last=30m&mode=mean&step=1m');
    await until(lines, (n) => n === '2', 'two lines');
    await button('计算序列').click();
    await page.fill('#calc-name', '比值');
    await field().fill(`{${names[0]}} + {${names[1]}}`);
    await until(verdict, (text) => /量纲不同/.test(text), 'another kind');
    expect(await page.locator('.calc-check mark').innerText()).toContain(names[0]);
    expect(await save().isDisabled()).toBe(true);
    await field().fill('{no/where} * 2');
    await until(verdict, (text) => /没有名为“no\/where”/.test(text), 'no such point');
    await field().fill('');
    await box().getByRole('button', { name: names[0], exact: true }).click();
    await page.keyboard.type(' * 2 / ');
    await box().getByRole('button', { name: names[0], exact: true }).click();
    const ratio = `{${names[0]}} * 2 / {${names[0]}}`;
    expect(await field().inputValue()).toBe(ratio);
    await until(verdict, (text) => /表达式有效/.test(text), 'valid');
    await box().locator('summary').click();
    await box().getByLabel('查找函数').fill('integral');
    await until(() => box().locator('.calc-functions li').count(), (n) => n === 1, 'one function');
    await save().click();
    await until(lines, (n) => n === '3', 'three lines');
    expect(JSON.parse(query().get('calc'))).toEqual([['比值', ratio]]);
    const row = page.locator('.legend tbody tr').nth(2);
    await until(() => row.locator('[data-label="平均"]').innerText(), (text) => Number(text) === 2, 'figures');
    await page.reload();
    await until(lines, (n) => n === '3', 'kept');
    await button('导出').click();
    const came = page.waitForEvent('download');
    await page.getByRole('menuitem', { name: 'CSV，1 条计算序列' }).click();
    const file = await came;
    expect(file.suggestedFilename()).toBe('calculated.csv');
    const rows = readFileSync(await file.path(), 'utf8').split('\r\n');
    expect(rows[0]).toMatch(/^\ufefftime,比值/);
    expect(rows.length).toBeGreaterThan(10);
    expect(rows.slice(1, -1).every((line) => /^\d{4}-.*Z,(2|)$/.test(line))).toBe(true);
  });

  test('it is changed, one that cannot be calculated says so in its row, and it is removed', async () => {
    const calc = encodeURIComponent(JSON.stringify([['翻倍', `{${names[0]}} * 2`], ['坏的', '{no/where}']]));
    await open(`last=30m&mode=mean&step=1m&calc=${calc}`);
    await until(lines, (n) => n === '3', 'the good one');
    const bad = page.locator('.legend tbody tr').nth(3);
    await until(() => bad.innerText(), (text) => /no\/where/.test(text), 'what is wrong');
    await bad.getByRole('button', { name: '移除 坏的' }).click();
    const row = page.locator('.legend tbody tr').nth(2);
    const mean = async (at) => parseFloat(await page.locator('.legend tbody tr').nth(at).locator('[data-label="平均"]').innerText());
    await until(() => mean(2), (n) => !Number.isNaN(n), 'a mean');
    const about = (n, factor) => Math.abs(n / factor - 1) < 0.2; // a mean of means by minute is not that of all samples
    expect(about((await mean(2)) / (await mean(0)), 2)).toBe(true);
    await row.getByRole('button', { name: '修改计算序列 翻倍' }).click();
    await field().fill(`{${names[0]}} * 4`);
    await until(() => save().isEnabled(), Boolean, 'valid');
    await save().click();
    await until(async () => (await mean(2)) / (await mean(0)), (n) => about(n, 4), 'four times');
    await row.getByRole('button', { name: '移除 翻倍' }).click();
    await until(lines, (n) => n === '2', 'two lines');
    expect(query().get('calc')).toBeNull();
  });
});
