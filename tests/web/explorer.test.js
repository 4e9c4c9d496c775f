// What the history explorer tells beside its lines, in headless Chromium against the mock or (SONGHUA_URL) the real binary: data quality, notes, workbooks.
import { readFileSync } from 'node:fs';
import { api, axeFindings, historyPath, openPage, real, signIn, startBrowser, startPlatform, until } from './browser.js';

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
  if (real) {
    for (const name of names) await fill(name);
    const end = Date.now() - 120_000; // five minutes are missing, whoever else wrote to these points
    const hole = { points: names, from: end - 1_300_000, to: end - 1_000_000, reason: '缺口' };
    expect((await api(page, 'DELETE', 'history', hole)).status).toBe(200);
  }
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
const button = (name) => page.getByRole('button', { name: new RegExp(`^${[...name].join('\\s?')}$`) });
const query = () => new URL(page.url()).searchParams;


const axe = async () => expect(await axeFindings(page)).toEqual([]);

describe('data quality', () => {
  const intervals = () => page.locator('.flaw-band').first().getAttribute('data-intervals', { timeout: 5000 }).then(Number);

  test('bands below the chart, on its time axis; a list that the keyboard reaches; a press zooms', async () => {
    await open('last=1h');
    await button('数据质量').click();
    await page.waitForURL(/panel=quality/);
    await until(intervals, (n) => n > 0, 'intervals');
    expect(await page.locator('.flaw-row').count()).toBe(2);
    const [plot, band] = [await page.locator('.u-over').boundingBox(), await page.locator('.flaw-band').first().boundingBox()];
    expect(Math.abs(plot.x - band.x)).toBeLessThan(2);
    expect(Math.abs(plot.width - band.width)).toBeLessThan(2);
    const from = () => page.locator('.line-chart').getAttribute('data-from').then(Number);
    const to = () => page.locator('.line-chart').getAttribute('data-to').then(Number);
    const first = page.locator('.flaw-table tbody tr', { hasText: '缺口' }).locator('.link').first(); // late data may be all of it
    await first.focus();
    await page.keyboard.press('Enter');
    await until(async () => (await to()) - (await from()), (width) => width < 3_000_000, 'zoomed');
    await axe();
  });

  test('what is under the pointer is told, and a press on the band zooms to it', async () => {
    await open('last=1h&panel=quality&stuck=off&gap=1m'); // the plant's own second-long steps would make gaps of the ten-second past
    await until(intervals, (n) => n > 0, 'intervals');
    const gap = await page.locator('.flaw.gap[data-kind]').last().boundingBox();
    await page.mouse.move(gap.x + gap.width / 2, gap.y + 4);
    expect(await page.locator('.flaw-tip').innerText()).toMatch(/缺口 · .* – .* · /);
    await page.mouse.click(gap.x + gap.width / 2, gap.y + 4);
    await page.waitForURL(/from=/);
  });

  test('thresholds stand in the address and are kept; one that is nonsense changes nothing', async () => {
    await open('last=1h&panel=quality');
    await until(intervals, (n) => n > 0, 'intervals');
    const gap = page.getByLabel('缺口：无数据超过');
    await gap.fill('45m');
    await gap.press('Enter');
    await page.waitForURL(/gap=45m/);
    const stuck = page.getByLabel('不变值：数值不变达');
    await stuck.fill('often');
    await stuck.press('Enter');
    expect(query().get('stuck')).toBe(null);
    await stuck.fill('off');
    await stuck.press('Enter');
    await page.waitForURL(/stuck=off/);
    await until(() => page.locator('.flaw-table').innerText(), (text) => !text.includes('不变值'), 'no stuck value');
    await page.reload();
    await until(() => gap.inputValue(), (text) => text === '45m', 'kept');
    const kinds = page.getByRole('group', { name: '显示哪些问题' }).getByRole('button');
    expect(await kinds.count()).toBe(6);
    for (const kind of await kinds.all()) await kind.click();
    expect(await intervals()).toBe(0);
  });

  test('a saved chart keeps the view and its thresholds', async () => {
    await open('last=1h&panel=quality&gap=20s&stuck=off');
    await button('保存曲线').click();
    await page.locator('.ant-modal input').fill('质量巡检');
    await page.locator('.ant-modal .ant-btn-primary').click();
    await page.locator('.ant-modal').waitFor({ state: 'detached' });
    await open('last=24h');
    await page.getByLabel('已存曲线').click();
    await page.locator('.ant-select-item-option', { hasText: '质量巡检' }).click();
    await page.waitForURL(/panel=quality/);
    expect([query().get('gap'), query().get('stuck'), query().get('last')]).toEqual(['20s', 'off', '1h']);
  });

  test('the list as CSV', async () => {
    await open('last=1h&panel=quality');
    await until(intervals, (n) => n > 0, 'intervals');
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: '导出 CSV' }).click()]);
    const lines = readFileSync(await file.path(), 'utf8').split('\r\n');
    expect(lines[0]).toBe('\ufeffpoint,kind,name,from,to,seconds,merged');
    expect(lines[1]).toMatch(/,(gap|stuck|bad|uncertain|range|late),.*,\d{4}-\d\d-\d\dT.*Z,/);
  });
});

