// Dashboards in headless Chromium, against the mock or (SONGHUA_URL) the real binary: building one, live values, a break of the stream,
// conflicts, unsaved work, files, full screen.
import { readFileSync } from 'node:fs';
import { api, openPage, pickDevice, signIn, startBrowser, startPlatform, until } from './browser.js';

let platform;
let browser;
let page;
let faults;
let names; // two numeric points of one online device
const mark = `e2e-${Date.now().toString(36)}`;

beforeAll(async () => {
  platform = await startPlatform();
  browser = await startBrowser();
  ({ page, faults } = await openPage(browser.context));
  await signIn(page, platform.url);
  const { device, points } = await pickDevice(page);
  names = points.map((p) => `${device.id}/${p}`);
});
afterAll(async () => {
  await browser?.close();
  await platform?.close();
});
afterEach(() => {
  expect(faults.splice(0)).toEqual([]);
});

const go = (path) => page.goto(platform.url + path);
const button = (name) => page.getByRole('button', { name: new RegExp(`^${[...name].join('\\s?')}$`) });
const cell = (id) => page.locator(`.board-cell[data-widget="${id}"]`);
const boxOf = async (id) => (await cell(id).getAttribute('data-box')).split(',').map(Number);
const settings = () => page.locator('.board-settings');
const at = (id, kind, x, y, w, h, more) => ({ id, kind, x, y, w, h, ...more });
async function make(name, widgets, more = {}) {
  const { status, data } = await api(page, 'POST', 'dashboards', { name: `${mark} ${name}`, range: '15m', widgets, ...more });
  expect(status, JSON.stringify(data)).toBe(201);
  return data;
}
const put = async (board, change) => {
  const { name, description, shared, range, widgets } = { ...board, ...change };
  const { status, data } = await api(page, 'PUT', `dashboards/${board.id}`, { name, description, shared, range, widgets });
  expect(status, JSON.stringify(data)).toBe(200);
  return data;
};
async function choosePoint(point) {
  await settings().getByRole('button', { name: '选择点位' }).click();
  await page.fill('.pick-dialog .picker input', point);
  const row = page.locator(`.pick-row[title="${point}"] input`);
  await row.waitFor();
  if (!(await row.isChecked())) await row.click();
}

