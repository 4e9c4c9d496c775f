// A restore from the console: made ready with progress, thrown away, put in place by a restart, brought back, removed.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, axeFindings, openPage, real, signIn, startBrowser, startPlatform, until } from './browser.js';

const SLOW = real ? 90_000 : 20_000;
let platform;
let browser;
let page;
let faults;
let name;

const panel = () => page.locator('.panel', { has: page.getByRole('heading', { name: '恢复', exact: true }) });
const dialog = () => page.locator('.ant-modal-wrap:visible');
const row = () => page.locator('tbody tr', { hasText: name });
const open = async () => {
  await page.goto(`${platform.url}/backups`);
  await page.waitForSelector('.facts');
};

beforeAll(async () => {
  platform = await startPlatform();
  browser = await startBrowser();
  ({ page, faults } = await openPage(browser.context));
  await signIn(page, platform.url);
  await open();
  await page.getByRole('button', { name: '立即备份' }).click();
  const backups = await until(() => api(page, 'GET', 'backups').then((x) => x.data), (x) => x.running === null && x.items.length > 0, 'a backup', SLOW);
  name = backups.items[0].id;
});
afterAll(async () => {
  await browser?.close();
  await platform?.close();
});

async function ask(button, reason, ok) {
  await button.click();
  const send = dialog().getByRole('button', { name: ok });
  expect(await send.isDisabled()).toBe(true); // without a reason
  expect(await axeFindings(page, '.ant-modal')).toEqual([]);
  await dialog().getByLabel('原因').fill(reason);
  await send.click();
}

async function madeReady() {
  await ask(row().getByRole('button', { name: '恢复…' }), '误删了一条产线', '开始准备');
  if (!real) await page.getByText('正在准备恢复').first().waitFor(); // a small one is ready at once
  await panel().getByRole('button', { name: '启用…' }).waitFor({ timeout: SLOW });
  await until(() => panel().getByRole('button', { name: '启用…' }).isEnabled(), Boolean, 'it is ready', SLOW);
}

/** Everybody is signed out by it. */
async function cameUp() {
  await page.getByText('节点正在重启…').first().waitFor();
  await page.locator('#user').waitFor({ timeout: SLOW });
  await signIn(page, platform.url);
  await open();
}

test('a backup is made ready beside the data, and thrown away', async () => {
  await open();
  await madeReady();
  expect(await panel().innerText()).toMatch(/已准备好[^]*个样本[^]*台设备[^]*使用本节点的密钥[^]*误删了一条产线/);
  expect(await axeFindings(page, 'main')).toEqual([]);
  await panel().getByRole('button', { name: '丢弃' }).click();
  await panel().waitFor({ state: 'detached', timeout: SLOW });
});

test('it is put in place by a restart, and the data of before is brought back', async () => {
  await open();
  await madeReady();
  await ask(panel().getByRole('button', { name: '启用…' }), '恢复测试', '重启并启用');
  await cameUp();
  expect(await panel().innerText()).toMatch(/当前数据来自[^]*误删了一条产线/);
  await ask(panel().getByRole('button', { name: '换回…' }), '看过了', '重启并启用');
  await cameUp();
  await until(() => panel().innerText(), (text) => !text.includes('当前数据来自'), 'its own data again');
  expect(await panel().getByRole('button', { name: '换回…' }).count()).toBe(1); // what was restored is kept in turn
});

test('data of before is removed but for its records', async () => {
  await open();
  await panel().getByRole('button', { name: '删除' }).click();
  await page.locator('.ant-modal-confirm .ant-btn-dangerous').click();
  await until(() => panel().innerText(), (text) => text.includes('只剩记录库和审计'), 'its records stay', SLOW);
  expect(await panel().getByRole('button', { name: '换回…' }).count()).toBe(0);
});

test.skipIf(real)('what does not open comes back by itself, and says so', async () => {
  await open();
  await madeReady();
  await ask(panel().getByRole('button', { name: '启用…' }), 'damaged', '重启并启用');
  await page.getByText('已在').first().waitFor();
  expect(await panel().innerText()).toMatch(/打不开[^]*keys\/ring is damaged/);
});

test('a refusal stays in the dialog', async () => {
  await open();
  const asked = row().getByRole('button', { name: '恢复…' });
  await asked.click();
  await api(page, 'DELETE', `backups/${name}`); // somebody else removes it meanwhile
  await dialog().getByLabel('原因').fill('x');
  await dialog().getByRole('button', { name: '开始准备' }).click();
  await dialog().getByRole('alert').first().waitFor();
  expect(faults.filter((text) => /Content Security Policy|Uncaught/i.test(text))).toEqual([]);
});
