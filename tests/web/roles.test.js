// Roles and tenants in the browser: copy a builtin role, change and delete it; a tenant with quotas, disabled and enabled.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, openPage, real, signIn, startBrowser, startPlatform, until } from './browser.js';

let platform;
let browser;
let page;
let faults;
const go = (path) => page.goto(platform.url + path);
const row = (text) => page.locator('tbody tr', { hasText: text });
const save = () => page.locator('.ant-modal-footer .ant-btn-primary').click();

beforeAll(async () => {
  platform = await startPlatform();
  browser = await startBrowser();
  ({ page, faults } = await openPage(browser.context));
  await signIn(page, platform.url);
});
afterAll(async () => {
  await browser?.close();
  await platform?.close();
});

test('a builtin role is copied, the copy changed and deleted', async () => {
  await go('/roles');
  await row('operator').first().waitFor();
  expect(await row('operator').first().getByRole('button', { name: '删除' }).count()).toBe(0); // builtin
  await row('operator').first().getByRole('button', { name: '复制' }).click();
  await page.fill('#name', 'shift-lead');
  const box = (name) => page.locator('.permissions label', { has: page.locator(`[title="${name}"]`) }).locator('input');
  expect(await box('devices.read').isChecked()).toBe(true);
  expect(await box('backup.run').isChecked()).toBe(false);
  await box('backup.run').check();
  await save();
  await row('shift-lead').waitFor();
  expect(await row('shift-lead').innerText()).toContain('backup.run');
  await row('shift-lead').getByRole('button', { name: '编辑' }).click();
  await box('backup.run').uncheck();
  await save();
  await until(() => row('shift-lead').innerText(), (text) => !text.includes('backup.run'), 'without backup.run');
  await row('shift-lead').getByRole('button', { name: '删除' }).click();
  await page.locator('.ant-modal-confirm .ant-btn-dangerous').click();
  await row('shift-lead').waitFor({ state: 'detached' });
});

test('a tenant is made with quotas, shown with its use, and disabled', async () => {
  await go('/tenants');
  await page.locator('tbody tr').first().waitFor();
  await page.getByRole('button', { name: '新建租户' }).click();
  await page.fill('#path', 'park-e2e');
  await page.fill('#name', '一号园区');
  await page.fill('#quotas_devices', '50');
  await save();
  await row('park-e2e').waitFor();
  expect(await row('park-e2e').innerText()).toContain('/ 50');
  await row('park-e2e').getByRole('button', { name: '编辑' }).click();
  await page.click('#disabled');
  await save();
  await until(() => row('park-e2e').innerText(), (text) => text.includes('停用'), 'disabled');
  if (real) {
    const got = (await api(page, 'GET', 'tenants/park-e2e')).data;
    expect([got.disabled, got.quotas.devices, got.name]).toEqual([true, 50, '一号园区']);
  }
  await row('park-e2e').getByRole('button', { name: '编辑' }).click();
  await page.click('#disabled');
  await save();
  await until(() => row('park-e2e').innerText(), (text) => text.includes('启用'), 'enabled');
  await page.getByRole('button', { name: '新建租户' }).click();
  await page.fill('#path', 'park-e2e');
  await save();
  await page.locator('.ant-modal [role=alert]').waitFor(); // there is one
});

test('nothing broke the content policy', () => {
  expect(faults).toEqual([]);
});