describe('building one', () => {
  test('from the list: made, filled, arranged by keys and by the pointer, saved', async () => {
    await go('/dashboards');
    await button('新建仪表板').first().click();
    await page.getByRole('textbox', { name: '名称' }).fill(`${mark} 一号`);
    await page.locator('.ant-modal').getByRole('button', { name: /新\s?建/ }).click();
    await page.waitForURL(/\/dashboards\/.+\?edit=1/);
    await page.locator('.empty').getByRole('button', { name: /^数\s?值$/ }).click();
    await choosePoint(names[0]);
    await until(() => cell('w1').locator('.value-big').innerText(), (text) => /\d/.test(text), 'a value in the editor');

    await button('添加组件').click();
    await page.getByRole('menuitem', { name: '曲线' }).click();
    await choosePoint(names[0]);
    await page.fill('.pick-dialog .picker input', names[1]);
    await page.locator(`.pick-row[title="${names[1]}"] input`).check();
    await page.keyboard.press('Escape');
    await page.waitForSelector('.pick-dialog', { state: 'hidden' });
    expect(await boxOf('w2')).toEqual([3, 0, 6, 6]);

    await cell('w2').focus();
    for (const key of ['ArrowRight', 'ArrowRight', 'Shift+ArrowDown', 'Shift+ArrowLeft']) await page.keyboard.press(key);
    expect(await boxOf('w2')).toEqual([5, 0, 5, 7]);
    await until(() => page.locator('[role=status]', { hasText: '第 6 列' }).count(), (n) => n > 0, 'the new place is said');
    await cell('w1').focus();
    await page.keyboard.press('ArrowRight'); // into the chart's columns? it pushes nothing yet
    expect(await boxOf('w1')).toEqual([1, 0, 3, 3]);

    // the pointer: by the head to below the chart, by the corner one row higher
    const head = await cell('w1').locator('.widget-head').boundingBox();
    await page.mouse.move(head.x + 40, head.y + 10);
    await page.mouse.down();
    await page.mouse.move(head.x + 40, head.y + 120, { steps: 4 });
    await page.mouse.move(head.x + 40 - 120, head.y + 10, { steps: 4 });
    await page.mouse.up();
    expect(await boxOf('w1')).toEqual([0, 0, 3, 3]);
    const corner = await cell('w1').locator('.resize').boundingBox();
    await page.mouse.move(corner.x + 11, corner.y + 11);
    await page.mouse.down();
    await page.mouse.move(corner.x + 11, corner.y + 65, { steps: 5 });
    await page.mouse.up();
    expect(await boxOf('w1')).toEqual([0, 0, 3, 4]);
    await page.mouse.move(corner.x + 11, corner.y + 65);

    await button('撤销').click();
    expect(await boxOf('w1')).toEqual([0, 0, 3, 3]);
    await button('重做').click();
    expect(await boxOf('w1')).toEqual([0, 0, 3, 4]);
    await cell('w1').focus();
    await page.keyboard.press('Control+d');
    expect(await page.locator('.board-cell').count()).toBe(3);
    await page.keyboard.press('Control+z');
    expect(await page.locator('.board-cell').count()).toBe(2);

    await button('保存').click();
    await page.waitForURL((url) => !url.search.includes('edit'));
    await page.waitForSelector('.value-tile');
    await until(() => page.locator('.value-big').first().innerText(), (text) => /\d/.test(text), 'a value');
    await page.reload();
    await page.waitForSelector('.value-tile');
    expect(await page.locator('.board .widget').count()).toBe(2);
  });

  test('settings change what is shown at once; a cancelled edit changes nothing', async () => {
    const board = await make('settings', [at('w1', 'value', 0, 0, 4, 4, { points: [names[0]] })]);
    await go(`/dashboards/${board.id}?edit=1`);
    await cell('w1').focus();
    await settings().getByRole('textbox', { name: '标题' }).fill('主值');
    await settings().getByRole('spinbutton', { name: '小数位数' }).fill('3');
    await until(() => cell('w1').locator('.value-big').innerText(), (text) => /^-?\d+\.\d{3}/.test(text), 'three decimals');
    await settings().getByRole('button', { name: '添加阈值' }).click();
    await settings().getByRole('spinbutton', { name: '第 1 个阈值' }).fill('-1000000');
    await page.waitForSelector('.value-tile[data-level=warning]');
    await button('取消').click();
    await page.locator('.ant-modal-confirm').getByRole('button', { name: '放弃修改' }).click();
    await page.waitForURL((url) => !url.search.includes('edit'));
    await page.waitForSelector('.value-tile');
    expect(await page.locator('.value-tile[data-level]').count()).toBe(0);
    expect((await api(page, 'GET', `dashboards/${board.id}`)).data.revision).toBe(board.revision);
  });
});

