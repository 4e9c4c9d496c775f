// Who supervises others looks at their tenants: goes in, sees what is theirs, and the address keeps it.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, openPage, real, signIn, startBrowser, startPlatform, until } from './browser.js';

let platform;
let browser;
let page;
let faults;
const chip = () => page.locator('.tenant-bar');

beforeAll(async () => {
  platform = await startPlatform();
  browser = await startBrowser();
  ({ page, faults } = await openPage(browser.context));
  await signIn(page, platform.url);
  await api(page, 'POST', 'tenants', { path: 'jilin', name: '吉林', quotas: {} });
  await api(page, 'POST', 'tenants', { path: 'jilin/park', name: '园区', quotas: {} });
  if (real) await api(page, 'POST', 'devices?tenant=jilin%2Fpark', { id: 'theirs-1', name: 'Their lathe' });
});
afterAll(async () => {
  await browser?.close();
  await platform?.close();
});

test('one goes into a tenant from the list', async () => {
  await page.goto(`${platform.url}/tenants`);
  await page.waitForSelector('tbody tr');
  expect(await chip().count()).toBe(0);
  await page.locator('tbody tr').filter({ hasText: /park|园区/ }).locator('a[href="/in/jilin%2Fpark/"]').click();
  await chip().waitFor();
  expect(await chip().innerText()).toContain('jilin/park');
  expect(new URL(page.url()).pathname).toBe('/in/jilin%2Fpark/');
  expect(await page.locator('.menu a[href="/backups"]').count()).toBe(0); // about the whole node
});

test('pages, Back and a reload stay in it', async () => {
  await page.locator('.menu a[href$="/devices"]').click();
  await page.waitForSelector('h1');
  expect(new URL(page.url()).pathname).toBe('/in/jilin%2Fpark/devices');
  if (real) {
    await until(() => page.locator('main').innerText(), (x) => x.includes('Their lathe'), 'their device');
    expect(await page.locator('tbody tr').count()).toBe(1);
    await page.locator('main a[href$="/devices/theirs-1"]').first().click();
    await until(() => page.locator('h1').innerText(), (x) => x.includes('Their lathe'), 'its page');
    expect(new URL(page.url()).pathname).toBe('/in/jilin%2Fpark/devices/theirs-1');
    await page.reload();
    await until(() => page.locator('h1').innerText(), (x) => x.includes('Their lathe'), 'its page again');
    await page.goBack();
  }
  await page.reload();
  await chip().waitFor();
  expect(new URL(page.url()).pathname).toBe('/in/jilin%2Fpark/devices');
});

test('a link opened in a new tab leads into it too', async () => {
  const link = page.locator('.menu a[href$="/things"]');
  const [other] = await Promise.all([browser.context.waitForEvent('page'), link.click({ button: 'middle' })]);
  await other.waitForSelector('.tenant-bar');
  expect(new URL(other.url()).pathname).toBe('/in/jilin%2Fpark/things');
  await other.close();
});

test.runIf(real)('what is made there is theirs', async () => {
  const made = await page.evaluate(async () => {
    const { csrf } = await (await fetch('/api/v1/sessions/current')).json();
    const ask = (path, method = 'GET', body) => fetch(path, { method, body, headers: { 'X-CSRF-Token': csrf, 'Content-Type': 'application/json' } });
    return (await ask('/api/v1/devices/theirs-1')).status;
  });
  expect(made).toBe(404); // in one's own tenant there is no such device
  await page.goto(`${platform.url}/in/jilin%2Fpark/people`);
  await page.getByRole('button', { name: /新建人员|New person|新建|Add/ }).first().click();
  await page.locator('.ant-modal input').first().fill('wang');
  await page.locator('.ant-modal input[type=password]').first().fill('Songhua-river-boats-1');
  await page.locator('.ant-modal .ant-btn-primary').click();
  await until(() => page.locator('tbody').innerText(), (x) => x.includes('wang'), 'the person');
  const there = await page.evaluate(async () => (await fetch('/api/v1/people/wang?tenant=jilin%2Fpark')).status);
  expect(there).toBe(200);
  expect(await page.evaluate(async () => (await fetch('/api/v1/people/wang')).status)).toBe(404);
});

test('the search finds tenants and goes there', async () => {
  await page.goto(`${platform.url}/`);
  await page.waitForSelector('h1');
  await page.keyboard.press('Control+k');
  await page.waitForSelector('.palette-input:focus');
  await page.keyboard.type('jilin/park');
  const hit = page.locator('[role=option]', { hasText: real ? '园区' : 'park' }).last();
  await hit.waitFor();
  await hit.click();
  await chip().waitFor();
  expect(new URL(page.url()).pathname).toBe('/in/jilin%2Fpark/');
});

test('and one comes back', async () => {
  await chip().locator('a').click();
  await page.waitForURL(`${platform.url}/`);
  await page.waitForSelector('h1');
  expect(await chip().count()).toBe(0);
});

test.runIf(real)('who is not above it is told so, and sees nothing', async () => {
  await api(page, 'POST', 'people?tenant=jilin', { name: 'li', roles: ['viewer'], password: 'Songhua-river-boats-2' });
  await api(page, 'POST', 'tenants', { path: 'heilong', quotas: {} });
  await browser.context.clearCookies();
  await page.goto(`${platform.url}/in/heilong/devices`);
  await page.waitForSelector('form input');
  await page.locator('form input').nth(0).fill('li@jilin');
  await page.locator('form input').nth(1).fill('Songhua-river-boats-2');
  await page.locator('form button[type=submit]').click();
  await chip().waitFor();
  expect(await chip().innerText()).toMatch(/不是您的下级租户|no tenant below yours/);
  await page.waitForSelector('.problem, [role=alert]');
  await chip().locator('a').click();
  await page.waitForURL(`${platform.url}/`);
});

test('nothing broke the content policy', () => {
  expect(faults.filter((text) => /Content Security Policy|Uncaught/i.test(text))).toEqual([]);
});
