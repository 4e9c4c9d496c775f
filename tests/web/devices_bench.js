// Times the console's pages on the platform named by SONGHUA_URL, which bench/devices has filled: from the click or the
// address to what one came for, median of five. One JSON object a line. SHOTS_OUT: pictures instead.
import { openPage, signIn, startBrowser } from './browser.js';

const url = process.env.SONGHUA_URL.replace(/\/$/, '');
const shots = process.env.SHOTS_OUT;
const browser = await startBrowser();
const { page, faults } = await openPage(browser.context);
page.setDefaultTimeout(30_000);
await signIn(page, url);

const rows = () => page.waitForSelector('tbody tr:not(.blank)');
const answered = (part) => page.waitForResponse((r) => r.url().includes(part) && r.status() === 200);
/** Two frames after: what was answered has been drawn. */
const drawn = () => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));

async function time(what, before, act, times = 5) {
  const took = [];
  for (let i = 0; i < times; i += 1) {
    await before(i);
    await drawn();
    const begin = performance.now();
    await act(i);
    await drawn();
    took.push(performance.now() - begin);
  }
  took.sort((a, b) => a - b);
  const round = (ms) => Math.round(ms);
  process.stdout.write(`${JSON.stringify({ what: `page: ${what}`, ms: round(took[Math.floor(times / 2)]), worst_ms: round(took[times - 1]) })}\n`);
}

const devices = async () => {
  await page.goto(`${url}/devices`);
  await rows();
};
const away = () => page.goto('about:blank');

async function measure() {
  await time('devices opens', away, devices);
  await time('devices, from the overview', async () => {
    await page.goto(url);
    await page.waitForSelector('.figures');
  }, async () => {
    await page.locator('.menu a[href="/devices"], nav a[href="/devices"]').first().click();
    await rows();
  });
  await time('next 500 rows by scrolling', devices, async () => {
    const next = answered('cursor=');
    await page.evaluate(() => {
      const box = document.querySelector('.table-box');
      box.scrollTop = box.scrollHeight;
    });
    await next;
    await page.waitForFunction(() => /1,?000/.test(document.querySelector('.table-foot').textContent));
  });
  for (const column of ['id', 'name', 'state', 'thing', 'asset', 'last']) {
    await time(`sort by ${column}`, async () => {
      await page.goto(`${url}/devices?sort=${column === 'id' ? 'name' : 'id'}`);
      await rows();
    }, async () => {
      const next = answered(`sort=${column}`);
      await page.locator(`thead th[data-column=${column}] button`).click();
      await next;
    });
  }
  await time('search by part of a name', devices, async () => {
    const next = answered('q=%E4%B8%89%E6%9C%9F');
    await page.locator('[role=search] input').first().fill('三期扩建');
    await next;
  });
  await time('state, thing and label', devices, async () => {
    await page.goto(`${url}/devices?state=never&thing=pump&label=line:20`);
    await rows();
  });
  await time('a device opens', devices, async () => {
    await page.locator('tbody a').first().click();
    await page.waitForSelector('[data-point]');
  });
  await time('overview opens', away, async () => {
    await page.goto(url);
    await page.waitForSelector('.figures');
  });
  await time('search everywhere (Ctrl+K)', devices, async () => {
    await page.keyboard.press('Control+k');
    await page.locator('.palette-input input, input.palette-input').fill('0777');
    await page.waitForSelector('.palette-item .dim');
  });
  // Frames while the list is scrolled: 120 steps of 400 px.
  await devices();
  const frames = await page.evaluate(async () => {
    const box = document.querySelector('.table-box');
    const took = [];
    let last = performance.now();
    for (let i = 0; i < 120; i += 1) {
      box.scrollTop += 400;
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      took.push(now - last);
      last = now;
    }
    return took.sort((a, b) => a - b);
  });
  process.stdout.write(`${JSON.stringify({ what: 'page: scrolling, a frame', ms: Math.round(frames[60]), worst_ms: Math.round(frames[119]) })}\n`);
}

async function pictures() {
  for (const language of ['zh', 'en']) {
    await signIn(page, url, language);
    for (const [width, height] of [[1280, 800], [1920, 1080]]) {
      await page.setViewportSize({ width, height });
      await devices();
      await page.waitForTimeout(400);
      await page.screenshot({ path: `${shots}/devices-${language}-${width}.png` });
      await page.goto(`${url}/devices?tree=1&asset=site-3&sort=-name`);
      await rows();
      for (const at of [1, 3, 4]) await page.locator('tbody tr .ant-checkbox-input').nth(at).click();
      await page.waitForTimeout(400);
      await page.screenshot({ path: `${shots}/tree-${language}-${width}.png` });
      await page.goto(`${url}/compare?devices=pump-000005,pump-000035,pump-000075,meter-000001`);
      await page.waitForSelector('.compare tbody tr');
      await page.waitForTimeout(1200);
      await page.screenshot({ path: `${shots}/compare-${language}-${width}.png` });
      await devices();
      await page.locator('.page-actions button').nth(3).click();
      await page.setInputFiles('input[type=file]', new URL('./files/openpyxl.xlsx', import.meta.url).pathname);
      await page.waitForSelector('.import-report');
      await page.waitForTimeout(400);
      await page.screenshot({ path: `${shots}/import-${language}-${width}.png` });
    }
  }
}

await (shots ? pictures() : measure());
await browser.close();
if (faults.length) process.stderr.write(`${faults.join('\n')}\n`);
process.exitCode = faults.length ? 1 : 0;
