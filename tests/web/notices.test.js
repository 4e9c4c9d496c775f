// The bell: problems are counted until they were seen; long work goes on while one looks at other pages.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openPage, real, signIn, startBrowser, startPlatform, until } from './browser.js';

let platform;
let browser;
let page;
let faults;
const bell = () => page.getByRole('button', { name: /通知与任务|Notices and tasks/ });
const drawer = () => page.locator('.ant-drawer-content, .ant-drawer-section').last();

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

test('the bell shows what the overview shows, by the keyboard too', async () => {
  await page.goto(platform.url);
  await page.waitForSelector('.panel');
  const told = await page.locator('.panel .troubles li').count();
  await bell().focus();
  await page.keyboard.press('Enter');
  await drawer().waitFor();
  await until(() => drawer().locator('.troubles li').count(), (n) => n >= told, 'the problems');
  expect(await drawer().innerText()).toMatch(/没有后台任务|No tasks/);
  await page.keyboard.press('Escape');
  await until(() => page.locator('.ant-drawer-open').count(), (n) => n === 0, 'it is closed');
  await until(() => bell().getAttribute('aria-label'), (label) => !/未读|new/.test(label), 'all are seen');
  await page.reload();
  await page.waitForSelector('.panel');
  await page.waitForTimeout(1500); // an overview of the stream has come
  expect(await bell().getAttribute('aria-label')).not.toMatch(/未读|new/);
});

test('a backup goes on as a task while one looks at other pages', async () => {
  await page.goto(`${platform.url}/backups`);
  await page.getByRole('button', { name: /立即备份|Back up now|备份/ }).first().click();
  await until(() => bell().getAttribute('aria-label'), (label) => /进行中|running/.test(label), 'it runs');
  await page.locator('.menu a[href="/devices"]').click();
  await page.waitForSelector('h1');
  await bell().click();
  const task = drawer().locator('.task').first();
  await task.waitFor();
  await until(() => task.getAttribute('data-state'), (state) => state === 'done', 'it is done', real ? 60_000 : 20_000);
  expect(await task.innerText()).toMatch(/songhua-\d{8}T\d{6}Z/);
  await drawer().getByRole('button', { name: /清除已结束|Clear ended/ }).click();
  expect(await drawer().locator('.task').count()).toBe(0);
  await page.keyboard.press('Escape');
});

test('the page has its help, by ? and by its button, also while one goes on', async () => {
  await page.goto(`${platform.url}/tokens`);
  await page.waitForSelector('h1');
  await page.locator('main').click({ position: { x: 5, y: 5 } });
  await page.keyboard.press('?');
  const help = page.locator('.help');
  await help.waitFor();
  expect(await help.innerText()).toMatch(/API 令牌|API tokens/);
  await help.locator('a[href="/roles"]').click();
  await until(() => Promise.resolve(page.url()), (url) => url.endsWith('/roles'), 'the other page');
  await until(() => page.locator('.ant-drawer-open').count(), (n) => n === 0, 'it is closed');
  await page.getByRole('button', { name: /本页帮助|^Help$/ }).click();
  await until(() => help.innerText(), (text) => /内置角色|Builtin/.test(text), 'help of that page');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+k');
  await page.waitForSelector('.palette-input:focus');
  await page.keyboard.type('?'); // in a field it is a character
  expect(await page.locator('.palette-input').inputValue()).toBe('?');
  expect(await page.locator('.ant-drawer-open').count()).toBe(0);
  await page.keyboard.press('Escape');
});

test('nothing broke the content policy', () => {
  expect(faults.filter((text) => /Content Security Policy|Uncaught/i.test(text))).toEqual([]);
});