describe('looking at one', () => {
  test('every kind shows the plant; text stays text', async () => {
    const device = names[0].slice(0, names[0].lastIndexOf('/'));
    const property = names[0].slice(names[0].lastIndexOf('/') + 1);
    const text = '# 说明\n<img src=x onerror="document.title=1">\n[坏链接](javascript:alert(1)) [设备](/devices) **要紧**';
    const board = await make('kinds', [
      at('a', 'value', 0, 0, 3, 3, { points: [names[0]] }), at('b', 'gauge', 3, 0, 3, 4, { points: [names[0]], min: -1e6, max: 1e6 }),
      at('c', 'gauge', 6, 0, 3, 3, { points: [names[0]], dial: 'bar' }), at('d', 'table', 0, 4, 6, 5, { points: names }),
      at('e', 'table', 6, 4, 6, 5, { devices: [device], properties: [property] }), at('f', 'devices', 0, 9, 6, 4, { devices: [device, 'no-such-device'] }),
      at('g', 'text', 6, 9, 6, 4, { text }), at('h', 'value', 9, 0, 3, 3, { points: ['no-such/point'] }), at('i', 'chart', 0, 13, 12, 6, { points: [...names, 'no-such/point'] }),
    ], { shared: true });
    await go(`/dashboards/${board.id}`);
    await page.waitForSelector('.gauge-arc .gauge-fill');
    await until(() => page.locator('[data-widget=d] td.right .value').first().innerText(), (t) => /\d/.test(t), 'a value in the table');
    expect(await page.locator('[data-widget=e] td .value').innerText()).toMatch(/\d/);
    expect(await page.locator('[data-widget=f] li').count()).toBe(2);
    expect(await page.locator(`[data-widget=f] li[data-device="${device}"]`).getAttribute('data-state')).toBe('online');
    expect(await page.locator('[data-widget=h]').innerText()).toContain('点位不存在或无权查看');
    expect(await page.locator('[data-widget=g] img').count()).toBe(0);
    expect(await page.locator('[data-widget=g]').innerText()).toContain('<img src=x');
    expect(await page.locator('[data-widget=g] a').evaluateAll((all) => all.map((a) => a.getAttribute('href')))).toEqual(['/devices']);
    const chart = page.locator('[data-widget=i] .widget-chart');
    await chart.scrollIntoViewIfNeeded(); // out of view it is not drawn
    const newest = async () => Number(await chart.getAttribute('data-newest'));
    const first = await until(newest, (n) => n > 0, 'lines');
    await until(newest, (n) => n > first + 1000, 'lines that grow', 20_000);
  });

  test('nothing is polled, and after a break of the stream the lines are read anew', async () => {
    const board = await make('break', [at('a', 'chart', 0, 0, 12, 6, { points: names }), at('b', 'value', 0, 6, 3, 3, { points: [names[0]] })]);
    const notes = page.waitForResponse((r) => r.url().includes('/notes?')); // asked once, when the lines are there
    await go(`/dashboards/${board.id}`);
    const chart = page.locator('[data-widget=a] .widget-chart');
    const newest = async () => Number(await chart.getAttribute('data-newest'));
    await until(newest, (n) => n > 0, 'lines');
    await notes;
    const asked = [];
    page.on('request', (r) => asked.push(r.url()));
    const then = await newest();
    await until(newest, (n) => n > then + 2500, 'lines that grow', 20_000);
    expect(asked.filter((url) => url.includes('/api/'))).toEqual([]);

    await page.route('**/api/v1/stream?*', (route) => route.abort());
    const before = Date.now();
    await put(board, { description: 'changed by another' }); // ends the stream of whoever shows it
    await page.waitForSelector('.board-cut');
    await page.waitForSelector('.value-tile[data-stale=true]');
    await new Promise((done) => setTimeout(done, 1500));
    asked.length = 0;
    await page.unroute('**/api/v1/stream?*');
    await page.waitForSelector('.board-cut', { state: 'detached', timeout: 30_000 });
    await until(newest, (n) => n > before, 'lines that go on', 20_000);
    expect(asked.filter((url) => url.includes('history/query')).length).toBeGreaterThan(0);
    await page.waitForSelector('.value-tile[data-stale=false]');
    expect(await page.locator('.page-note').innerText()).toContain('changed by another');
    page.removeAllListeners('request');
  });

  test('a range is chosen, stands in the address and stands still', async () => {
    const board = await make('range', [at('a', 'chart', 0, 0, 12, 6, { points: names })]);
    await go(`/dashboards/${board.id}`);
    const span = () => page.locator('.line-chart').evaluate((el) => Number(el.dataset.to) - Number(el.dataset.from));
    await page.waitForSelector('.line-chart');
    expect(Math.round((await span()) / 60_000)).toBe(15);
    await button('8 小时').click();
    await until(span, (ms) => Math.round(ms / 3_600_000) === 8, 'eight hours');
    expect(page.url()).toContain('last=8h');
    const over = await page.locator('.u-over').boundingBox();
    await page.mouse.move(over.x + 100, over.y + 60);
    await page.mouse.down();
    await page.mouse.move(over.x + 300, over.y + 60, { steps: 4 });
    await page.mouse.up();
    await page.waitForURL(/from=\d+/);
    const kept = await until(span, (ms) => ms < 4 * 3_600_000, 'zoomed');
    await new Promise((done) => setTimeout(done, 1200));
    expect(await span()).toBe(kept);
  });

  test('fills the screen and comes back', async () => {
    const board = await make('screen', [at('a', 'value', 0, 0, 3, 3, { points: [names[0]] })]);
    await go(`/dashboards/${board.id}`);
    await button('全屏').click();
    await page.waitForSelector('.board-page[data-full=true] .value-tile');
    await button('退出全屏').click();
    await page.waitForSelector('.board-page[data-full=false]');
  });

  test('one that is gone says so', async () => {
    await go('/dashboards/none-such');
    expect(await page.locator('[role=alert]').innerText()).toContain('仪表板');
  });
});