describe('notes', () => {
  const rows = () => page.locator('table.notes tbody tr:not(.blank)');
  const field = (id) => page.locator(`.ant-modal #${id}`);
  const save = async () => {
    await page.locator('.ant-modal .ant-btn-primary').click();
    await page.locator('.ant-modal').waitFor({ state: 'detached' });
  };

  test('a time is selected on the chart and a note written on it; it is marked, listed, changed and removed', async () => {
    await open('last=1h&panel=notes');
    const before = await rows().count();
    await button('框选').click();
    const over = await page.locator('.u-over').boundingBox();
    await page.mouse.move(over.x + over.width * 0.4, over.y + 80);
    await page.mouse.down();
    await page.mouse.move(over.x + over.width * 0.6, over.y + 80, { steps: 5 });
    await page.mouse.up();
    await page.waitForURL(/sel=/);
    await button('新建标注').click();
    await field('note-text').fill('更换机封后试车');
    expect([await field('note-from').inputValue(), await field('note-to').inputValue()].every((text) => text.length >= 16)).toBe(true);
    await save();
    await until(() => rows().count(), (n) => n === before + 1, 'listed');
    await until(() => page.locator('.chart-time.maintenance').count(), (n) => n === 1, 'a band');
    const mark = page.locator('.chart-mark.note.maintenance');
    expect(await mark.getAttribute('aria-label')).toMatch(/检修 · .*\n更换机封后试车\n/);
    await rows().first().getByRole('button', { name: /修\s?改|编\s?辑/ }).click();
    await field('note-text').fill('更换机封后试车，正常');
    await field('note-category').press('ArrowDown');
    await page.locator('.ant-select-item-option', { hasText: '工艺调整' }).click();
    await save();
    await until(() => rows().first().innerText(), (text) => text.includes('正常') && text.includes('工艺调整'), 'changed');
    await axe();
    await page.reload();
    await until(() => page.locator('.chart-time.process').count(), (n) => n === 1, 'still there');
    await page.getByRole('group', { name: '显示哪些类别' }).getByRole('button', { name: '工艺调整' }).click();
    expect(await rows().count()).toBe(before);
    await page.getByRole('group', { name: '显示哪些类别' }).getByRole('button', { name: '工艺调整' }).click();
    await page.getByLabel('搜索内容、作者、对象').fill('机封');
    expect(await rows().count()).toBe(before + 1);
    await rows().first().getByRole('button', { name: /删\s?除/ }).click();
    await page.locator('.ant-modal-confirm .ant-btn-dangerous').click();
    await until(() => rows().count(), (n) => n === before, 'gone');
    await until(() => page.locator('.chart-time').count(), (n) => n === 0, 'no band');
  });

  test('by the form alone: a moment, on a device; found at any time', async () => {
    await open('last=1h&panel=notes');
    await button('新建标注').click();
    await field('note-text').fill('巡检');
    const device = names[0].slice(0, names[0].lastIndexOf('/'));
    await field('note-on').click();
    for (const name of names) await page.locator('.ant-select-item-option-selected', { hasText: name }).click();
    await page.locator('.ant-select-item-option', { hasText: new RegExp(`^${device}$`) }).first().click();
    await field('note-text').focus();
    await save();
    await until(() => rows().count(), (n) => n === 1, 'listed');
    expect(await rows().first().innerText()).toContain(device);
    await open('last=15m&panel=notes');
    await until(() => rows().count(), (n) => n === 0, 'not in this time');
    await page.getByLabel('全部时间').check();
    await until(() => rows().count(), (n) => n === 1, 'at any time');
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: '导出 CSV' }).click()]);
    expect(readFileSync(await file.path(), 'utf8')).toContain('巡检');
    await rows().first().getByRole('button', { name: /删\s?除/ }).click();
    await page.locator('.ant-modal-confirm .ant-btn-dangerous').click();
    await until(() => rows().count(), (n) => n === 0, 'gone');
  });
});

