// Limited grants in the browser: a role for an asset until a day is given, changed and taken away; who has it sees that part alone.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, openPage, password, real, signIn, startBrowser, startPlatform, until } from './browser.js';

const WORD = 'Songhua-grants-river-3';
let platform;
let browser;
let page;
let faults;
const go = (path) => page.goto(platform.url + path);
const row = (text) => page.locator('tbody tr', { hasText: text });
const save = () => page.locator('.ant-modal-footer .ant-btn-primary').click();
const grant = (n) => page.locator('.grant-row').nth(n);
async function choose(box, title) {
  await box.click();
  await page.locator('.ant-select-dropdown:not(.ant-select-dropdown-hidden)').locator('.ant-select-item-option').getByText(title, { exact: true }).first().click();
}

beforeAll(async () => {
  platform = await startPlatform();
  browser = await startBrowser();
  ({ page, faults } = await openPage(browser.context));
  await signIn(page, platform.url);
  if (real) {
    await api(page, 'DELETE', 'people/fitter');
    await api(page, 'DELETE', 'devices/grant-in');
    await api(page, 'DELETE', 'devices/grant-out');
    await api(page, 'DELETE', 'assets/grant-line');
    expect((await api(page, 'POST', 'assets', { id: 'grant-line', kind: 'line', name: '检修线' })).status).toBe(201);
    expect((await api(page, 'POST', 'devices', { id: 'grant-in', asset: 'grant-line' })).status).toBe(201);
    expect((await api(page, 'POST', 'devices', { id: 'grant-out' })).status).toBe(201);
  }
});
afterAll(async () => {
  await browser?.close();
  await platform?.close();
});

test('a person gets a role for one label until a day, and another for nothing that lasts', async () => {
  await go('/people');
  await row('admin').first().waitFor();
  await page.getByRole('button', { name: '新建人员' }).click();
  await page.fill('#name', 'fitter');
  await page.fill('#password', WORD);
  await page.click('#must_change');
  await page.getByRole('button', { name: '添加授权' }).click();
  await save();
  await page.getByText('请选择角色').waitFor(); // a row that is not filled in says what is missing
  await page.getByText('请指定范围').waitFor();
  await choose(grant(0).getByLabel('角色'), 'operator');
  await choose(grant(0).getByLabel('范围'), '带标签的设备');
  await grant(0).getByRole('textbox', { name: '带标签的设备' }).fill('line');
  await page.getByText('格式为 键:值').waitFor();
  await grant(0).getByRole('textbox', { name: '带标签的设备' }).fill('line:1');
  await grant(0).getByLabel('开始').fill('2098-01-02T08:00');
  await grant(0).getByLabel('结束').fill('2098-01-01T08:00');
  await page.getByText('结束须晚于开始').waitFor();
  await grant(0).getByLabel('开始').fill('');
  await grant(0).getByLabel(/原因/).fill('1 号线检修');
  await save();
  await row('fitter').waitFor();
  expect(await row('fitter').innerText()).toContain('operator · line:1');
  const title = await row('fitter').locator('.tag.grant').getAttribute('title');
  for (const words of ['operator · 标签 line:1 · 至 2098-01-01 08:00', '1 号线检修', '授权人']) expect(title).toContain(words);
});

test('the grant is moved to an asset; its end stays to the second', async () => {
  const before = (await api(page, 'GET', real ? 'people/fitter' : 'people')).data;
  const until0 = (before.items?.find((p) => p.name === 'fitter') ?? before).grants[0].until;
  await row('fitter').getByRole('button', { name: '编辑' }).click();
  await choose(grant(0).getByLabel('范围'), '资产及其下级');
  await grant(0).getByRole('combobox', { name: '资产及其下级' }).click();
  const asset = real ? '检修线' : (await api(page, 'GET', 'assets')).data.items[0].name;
  await page.locator('.ant-select-item-option').getByText(asset).first().click();
  await save();
  await until(() => row('fitter').locator('.tag.grant').getAttribute('title'), (text) => text.includes('资产 '), 'at an asset');
  const after = (await api(page, 'GET', real ? 'people/fitter' : 'people')).data;
  const one = (after.items?.find((p) => p.name === 'fitter') ?? after).grants[0];
  expect(one.until).toBe(until0);
  expect(one.label).toBeUndefined();
});

test.runIf(real)('who has it sees that part alone, and the account says so', async () => {
  await browser.context.clearCookies();
  await go('/');
  await page.waitForSelector('#user');
  await page.fill('#user', 'fitter');
  await page.fill('#password', WORD);
  await page.click('button[type=submit]');
  await page.locator('.figure', { hasText: '设备' }).waitFor();
  expect(await page.locator('.figure').count()).toBe(1); // the node's figures are not theirs
  await go('/devices');
  await row('grant-in').waitFor();
  expect(await page.locator('tbody tr').count()).toBe(1);
  expect(await page.getByRole('button', { name: '导入' }).count()).toBe(0);
  await go('/devices/grant-out');
  await page.getByText(/不存在/).first().waitFor();
  await go('/account');
  await page.locator('.tag.grant', { hasText: '资产 grant-line' }).first().waitFor();
  await page.getByText('部分', { exact: true }).first().waitFor();
  await browser.context.clearCookies();
  await go('/');
  await page.waitForSelector('#user');
  await page.fill('#user', 'admin');
  await page.fill('#password', password);
  await page.click('button[type=submit]');
  await page.locator('.figure').nth(3).waitFor();
});

test('it is taken away', async () => {
  await go('/people');
  await row('fitter').waitFor();
  await row('fitter').getByRole('button', { name: '编辑' }).click();
  await grant(0).getByRole('button', { name: '移除' }).click();
  await save();
  await until(() => row('fitter').locator('.tag.grant').count(), (n) => n === 0, 'no grant');
});

test('a token is limited to a part', async () => {
  await go('/tokens');
  await page.getByRole('button', { name: '新建令牌' }).click();
  await page.fill('#name', 'wall-e2e');
  await choose(page.getByLabel('角色'), 'operator');
  await page.keyboard.press('Escape');
  await choose(page.getByLabel('可见范围'), '带标签的设备');
  await page.getByRole('textbox', { name: '带标签的设备' }).fill('line:1');
  await save();
  await page.getByText(/令牌/).first().waitFor();
  await page.keyboard.press('Escape');
  await until(() => row('wall-e2e').innerText(), (text) => text.includes('标签 line:1'), 'limited');
});

test('nothing went wrong on the way', () => {
  expect(faults).toEqual([]);
});
