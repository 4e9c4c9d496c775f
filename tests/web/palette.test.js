// Search over everything by the keyboard alone: pages, devices, points, people; nothing found; another language.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openPage, pickDevice, signIn, startBrowser, startPlatform, until } from './browser.js';

let platform;
let browser;
let page;
let faults;
let device;
let property;
const options = () => page.locator('.palette [role=option]');
const open = async () => {
  await page.keyboard.press('Control+k');
  await page.waitForSelector('.palette-input:focus');
};

beforeAll(async () => {
  platform = await startPlatform();
  browser = await startBrowser();
  ({ page, faults } = await openPage(browser.context));
  await signIn(page, platform.url);
  const found = await pickDevice(page);
  device = found.device;
  property = found.points[0];
});
afterAll(async () => {
  await browser?.close();
  await platform?.close();
});

test('a page is opened by its name', async () => {
  await open();
  expect(await options().count()).toBeGreaterThan(8); // all pages, before anything is typed
  await page.keyboard.type('令牌');
  await until(() => options().count(), (n) => n === 1, 'one page');
  await page.keyboard.press('Enter');
  await until(() => Promise.resolve(page.url()), (url) => url.endsWith('/tokens'), 'the page of tokens');
  expect(await page.locator('.palette').count()).toBe(0);
});

test('a device is found by its id and opened with the arrow keys', async () => {
  await open();
  await page.keyboard.type(device.id);
  const own = options().filter({ hasText: device.id }).first();
  await own.waitFor();
  for (let i = 0; (await own.getAttribute('aria-selected')) !== 'true' && i < 30; i++) await page.keyboard.press('ArrowDown');
  const active = await page.locator('.palette-input').getAttribute('aria-activedescendant');
  expect(await own.getAttribute('id')).toBe(active); // a screen reader follows
  await page.keyboard.press('Enter');
  await until(() => Promise.resolve(page.url()), (url) => url.includes(`/devices/${encodeURIComponent(device.id)}`), 'the device');
});

test('a point opens its history', async () => {
  await open();
  await page.keyboard.type(`${device.id}/${property}`);
  await options().filter({ hasText: property }).first().click();
  await page.waitForSelector('.line-chart');
  expect(decodeURIComponent(decodeURIComponent(page.url()))).toContain(`${device.id}/${property}`);
});

test('nothing found is said, and Escape closes', async () => {
  await page.getByRole('button', { name: /查找/ }).click();
  await page.waitForSelector('.palette-input:focus');
  await page.keyboard.type('zzz-nothing');
  await page.getByText('没有找到“zzz-nothing”').waitFor();
  await page.keyboard.press('Escape');
  await page.locator('.palette').waitFor({ state: 'detached' });
});

test('nothing broke the content policy', () => {
  expect(faults).toEqual([]);
});
