// The self check in the browser: filtered by state, searched, linked to where it is mended, printed; and what an attacker puts into names
// is shown as text.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, openPage, real, signIn, startBrowser, startPlatform, until } from './browser.js';

let platform;
let browser;
let page;
let faults;
const go = (path) => page.goto(platform.url + path);
const rows = () => page.locator('.controls tbody tr');

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

test('each control has its state, evidence and clauses', async () => {
  await go('/security');
  await rows().first().waitFor();
  const all = await rows().count();
  expect(all).toBeGreaterThan(real ? 40 : 3);
  const factor = rows().filter({ hasText: 'people.second_factor' });
  expect(await factor.innerText()).toContain('guard.second_factor = choice');
  expect(await factor.innerText()).toContain('SR 1.1 RE 2');
  expect(await factor.locator('[data-control=not_met]').count()).toBe(1);
});

test('the states filter, and the address keeps it', async () => {
  const all = await rows().count();
  await page.locator('.state-filter button').nth(1).click();
  await until(() => rows().count(), (n) => n < all, 'fewer rows');
  const bad = await rows().count();
  expect(await page.locator('.state-filter button').nth(1).innerText()).toContain(String(bad));
  expect(page.url()).toContain('state=not_met');
  await page.reload();
  await rows().first().waitFor();
  expect(await rows().count()).toBe(bad);
  await page.fill('.toolbar input', 'second_factor');
  await until(() => rows().count(), (n) => n === 1, 'one row');
  await page.fill('.toolbar input', 'no such thing');
  await page.waitForSelector('.empty');
});

test('a remedy leads to where it is done', async () => {
  await go('/security?q=second_factor');
  await rows().first().locator('a').click();
  await page.waitForURL(/\/people/);
});

test('components are listed with version and licence', async () => {
  await go('/security');
  await page.locator('a[href="/security/components"]').click();
  await page.waitForSelector('tbody tr');
  const row = page.locator('tbody tr').filter({ hasText: 'libssl3' });
  expect(await row.innerText()).toContain('Apache-2.0');
  await page.fill('.toolbar input', '@ant-design/icons');
  await until(() => page.locator('tbody tr').count(), (n) => n >= 1 && n < 5, 'few rows');
  expect(await page.locator('tbody').innerText()).toContain('MIT');
});

test('a new key is made while the node runs, and a recovery sheet is printed once and revoked', async () => {
  await go('/security');
  await page.locator('a.ant-btn[href="/security/keys"]').click(); // findings link there too
  const keys = page.locator('.ant-table-row, tbody tr');
  await keys.first().waitFor();
  const before = await keys.count();
  await page.getByRole('button', { name: /轮换密钥|Make a new key/ }).click();
  await page.locator('.ant-modal input[type=checkbox]').check();
  await page.locator('.ant-modal-footer .ant-btn-primary').click();
  await until(() => keys.count(), (n) => n === before + 1, 'one more key');
  expect(await keys.first().innerText()).toMatch(/使用中|In use/);
  const sheet = page.getByRole('button', { name: /打印恢复单|Print a sheet/ });
  await sheet.click();
  const code = page.locator('.key-code pre');
  await code.waitFor();
  const text = (await code.innerText()).replace(/\s+/g, '-');
  expect(text).toMatch(/^([0-9A-HJKMNP-TV-Z]{5}-){7}[0-9A-HJKMNP-TV-Z]{5}$/);
  await page.emulateMedia({ media: 'print' });
  expect(await code.isVisible()).toBe(true);
  expect(await page.locator('.side').isVisible()).toBe(false);
  await page.emulateMedia({ media: 'screen' });
  await page.locator('.ant-modal-footer .ant-btn-primary').click();
  await code.waitFor({ state: 'detached' });
  await page.reload();
  await until(() => page.locator('main').innerText(), (x) => /打印。|Printed/.test(x), 'when it was printed');
  expect(await page.content()).not.toContain(text.slice(0, 5));
  await page.getByRole('button', { name: /^作 ?废$|^Revoke$/ }).click();
  await page.locator('.ant-modal-confirm .ant-btn-dangerous').click();
  await until(() => page.locator('main').innerText(), (x) => /尚未打印|No sheet was printed/.test(x), 'no sheet');
});

test('a signed checkpoint of the audit chain is taken away as a file', async () => {
  await go('/audit');
  await page.waitForSelector('tbody tr');
  const [file] = await Promise.all([page.waitForEvent('download'), page.locator('a[download="songhua-checkpoint.json"]').click()]);
  const kept = JSON.parse(readFileSync(await file.path(), 'utf8'));
  expect(kept.checkpoint).toContain('songhua-checkpoint');
  expect(kept.signature.length).toBeGreaterThan(2);
});

test('it prints all controls without the frame', async () => {
  await go('/security');
  await rows().first().waitFor();
  await page.emulateMedia({ media: 'print' });
  expect(await page.locator('.side').isVisible()).toBe(false);
  expect(await page.locator('.toolbar').isVisible()).toBe(false);
  expect(await rows().last().isVisible()).toBe(true);
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  const end = await rows().last().evaluate((el) => el.getBoundingClientRect().bottom + window.scrollY);
  expect(end).toBeLessThanOrEqual(height + 1); // no box of its own cuts it
  const note = await page.locator('.page-note').innerText();
  expect(note).toMatch(/0\.\d+\.\d+/); // version
  expect(note).toMatch(/\d{4}/); // date
  await page.emulateMedia({ media: 'screen' });
});

test.runIf(real)('a name that is an attack is shown as text everywhere', async () => {
  const evil = '"><img src=x onerror="window.owned=1"><script>window.owned=1</script>';
  const made = await api(page, 'POST', 'devices', { id: 'evil-1', name: evil, labels: { note: evil } });
  expect(made.status).toBe(201);
  const owned = () => page.evaluate(() => [window.owned, document.querySelectorAll('img[src=x]').length]);
  const shown = async (path, sign) => {
    await go(path);
    await page.waitForSelector(sign);
    await until(() => page.locator('body').innerText(), (text) => text.includes('onerror'), `the name on ${path}`);
    expect(await owned()).toEqual([undefined, 0]);
  };
  await shown('/devices?q=evil', 'tbody tr');
  await shown('/devices/evil-1', 'h1');
  const person = await api(page, 'POST', 'people', { name: 'evil', display: evil, roles: ['viewer'], password: 'Songhua-river-boats-1' });
  expect(person.status).toBe(201);
  await shown('/people', 'tbody tr');
  await go('/audit?q=evil');
  await page.waitForSelector('tbody tr');
  expect(await owned()).toEqual([undefined, 0]);
  await page.keyboard.press('Control+k');
  await page.waitForSelector('.palette-input');
  await page.keyboard.type('evil');
  await until(() => page.locator('.palette-list').innerText(), (text) => text.includes('evil-1'), 'the device in the palette');
  expect(await owned()).toEqual([undefined, 0]);
  await page.keyboard.press('Escape');
  await api(page, 'DELETE', 'devices/evil-1');
  await api(page, 'DELETE', 'people/evil');
});

test('nothing broke the content policy', () => {
  expect(faults).toEqual([]);
});