describe('notes on a dashboard', () => {
  test('a chart of a dashboard marks the notes on its points', async () => {
    await open('last=1h');
    const at = Date.now() - 600_000;
    const made = await api(page, 'POST', 'notes', { from: at, to: at + 240_000, category: 'fault', text: '联锁动作', points: [names[0]], devices: [], assets: [] });
    expect(made.status).toBe(201);
    const widgets = [{ id: 'a', kind: 'chart', x: 0, y: 0, w: 12, h: 6, points: [names[0]] }];
    const board = await api(page, 'POST', 'dashboards', { name: '标注', widgets });
    expect(board.status).toBe(201);
    await page.goto(`${platform.url}/dashboards/${board.data.id}?last=1h`);
    await until(() => page.locator('.chart-mark.note.fault').count(), (n) => n === 1, 'marked');
    expect(await page.locator('.chart-mark.note.fault').getAttribute('aria-label')).toContain('联锁动作');
    expect(await page.locator('.chart-time.fault').count()).toBe(1);
    await api(page, 'DELETE', `dashboards/${board.data.id}`);
    await api(page, 'DELETE', `notes/${made.data.id}`);
  });
});

describe('workbooks', () => {
  const choose = async (word) => {
    await button('导出').click();
    await page.locator('.ant-dropdown-menu-item', { hasText: word }).click();
  };

  test('raw and aggregated, with what is here told until it is whole', async () => {
    await open('last=1h');
    for (const word of ['Excel，原始数据', 'Excel，按步长聚合']) {
      const [file] = await Promise.all([page.waitForEvent('download'), choose(word)]);
      expect(file.suggestedFilename()).toBe('history.xlsx');
      const bytes = readFileSync(await file.path());
      expect(bytes.subarray(0, 2).toString()).toBe('PK');
      expect(bytes.subarray(-22, -18).toString('hex')).toBe('504b0506');
      if (real) expect(bytes.length).toBeGreaterThan(2000);
    }
  });

  test('what is too much is refused with a remedy; an export is stopped by its button', async () => {
    if (!real) {
      await open('last=30d');
      await choose('Excel，原始数据');
      await until(() => page.locator('.ant-modal').innerText(), (text) => text.includes('2000 万'), 'refused');
      await page.locator('.ant-modal-footer button').click();
      await page.locator('.ant-modal').waitFor({ state: 'detached' });
    }
    await open('last=1h');
    await page.route('**/history/export**', () => undefined); // no answer comes
    await choose('Excel，原始数据');
    await page.locator('.export-progress').waitFor();
    await page.locator('.ant-modal-footer button').click();
    await page.locator('.ant-modal').waitFor({ state: 'detached' });
    await page.unroute('**/history/export**');
  });
});