describe('not losing work', () => {
  test('who is leaving is asked', async () => {
    const board = await make('leave', [at('a', 'text', 0, 0, 3, 3, { text: 'a' })]);
    await go('/dashboards');
    await page.click(`a[href="/dashboards/${board.id}"]`);
    await page.locator('.edit-button').click();
    await cell('a').focus();
    await page.keyboard.press('ArrowRight');
    await page.click('.menu a[href="/devices"]');
    const question = page.locator('.ant-modal-confirm');
    await question.getByRole('button', { name: '继续编辑' }).click();
    await question.waitFor({ state: 'detached' });
    expect(await boxOf('a')).toEqual([1, 0, 3, 3]);
    await page.goBack();
    await question.getByRole('button', { name: '继续编辑' }).click();
    await question.waitFor({ state: 'detached' });
    expect(new URL(page.url()).pathname).toBe(`/dashboards/${board.id}`);
    await page.click('.menu a[href="/devices"]');
    await question.getByRole('button', { name: '放弃修改' }).click();
    await page.waitForURL(/\/devices$/);
  });

  test('who was overtaken chooses', async () => {
    let board = await make('conflict', [at('a', 'text', 0, 0, 3, 3, { text: 'a' })]);
    const overtake = async (choice) => {
      await go(`/dashboards/${board.id}?edit=1`);
      await cell('a').focus();
      await page.keyboard.press('ArrowRight');
      board = await put(board, { description: `theirs ${choice}` });
      await button('保存').click();
      await page.locator('.ant-modal').getByRole('button', { name: choice }).click();
    };
    await overtake('继续编辑');
    await page.waitForSelector('.conflict-choices', { state: 'detached' });
    expect(await boxOf('a')).toEqual([1, 0, 3, 3]);
    await button('取消').click();
    await page.locator('.ant-modal-confirm').getByRole('button', { name: '放弃修改' }).click();
    await overtake('放弃我的修改，使用对方版本');
    await page.waitForURL((url) => !url.search.includes('edit'));
    const stored = async (id) => (await api(page, 'GET', `dashboards/${id}`)).data;
    expect((await stored(board.id)).widgets[0].x).toBe(0);
    await overtake('用我的版本覆盖');
    await page.waitForURL((url) => !url.search.includes('edit'));
    board = await stored(board.id);
    expect(board.widgets[0].x).toBe(1);
    await overtake('把我的修改另存为副本');
    await page.waitForURL((url) => !url.search.includes('edit') && !url.pathname.endsWith(board.id));
    expect((await stored(board.id)).description).toContain('theirs');
    expect(await page.locator('h1').innerText()).toContain('副本');
  });
});

