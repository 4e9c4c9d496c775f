// Classes of data in the browser: the catalogue, a class said with a reason, a role's clearance, and what who is below it sees.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, historyPath, openPage, password, real, signIn, startBrowser, startPlatform, until } from './browser.js';

const WORD = 'Songhua-classes-river-3';
const SECRET = 483921.625;
const DIGITS = /483[, ]?921/;
let platform;
let browser;
let page;
let faults;
const go = (path) => page.goto(platform.url + path);
const row = (text) => page.locator('tbody tr', { hasText: text });
const save = () => page.locator('.ant-modal-footer .ant-btn-primary').click();
const enter = async (user, word) => {
  await browser.context.clearCookies();
  await go('/');
  await page.waitForSelector('#user');
  await page.fill('#user', user);
  await page.fill('#password', word);
  await page.click('button[type=submit]');
  await page.waitForSelector('.shell');
};
async function choose(box, title) {
  await box.click();
  const open = page.locator('.ant-select-dropdown:not(.ant-select-dropdown-hidden)').last();
  await open.locator('.ant-select-item-option').getByText(title, { exact: true }).first().click();
}

beforeAll(async () => {
  platform = await startPlatform();
  browser = await startBrowser();
  ({ page, faults } = await openPage(browser.context));
  await signIn(page, platform.url);
  if (real) {
    for (const one of ['people/reader', 'devices/press-9', 'roles/reader-low', 'things/press9']) await api(page, 'DELETE', one);
    const thing = { id: 'press9', name: { zh: '压机', en: 'Press' }, properties: [{ id: 'force', name: { zh: '压力', en: 'Force' }, type: 'f64', unit: 'N' }] };
    expect((await api(page, 'POST', 'things', thing)).status).toBe(201);
    expect((await api(page, 'POST', 'devices', { id: 'press-9', thing: 'press9' })).status).toBe(201);
    expect((await api(page, 'POST', 'ingest?device=press-9', [{ ts: Date.now() - 5000, values: { force: SECRET } }])).status).toBe(200);
  }
});
afterAll(async () => {
  if (real) await api(page, 'PATCH', 'config', { set: { 'guard.watermark': null } });
  await browser?.close();
  await platform?.close();
});

const thing = real ? 'press9' : 'pump';

test('the catalogue lists what there is, and a class is said with a reason', async () => {
  await go('/security');
  await page.locator('.page-header a[href="/security/data"], a[href="/security/data"]').first().click();
  await row(thing).first().waitFor();
  expect(await row(thing).first().innerText()).toContain('未分类');
  await row(thing).first().getByRole('button', { name: /编\s?辑/ }).click();
  await choose(page.locator('.ant-modal .ant-select').first(), '核心 · 三级');
  await save();
  await page.getByText('请填写原因').waitFor();
  await page.fill('#reason', '定级表 2026-01');
  await save();
  await until(() => row(thing).first().innerText(), (text) => text.includes('核心 · 三级'), 'core at level 3');
  await page.locator('.ant-segmented').getByText('核心', { exact: true }).click();
  await until(() => page.locator('tbody tr').count(), (n) => n === 1, 'one model is core');
});

test('a role says up to which class it shows values', async () => {
  await go('/roles');
  await row('operator').first().waitFor();
  await row('operator').first().getByRole('button', { name: '复制' }).click();
  await page.fill('#name', 'reader-low');
  await choose(page.locator('.ant-modal .ant-select').last(), '一般 · 一级');
  await save();
  await row('reader-low').waitFor();
  expect(await row('reader-low').innerText()).toContain('一般 · 一级');
});

test.runIf(real)('the device marks its points, and who is below the class sees no value', async () => {
  await go('/devices/press-9');
  await page.locator('.data-class[data-class=core]').first().waitFor();
  await until(() => page.locator('[data-point=force]').first().innerText(), (text) => DIGITS.test(text), 'the value');
  const made = { name: 'reader', display: '抄表员', password: WORD, roles: ['reader-low'], must_change: false };
  expect((await api(page, 'POST', 'people', made)).status).toBe(201);
  await enter('reader', WORD);
  await go('/devices/press-9');
  const masked = page.locator('tbody .masked').first();
  await masked.waitFor();
  expect(await masked.getAttribute('title')).toContain('核心 · 三级');
  expect(DIGITS.test(await page.locator('body').innerText())).toBe(false);
  await go(historyPath(['press-9/force'], 'last=1h'));
  await page.locator('.legend .masked').waitFor();
  expect(DIGITS.test(await page.locator('body').innerText())).toBe(false);
  await page.getByRole('button', { name: /导\s?出/ }).first().click();
  await page.getByText('1 个点位已脱敏，不导出').waitFor();
  await page.keyboard.press('Escape');
  await go('/account');
  await page.getByText('可见至 一般 · 一级').first().waitFor();
});

const historyExport = 'history/export?format=csv&points=press-9/force&last=1h';
test.runIf(real)('an export of core data asks who one is', async () => {
  await enter('admin', password);
  await go(historyPath(['press-9/force'], 'last=1h'));
  await until(() => page.locator('.legend').innerText(), (text) => DIGITS.test(text), 'the value');
  await page.getByRole('button', { name: /导\s?出/ }).first().click();
  await page.getByText('含“核心 · 三级”数据').waitFor();
  const confirm_after = async (value) => {
    await api(page, 'POST', 'sessions/current/confirm', { password });
    expect((await api(page, 'PATCH', 'config', { set: { 'guard.confirm_after': value } })).status).toBeLessThan(300);
  };
  await confirm_after('1s');
  await until(() => page.evaluate(async (path) => (await fetch(`/api/v1/${path}`)).status, historyExport), (status) => status === 403, 'the proof is not fresh');
  const came = page.waitForEvent('download');
  await page.locator('.ant-dropdown-menu-item:not(.ant-dropdown-menu-item-disabled)').nth(2).click();
  const question = page.locator('.ant-modal input[type=password]');
  await question.waitFor();
  await question.fill('not this one');
  await page.keyboard.press('Enter');
  await page.locator('.ant-modal [role=alert]').first().waitFor(); // refused, and asked again
  await question.fill(password);
  await page.keyboard.press('Enter');
  expect((await came).suggestedFilename()).toContain('core-3');
  await confirm_after(null);
});

test.runIf(real)('the reader’s name stands over a screen that shows core data, and over no other', async () => {
  expect((await api(page, 'PATCH', 'config', { set: { 'guard.watermark': 'core' } })).status).toBeLessThan(300);
  await go('/devices/press-9');
  await page.locator('.watermark').waitFor({ state: 'attached' });
  const mark = page.locator('.watermark');
  expect(await mark.innerText()).toContain('admin');
  expect(await mark.getAttribute('aria-hidden')).toBe('true');
  expect(await mark.evaluate((el) => getComputedStyle(el).pointerEvents)).toBe('none');
  await page.emulateMedia({ media: 'print' });
  expect(await mark.evaluate((el) => getComputedStyle(el).display)).not.toBe('none');
  await page.emulateMedia({ media: null });
  await go('/people');
  await row('admin').first().waitFor();
  expect(await page.locator('.watermark').count()).toBe(0);
});

test('nothing broke the content policy', () => {
  expect(faults).toEqual([]);
});
