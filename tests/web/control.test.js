// Telling a device what to do, and what it is meant to be set to, in headless Chromium against the mock or (SONGHUA_URL) the real binary.
import { api, axeFindings, openPage, signIn, startBrowser, startPlatform, until } from './browser.js';

let platform;
let browser;
let page;
let faults;
let device; // one with a number that can be written
let property;

beforeAll(async () => {
  platform = await startPlatform();
  browser = await startBrowser();
  ({ page, faults } = await openPage(browser.context));
  await signIn(page, platform.url);
  const things = (await api(page, 'GET', 'things?limit=200')).data.items;
  for (const thing of things) {
    const one = (thing.properties ?? []).find((p) => p.access === 'rw' && p.type === 'f64' && p.range?.max !== undefined && p.range.max !== null);
    const found = one ? (await api(page, 'GET', `devices?thing=${thing.id}&limit=50`)).data.items : [];
    if (found.length === 0) continue;
    property = one;
    device = found.find((d) => d.state === 'online') ?? found[0];
    break;
  }
  expect([device, property]).not.toContain(undefined);
});
afterAll(async () => {
  await browser?.close();
  await platform?.close();
});
afterEach(() => {
  expect(faults.splice(0)).toEqual([]);
});

const open = (tab) => page.goto(`${platform.url}/devices/${encodeURIComponent(device.id)}?tab=${tab}`);
const button = (name) => page.getByRole('button', { name: new RegExp(`^${[...name].join('\\s?')}$`) });
const modal = () => page.locator('.ant-modal');
const axe = async () => expect(await axeFindings(page)).toEqual([]);
async function choose() {
  await page.locator('#command-what').click();
  await page.keyboard.type(property.id);
  await page.locator('.ant-select-item-option', { hasText: `(${property.id})` }).first().click();
}

describe('commands', () => {
  test('nothing goes out while the device is read-only; writes are allowed for a reason and a time', async () => {
    await open('control');
    await page.waitForSelector('.ant-alert');
    expect(await page.locator('.ant-alert').first().innerText()).toContain('只读接入');
    await choose();
    await page.fill(`#command-${property.id}`, String(property.range.max));
    expect(await button('下发').isDisabled()).toBe(true);
    await button('启用写入').click();
    expect(await modal().locator('.ant-btn-dangerous').isDisabled()).toBe(true);
    await page.fill('#enable-reason', '调试泵');
    await modal().locator('.ant-btn-dangerous').click();
    await until(() => page.locator('.ant-alert').first().innerText(), (text) => /允许写入，至 .*\d/.test(text), 'allowed');
    await axe();
  });

  test('a value out of its range is told; a good one is asked about, sent, answered and listed', async () => {
    await open('control');
    await choose();
    await page.fill(`#command-${property.id}`, String(property.range.max + 1));
    await until(() => page.locator('.command-fields').innerText(), (text) => text.includes('高于上限'), 'told');
    expect(await button('下发').isDisabled()).toBe(true);
    await page.fill(`#command-${property.id}`, 'x');
    await until(() => page.locator('.command-fields').innerText(), (text) => text.includes('与类型不符'), 'told');
    await page.fill(`#command-${property.id}`, String(property.range.max));
    await button('下发').click();
    expect(await modal().innerText()).toContain(device.id);
    expect(await modal().innerText()).toContain(String(property.range.max));
    await modal().locator('.ant-btn-dangerous').click();
    const state = () => page.locator('.command-outcome').getAttribute('data-state');
    const end = await until(state, (s) => s === 'done' || s === 'failed' || s === 'timeout', 'an end', 40_000);
    const now = (await api(page, 'GET', `devices/${encodeURIComponent(device.id)}`)).data.state;
    expect([now, end]).toEqual([now, now === 'online' ? 'done' : 'failed']);
    const row = page.locator('.commands tbody tr').first();
    await until(() => row.innerText(), (text) => text.includes(property.id) && text.includes(end === 'done' ? '已完成' : '失败'), 'listed');
  });

  test('it is read-only again when told', async () => {
    await open('control');
    await button('恢复只读').click();
    await until(() => page.locator('.ant-alert').first().innerText(), (text) => text.includes('只读接入'), 'read-only');
  });
});

describe('attributes', () => {
  test('a desired value is set, stands as differing until it is reported, is changed and taken away', async () => {
    await open('attributes');
    await button('新增期望值').click();
    await page.fill('#attribute-name', 'sampling');
    await page.fill('#attribute-value', '5');
    await modal().locator('.ant-btn-primary').click();
    const row = page.locator('.attributes tbody tr', { hasText: 'sampling' });
    await until(() => row.count(), (n) => n === 1, 'a row');
    expect(await row.innerText()).toMatch(/5.*–.*不一致/s);
    expect(await page.locator('.attributes [role=status]').innerText()).toMatch(/\d+ 项与期望不一致/);
    await axe();
    await row.getByRole('button', { name: /编\s?辑/ }).click();
    await page.fill('#attribute-value', 'fast');
    await modal().locator('.ant-btn-primary').click();
    await until(() => row.innerText(), (text) => text.includes('"fast"'), 'changed');
    await row.getByRole('button', { name: '取消期望' }).click();
    await until(() => row.count(), (n) => n === 0, 'gone');
  });
});
