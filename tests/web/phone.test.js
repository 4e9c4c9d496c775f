// The pages that are used on a phone, at 390 x 844, against the mock or (SONGHUA_URL) the real binary: nothing scrolls sideways, fingers hit
// what they aim at, axe finds nothing serious; the QR code of a device opens its page there.
import { readFileSync } from 'node:fs';
import { api, axePath, historyPath, openPage, password, pickDevice, signIn, startBrowser, startPlatform, until } from './browser.js';

const axe = readFileSync(axePath, 'utf8');
const TOUCH = 36; // CSS pixels, and no smaller; most are 40 and more

let platform;
let browser;
let page;
let faults;
let device;
let names;
let board;

beforeAll(async () => {
  platform = await startPlatform();
  browser = await startBrowser();
  ({ page, faults } = await openPage(browser.context));
  await signIn(page, platform.url);
  const picked = await pickDevice(page);
  device = picked.device;
  names = picked.points.map((p) => `${device.id}/${p}`);
  const widget = (id, kind, y, more) => ({ id, kind, x: 0, y, w: 6, h: 4, ...more });
  const made = await api(page, 'POST', 'dashboards', {
    name: 'phone', range: '15m',
    widgets: [widget('a', 'value', 0, { points: [names[0]] }), widget('b', 'chart', 4, { points: names }), widget('c', 'gauge', 8, { points: [names[0]] }),
      widget('d', 'table', 12, { points: names }), widget('e', 'devices', 16, { devices: [device.id] }), widget('f', 'text', 20, { text: '# a\nb' })],
  });
  board = made.data;
  await page.setViewportSize({ width: 390, height: 844 });
});
afterAll(async () => {
  if (board) await api(page, 'DELETE', `dashboards/${board.id}`);
  await browser?.close();
  await platform?.close();
});
afterEach(() => {
  expect(faults.splice(0)).toEqual([]);
});

const go = (path) => page.goto(platform.url + path);

/** What stands out to the right of the page, and small targets, by words. */
function measure() {
  return page.evaluate((least) => {
    const root = document.scrollingElement;
    const main = document.querySelector('.main');
    const name = (el) => `${el.tagName.toLowerCase()}.${String(el.className).split(' ').slice(0, 2).join('.')} ${(el.getAttribute('aria-label') ?? el.textContent ?? '').slice(0, 24)}`;
    const seen = (el) => {
      const box = el.getBoundingClientRect();
      return box.width > 0 && box.height > 0 && getComputedStyle(el).visibility === 'visible' && !el.closest('.hidden, .skip, .uplot, [aria-hidden=true]');
    };
    const broad = [root, main].filter((el) => el && el.scrollWidth > el.clientWidth);
    const edge = root.clientWidth + 1;
    const beyond = broad.length > 0 ? [...main.querySelectorAll('*')].filter((el) => el.getBoundingClientRect().right > edge).slice(0, 5) : [];
    const wide = [...broad, ...beyond].map(name);
    const inner = [...document.querySelectorAll('.main *')].filter((el) => seen(el) && el.scrollWidth > el.clientWidth + 1 && /auto|scroll/.test(getComputedStyle(el).overflowX));
    const targets = [...document.querySelectorAll('button, .main a[href], [role=tab], .ant-select, input:not([type=checkbox]):not([type=radio])')];
    const shown = targets.filter(seen);
    const low = shown.filter((el) => !el.parentElement?.closest('.ant-select, .ant-input-affix-wrapper, .ant-picker, p, .page-note, h1, .widget-text') && el.getBoundingClientRect().height < least);
    return { wide, inner: inner.map(name).slice(0, 5), low: low.map((el) => `${name(el)} ${Math.round(el.getBoundingClientRect().height)}`).slice(0, 8), targets: shown.length };
  }, TOUCH);
}

