// Chromium 109, the last one for Windows 7 panels: signing in, live pages, charts and forms work in it, and no page fails. The browser comes
// as a file of a package of npm (x86-64 only), unpacked for the run.
import { createReadStream, createWriteStream, chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { historyPath, openPage, pickDevice, signIn, startBrowser, startPlatform } from './browser.js';

const require = createRequire(new URL('../../web/package.json', import.meta.url));
let folder;
let platform;
let browser;
let page;
let faults;

async function unpacked() {
  const packed = join(dirname(require.resolve('@sparticuz/chromium')), '..', 'bin', 'chromium.br');
  folder = mkdtempSync(join(tmpdir(), 'songhua-chromium109-'));
  const file = join(folder, 'chromium');
  await pipeline(createReadStream(packed), createBrotliDecompress(), createWriteStream(file));
  chmodSync(file, 0o700);
  return file;
}

describe.skipIf(process.arch !== 'x64')('Chromium 109', () => {
  beforeAll(async () => {
    platform = await startPlatform();
    browser = await startBrowser(await unpacked());
    ({ page, faults } = await openPage(browser.context));
    await signIn(page, platform.url);
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await platform?.close();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  test('it is that one', async () => {
    expect(await page.evaluate(() => navigator.userAgent)).toContain('Chrome/109.');
  });

  test.each([
    ['overview', '/', '.figure .spark'],
    ['devices', '/devices', 'tbody tr'],
    ['thing models', '/things', 'tbody tr'],
    ['dashboards', '/dashboards', 'tbody tr, .empty'],
    ['people', '/people', 'tbody tr'],
    ['settings', '/settings', 'tr[data-setting]'],
    ['health', '/health', '.figure'],
    ['audit', '/audit', 'tbody tr'],
    ['account', '/account', '.panel'],
  ])('%s', async (_, path, ready) => {
    await page.goto(platform.url + path);
    await page.waitForSelector(ready);
    expect(faults.splice(0)).toEqual([]);
  });

  test('a live device and its history on a chart', async () => {
    const { device, points } = await pickDevice(page);
    await page.goto(`${platform.url}/devices/${encodeURIComponent(device.id)}`);
    await page.waitForSelector('.mark[data-quality]');
    await page.goto(platform.url + historyPath(points.map((p) => `${device.id}/${p}`), 'last=1h'));
    await page.waitForSelector('.line-chart canvas');
    await page.waitForSelector('.legend tbody tr');
    expect(faults.splice(0)).toEqual([]);
  });

  test('a form: a device is begun and left', async () => {
    await page.goto(`${platform.url}/devices`);
    await page.waitForSelector('tbody tr');
    await page.locator('.page-actions .ant-btn-primary').click();
    await page.locator('.ant-modal #id').fill('panel-7');
    await page.keyboard.press('Escape');
    expect(faults.splice(0)).toEqual([]);
  });
});