describe('a panel on a wall', () => {
  test('shows one dashboard by its link alone, goes on after breaks, and ends with its token', async () => {
    const board = await make('wall', [at('a', 'value', 0, 0, 6, 4, { points: [names[0]] }), at('b', 'chart', 0, 4, 12, 6, { points: names }),
      at('c', 'devices', 6, 0, 6, 4, { devices: [names[0].slice(0, names[0].lastIndexOf('/'))] })]);
    await go(`/dashboards/${board.id}`);
    await button('更多操作').click();
    await page.getByRole('menuitem', { name: '生成大屏链接' }).click();
    await page.locator('.ant-modal').getByRole('button', { name: '生成链接' }).click();
    const link = (await page.locator('.secret-row pre').innerText()).trim();
    expect(link).toContain(`/panel/${board.id}?look=dark&lang=zh#sht_`);
    await button('已保存好').click();

    const wall = await startBrowser(); // another one: no session, no cookie
    try {
      const { page: screen, faults: wrong } = await openPage(wall.context);
      const sent = [];
      screen.on('request', (r) => sent.push(r));
      await screen.goto(link);
      await until(() => screen.locator('.value-big').innerText(), (t) => /\d/.test(t), 'a value');
      await screen.waitForSelector('.widget-chart .u-over');
      expect(await screen.locator('h1').innerText()).toBe(board.name);
      expect(await screen.locator('.panel-clock').innerText()).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
      expect(await screen.locator('.shell, a').count()).toBe(0);
      expect(await screen.evaluate(() => document.documentElement.dataset.theme)).toBe('dark');
      expect(sent.filter((r) => r.url().includes('/api/') && r.url().includes('sht_'))).toEqual([]);
      expect(await wall.context.cookies()).toEqual([]);
      const newest = async () => Number(await screen.locator('.widget-chart').getAttribute('data-newest'));
      const first = await newest();
      await until(newest, (n) => n > first + 1000, 'lines that grow', 20_000);

      // a break: it says since when, and goes on by itself, with what was changed meanwhile
      await screen.route('**/api/v1/**', (route) => route.abort());
      await put(board, { name: `${mark} wall 2` });
      await screen.waitForSelector('.board-cut');
      await screen.waitForSelector('.value-tile[data-stale=true]');
      const before = Date.now();
      await new Promise((done) => setTimeout(done, 1500));
      await screen.unroute('**/api/v1/**');
      await screen.waitForSelector('.board-cut', { state: 'detached', timeout: 30_000 });
      await until(newest, (n) => n > before, 'lines that go on', 30_000);
      await until(() => screen.locator('h1').innerText(), (t) => t.endsWith('wall 2'), 'the new name', 30_000);

      // its token is listed and revoked
      await go('/tokens');
      await page.locator('tbody tr', { hasText: '大屏' }).first().getByRole('button', { name: /删\s?除/ }).click();
      await page.locator('.ant-modal-confirm').getByRole('button', { name: /删\s?除/ }).click();
      await page.waitForSelector('tbody tr:has-text("大屏")', { state: 'detached' });
      await screen.reload();
      await until(() => screen.locator('.panel-page').innerText(), (t) => t.includes('无法显示该仪表板'), 'refused');
      expect(wrong).toEqual([]);
    } finally {
      await wall.close();
    }
  });
});

describe('files', () => {
  test('one is exported and comes back as another; what is none is refused with words', async () => {
    const board = await make('file', [at('a', 'text', 0, 0, 3, 3, { text: 'a' })], { description: '说明' });
    await go(`/dashboards?q=${mark}%20file`);
    const row = page.locator('tbody tr', { hasText: `${mark} file` });
    const [download] = await Promise.all([page.waitForEvent('download'), row.getByRole('button', { name: /导\s?出/ }).click()]);
    const path = await download.path();
    const file = JSON.parse(readFileSync(path, 'utf8'));
    expect(file).toEqual({ name: board.name, description: '说明', range: '15m', widgets: board.widgets });
    const take = (name, text) => page.setInputFiles('input[type=file]', { name, mimeType: 'application/json', buffer: Buffer.from(text) });
    await take('no.json', '{"a":1}');
    await page.locator('.ant-modal-confirm').getByRole('button', { name: /关\s?闭/ }).click();
    await take('bad.json', JSON.stringify({ ...file, widgets: [{ ...file.widgets[0], kind: 'script' }] }));
    await until(() => page.locator('[role=alert]').innerText(), (t) => t.includes('widgets[0].kind'), 'the place of the fault');
    await take('good.json', JSON.stringify(file));
    await page.waitForURL((url) => /\/dashboards\/.+/.test(url.pathname) && !url.pathname.endsWith(board.id));
    await page.waitForSelector('.widget-text');
  });

  test('a copy is made, and deleted again', async () => {
    await make('copied', [at('a', 'text', 0, 0, 3, 3, { text: 'a' })]);
    await go(`/dashboards?q=${mark}%20copied`);
    await page.locator('tbody tr').getByRole('button', { name: /复\s?制/ }).click();
    await page.waitForURL(/edit=1/);
    await go(`/dashboards?q=${mark}%20copied`);
    const rows = page.locator('tbody tr:not(.blank)');
    await until(() => rows.count(), (n) => n === 2, 'two');
    await rows.filter({ hasText: '副本' }).getByRole('button', { name: /删\s?除/ }).click();
    await page.locator('.ant-modal-confirm').getByRole('button', { name: /删\s?除/ }).click();
    await until(() => rows.count(), (n) => n === 1, 'one');
  });
});

test('what was made is taken away', async () => {
  for (const board of (await api(page, 'GET', `dashboards?q=${mark}`)).data.items) {
    expect((await api(page, 'DELETE', `dashboards/${board.id}`)).status).toBe(204);
  }
});