async function serious() {
  await page.evaluate(`${axe}; 0`);
  return page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ['violations'] });
    return violations.filter((v) => v.impact === 'serious' || v.impact === 'critical').map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.target).join(' | ')}`);
  });
}

const fits = async () => {
  await page.waitForTimeout(500); // transitions
  const { wide, inner, low, targets } = await measure();
  expect({ wide, inner, low }).toEqual({ wide: [], inner: [], low: [] });
  expect(targets).toBeGreaterThan(0);
};

const paths = {
  overview: () => ['/', '.figures'],
  devices: () => ['/devices', '.table-list li'],
  device: () => [`/devices/${encodeURIComponent(device.id)}`, '.table-list .spark'],
  'device history': () => [`/devices/${encodeURIComponent(device.id)}?tab=history`, '.line-chart'],
  'history without points': () => ['/history', '.pick-row'],
  history: () => [historyPath(names, 'last=1h'), '.legend tbody tr'],
  dashboards: () => ['/dashboards', '.table-list li'],
  dashboard: () => [`/dashboards/${board.id}`, '.widget-chart .u-over'],
};

describe.each(['light', 'dark'])('%s', (theme) => {
  beforeAll(() => page.evaluate((look) => localStorage.setItem('songhua.theme', look), theme));
  test.each(Object.keys(paths))('%s', async (name) => {
    const [path, ready] = paths[name]();
    await go(path);
    await page.waitForSelector(ready);
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/phone_${name.replaceAll(' ', '_')}_${theme}.png` });
    await fits();
    expect(await serious()).toEqual([]);
  });
});

test('the menu is a drawer, by finger and by keys', async () => {
  await go('/devices');
  const side = page.locator('.side');
  expect(await side.isVisible()).toBe(false);
  await page.click('.menu-button');
  await page.waitForFunction(() => getComputedStyle(document.querySelector('.side')).transform === 'none');
  expect(await page.locator('.menu-button').getAttribute('aria-expanded')).toBe('true');
  expect(await page.evaluate(() => document.activeElement.closest('.side') !== null)).toBe(true);
  await fits();
  await page.keyboard.press('Escape');
  await side.waitFor({ state: 'hidden' });
  expect(await page.evaluate(() => document.activeElement.classList.contains('menu-button'))).toBe(true);
  await page.click('.menu-button');
  await page.click('.menu a[href="/history"]');
  await page.waitForURL(/\/history/);
  await side.waitFor({ state: 'hidden' });
});

test('a device is chosen, and its values move', async () => {
  await go(`/devices?q=${encodeURIComponent(device.id)}`);
  await page.click(`.table-list a[href="/devices/${encodeURIComponent(device.id)}"]`);
  await page.waitForSelector('.table-list .value');
  const line = () => page.locator('.table-list .spark-line').first().getAttribute('d');
  const first = await until(line, Boolean, 'a trend');
  await until(line, (d) => d !== first, 'a trend that moves');
});

test('the QR code of a device opens its page after signing in', async () => {
  await go(`/devices/${encodeURIComponent(device.id)}`);
  await page.getByRole('button', { name: '二维码' }).click();
  const label = page.locator('.device-label');
  await label.locator('svg').waitFor();
  await fits();
  const url = await label.getAttribute('data-url');
  expect(url).toBe(`${platform.url}/devices/${encodeURIComponent(device.id)}`);
  const other = await startBrowser();
  try {
    const { page: phone } = await openPage(other.context);
    await phone.setViewportSize({ width: 390, height: 844 });
    await phone.goto(url);
    await phone.waitForSelector('#user');
    expect(await phone.evaluate(() => document.scrollingElement.scrollWidth <= document.scrollingElement.clientWidth)).toBe(true);
    await phone.fill('#user', 'admin');
    await phone.fill('#password', password);
    await phone.click('button[type=submit]');
    await phone.waitForSelector('.device-page');
    expect(phone.url()).toBe(url);
  } finally {
    await other.close();
  }
});

test('labels of chosen devices are printed alone', async () => {
  await page.setViewportSize({ width: 1280, height: 800 });
  await go('/devices');
  await page.waitForSelector('tbody tr:not(.blank)');
  for (const i of [0, 1]) await page.locator('tbody tr:not(.blank) input[type=checkbox]').nth(i).check();
  await page.getByRole('button', { name: '打印标签' }).click();
  await page.locator('.device-label').nth(1).waitFor();
  expect(await page.locator('.device-label').count()).toBe(2);
  await page.emulateMedia({ media: 'print' });
  expect(await page.locator('.device-label').first().isVisible()).toBe(true);
  expect(await page.locator('.shell').isVisible()).toBe(false);
  expect(await page.locator('.ant-modal-footer').isVisible()).toBe(false);
  await page.emulateMedia({ media: 'screen' });
  await page.setViewportSize({ width: 390, height: 844 });
});
