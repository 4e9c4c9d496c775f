// The configuration in the browser: faults as one types, a difference before it is applied, history and the way back, what waits for a
// restart; two people at once. And the pages about the node itself: how it fares, log lines.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, openPage, real, signIn, startBrowser, startPlatform, until } from './browser.js';

let platform;
let browser;
let page;
let faults;
const go = (path) => page.goto(platform.url + path);
const row = (key) => page.locator(`tr[data-setting="${key}"]`);
const field = (key) => row(key).locator('input').first();
const dialog = () => page.locator('.ant-modal').filter({ visible: true });
const choose = async (key, value) => {
  await row(key).locator('.ant-select').click();
  await page.locator('.ant-select-dropdown').filter({ visible: true }).locator('.ant-select-item-option').filter({ hasText: value }).click();
};
const applied = async (note = '') => {
  await page.locator('.draft-bar .ant-btn-primary').click();
  await dialog().locator('tbody tr').first().waitFor();
  if (note) await dialog().locator('textarea').fill(note);
  await dialog().locator('.ant-btn-primary').click();
  await page.locator('.draft-bar').waitFor({ state: 'detached' });
};

beforeAll(async () => {
  platform = await startPlatform();
  browser = await startBrowser();
  ({ page, faults } = await openPage(browser.context));
  await signIn(page, platform.url);
});
afterAll(async () => {
  await api(page, 'POST', 'config/rollback', { revision: 0 }).catch(() => null);
  await browser?.close();
  await platform?.close();
});

test('every key says what it does, where its value comes from and when a change takes effect', async () => {
  await go('/settings');
  await row('guard.password_min').waitFor();
  const text = await row('guard.password_min').innerText();
  expect(text).toContain('密码至少包含的字符数');
  expect(text).toContain('默认值');
  expect(text).toContain('立即生效');
  expect(await row('mqtt.max_packet').innerText()).toContain('重启后生效');
  expect(await row('data').locator('input').count()).toBe(0); // on the server only
  const all = await page.locator('tr[data-setting]').count();
  await page.fill('.toolbar input', 'password');
  await until(() => page.locator('tr[data-setting]').count(), (n) => n > 0 && n < all, 'fewer rows');
  expect(page.url()).toContain('q=password');
  await page.fill('.toolbar input', 'no such thing');
  await page.waitForSelector('.empty');
  await page.fill('.toolbar input', '');
});

test('a fault is told beside the field, and nothing can be applied', async () => {
  await go('/settings');
  await field('guard.password_min').fill('3');
  await row('guard.password_min').locator('[role=alert]').waitFor();
  expect(await row('guard.password_min').locator('[role=alert]').innerText()).toContain('8');
  await page.locator('.draft-bar .ant-btn-primary').click();
  await dialog().locator('.setting-faults li').waitFor();
  expect(await dialog().locator('.ant-btn-primary').isDisabled()).toBe(true);
  await page.keyboard.press('Escape');
  await dialog().waitFor({ state: 'detached' });
  await row('guard.password_min').locator('button').click(); // undo
  await page.locator('.draft-bar').waitFor({ state: 'detached' });
  expect(await field('guard.password_min').inputValue()).toBe('10');
});

test('several changes are one: difference, warning, reason; live ones hold at once', async () => {
  const before = (await api(page, 'GET', 'config')).data.items.filter((i) => i.console !== null).length; // by another file of tests
  await field('guard.password_min').fill('14');
  await choose('log.level', 'debug');
  await field('history.retention').fill('3650d');
  await field('mqtt.max_packet').fill('2MiB');
  await page.locator('.draft-bar .ant-btn-primary').click();
  await until(() => dialog().locator('tbody tr').count(), (n) => n === 4, 'four changes');
  expect(await dialog().innerText()).toContain('历史数据将被清除');
  await dialog().locator('textarea').fill('密码加长');
  await dialog().locator('.ant-btn-primary').click();
  await page.locator('.draft-bar').waitFor({ state: 'detached' });
  expect(await row('guard.password_min').innerText()).toContain('控制台');
  expect(await page.locator('.note-bar').innerText()).toContain('mqtt.max_packet');
  await page.locator('.state-filter button').nth(1).click();
  await until(() => page.locator('tr[data-setting]').count(), (n) => n === before + 4, 'four more set here');
  await page.locator('.state-filter button').nth(2).click();
  await until(() => page.locator('tr[data-setting]').count(), (n) => n === 1, 'one waits');
  expect(await row('mqtt.max_packet').innerText()).toContain('重启后为 2MiB');
  const seen = (await api(page, 'GET', 'config')).data;
  expect(seen.items.find((i) => i.key === 'guard.password_min').value).toBe('14');
});

test('one is taken back', async () => {
  await go('/settings?show=here');
  await row('history.retention').locator('button').click();
  expect(await row('history.retention').innerText()).toContain('将撤回控制台中的设置');
  await applied();
  expect((await api(page, 'GET', 'config')).data.items.find((i) => i.key === 'history.retention').console).toBe(null);
});

test('somebody else was faster: both are shown, and it is applied after a look', async () => {
  await go('/settings');
  await field('guard.password_min').fill('15');
  await page.locator('.draft-bar .ant-btn-primary').click();
  await dialog().locator('tbody tr').first().waitFor();
  await api(page, 'PATCH', 'config', { set: { 'backup.rehearse': 'false' } });
  await dialog().locator('.ant-btn-primary').click();
  await until(() => dialog().innerText(), (text) => text.includes('他人刚刚修改了配置'), 'the conflict is told');
  await until(() => dialog().locator('.ant-btn-primary').isDisabled(), (no) => !no, 'checked again');
  await dialog().locator('.ant-btn-primary').click();
  await page.locator('.draft-bar').waitFor({ state: 'detached' });
  const seen = (await api(page, 'GET', 'config')).data;
  const value = (key) => seen.items.find((i) => i.key === key).value;
  expect([value('guard.password_min'), value('backup.rehearse')]).toEqual(['15', 'false']);
});

test('changes are not lost by a click', async () => {
  await field('guard.password_min').fill('16');
  page.once('dialog', (d) => void d.dismiss());
  await page.locator('.menu a[href="/"]').click();
  expect(page.url()).toContain('/settings');
  await page.locator('.draft-bar button').first().click();
  await page.locator('.draft-bar').waitFor({ state: 'detached' });
});

test('the history of changes, and the way back', async () => {
  await go('/settings/changes');
  await page.locator('tbody tr').first().waitFor();
  const rows = page.locator('tbody tr');
  const first = rows.filter({ hasText: '密码加长' });
  expect(await first.innerText()).toContain('guard.password_min');
  await first.locator('button').click();
  await dialog().locator('tbody tr').first().waitFor();
  expect(await dialog().innerText()).toContain('guard.password_min');
  await dialog().locator('.ant-btn-primary').click();
  await dialog().waitFor({ state: 'detached' });
  const seen = (await api(page, 'GET', 'config')).data;
  expect(seen.items.find((i) => i.key === 'guard.password_min').console).toBe('14');
});

test('how the node fares', async () => {
  await go('/health');
  await page.waitForSelector('.figure');
  if (real) await until(() => page.locator('.figure .spark').count(), (n) => n >= 8, 'lines after some seconds', 30_000);
  const memory = await page.locator('.figure').nth(1).innerText();
  expect(memory).toMatch(/MiB|GiB/);
  expect(await page.locator('table[aria-label="事件循环"] tbody tr').count()).toBeGreaterThan(0);
  await page.locator('a[href="/settings?show=waiting"]').click();
  await row('mqtt.max_packet').waitFor();
});

test('slow queries: found from the overview, sorted, opened, asked again', async () => {
  const now = Date.now();
  if (real) {
    await api(page, 'PATCH', 'config', { set: { 'api.slow': '1us' } });
    const points = (await api(page, 'GET', 'points?limit=1')).data.items.map((p) => p.name);
    await api(page, 'POST', 'history/query', { points, from: now - 3_600_000, to: now, step: '1m', aggregate: ['mean'] });
    await api(page, 'POST', 'sql', { sql: 'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < 200000) SELECT count(*) FROM c' });
    await api(page, 'PATCH', 'config', { set: { 'api.slow': '60s' } });
  }
  await go('/');
  await page.locator('.page-actions a[href="/slow"]').click();
  const list = page.locator('.slow-panel tbody tr:not(.blank)');
  await list.first().waitFor();
  const all = await list.count();
  expect(all).toBeGreaterThan(1);
  await page.locator('.slow-panel th[data-column="ms"] button').click(); // the shortest first, then the longest
  await page.locator('.slow-panel th[data-column="ms"] button').click();
  const ms = (text) => Number.parseFloat(text) * (/ s/.test(text) ? 1000 : 1);
  const took = await page.locator('.slow-panel td .slow-took').allInnerTexts();
  expect(took.map(ms)).toEqual([...took.map(ms)].sort((a, b) => b - a));
  const sql = list.filter({ hasText: /SELECT/ }).first();
  await sql.locator('button').click();
  expect(await dialog().innerText()).toContain('SELECT');
  await dialog().locator('.ant-modal-close').click();
  await list.filter({ hasText: 'history/query' }).first().locator('a').click();
  await page.waitForURL(/\/history\?points=.*step=1m/);
  await go('/health');
  await page.locator('.slow-panel tbody tr:not(.blank)').first().waitFor();
});

test('log lines: filtered, followed, saved', async () => {
  await go('/logs');
  await page.locator('tbody tr').filter({ hasText: 'is ready' }).first().waitFor();
  await page.fill('.toolbar input[aria-label="搜索内容"]', 'IS READY');
  const lines = () => page.locator('tbody tr:not(.blank)').allInnerTexts();
  await until(lines, (all) => all.length >= 1 && all.every((line) => line.includes('is ready')), 'the lines that fit');
  const [file] = await Promise.all([page.waitForEvent('download'), page.locator('.page-actions button').click()]);
  expect(readFileSync(await file.path(), 'utf8')).toContain('is ready');
  await go('/logs?level=error&q=nothing');
  await page.waitForSelector('.empty');
});

test('nothing failed on these pages', () => expect(faults).toEqual([]));
