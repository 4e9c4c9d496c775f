// What the browser tests share: Chromium, a platform (the mock, or the real one named by
// SONGHUA_URL with SONGHUA_ADMIN_PASSWORD), signing in, and watching for faults of the page.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Mock } from '../../web/test/mock/server.js';

const require = createRequire(new URL('../../web/package.json', import.meta.url));
const { chromium } = require('playwright-core');
export const axePath = require.resolve('axe-core/axe.min.js');

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--lang=zh-CN',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const real = process.env.SONGHUA_URL ?? '';
export const password = process.env.SONGHUA_ADMIN_PASSWORD ?? 'songhua-demo';
const dist = process.env.SH_WEB_OUT ?? new URL('../../build/web/dist', import.meta.url).pathname;

/** The platform under test: {url, mock, close}. */
export async function startPlatform(options = {}) {
  if (real) return { url: real.replace(/\/$/, ''), mock: null, close: async () => {} };
  if (!existsSync(join(dist, 'index.html'))) {
    throw new Error(`no built console in ${dist}: run "npm run build" in web/ first`);
  }
  const mock = new Mock({ password, dist, ...options });
  return { url: await mock.listen(), mock, close: () => mock.close() };
}

export async function startBrowser(executable = process.env.CHROMIUM ?? '/usr/bin/chromium') {
  const profile = mkdtempSync(join(tmpdir(), 'songhua-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: executable,
    args: FLAGS,
    headless: true,
    viewport: { width: 1280, height: 800 },
    locale: 'zh-CN',
    timezoneId: 'Asia/Shanghai',
    acceptDownloads: true,
  });
  return {
    context,
    close: async () => {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

/** A new page that collects what the page does wrong: exceptions and broken content policy. */
export async function openPage(context) {
  const page = await context.newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (message) => {
    if (/Content Security Policy|Refused to/.test(message.text())) faults.push(message.text());
  });
  page.setDefaultTimeout(15_000);
  return { page, faults };
}

export async function signIn(page, url, language = 'zh') {
  await page.goto(`${url}/`);
  await page.evaluate((lang) => localStorage.setItem('songhua.language', lang), language);
  await page.goto(`${url}/`);
  await page.waitForSelector('#user, .shell');
  if (await page.locator('.shell').count()) return;
  await page.fill('#user', 'admin');
  await page.fill('#password', password);
  await page.click('button[type=submit]');
  await page.waitForSelector('.shell');
}

/** Lists of antd that are shut stay in the document. */
export const SHUT_LISTS = { exclude: ['.ant-select-dropdown'] };

/** What axe-core finds serious on the page as it stands; not run as a script of the page: its content policy refuses those. */
export async function axeFindings(page, where) {
  await page.evaluate(`${readFileSync(axePath, 'utf8')}; 0`);
  return page.evaluate(async (on) => {
    const { violations } = await window.axe.run(on ?? document, { resultTypes: ['violations'] });
    return violations.filter((v) => v.impact === 'serious' || v.impact === 'critical').map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ')}`);
  }, where);
}

/** A call to the API as the signed-in person, from inside the page. */
export function api(page, method, path, json) {
  return page.evaluate(
    async ([verb, to, body]) => {
      const session = await (await fetch('/api/v1/sessions/current')).json();
      const response = await fetch(`/api/v1/${to}`, {
        method: verb,
        headers: { 'Content-Type': 'application/json', 'X-CSRF-Token': session.csrf },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      const text = await response.text();
      return { status: response.status, data: text ? JSON.parse(text) : null };
    },
    [method, path, json],
  );
}

/** An online device and two numeric points of it whose values move. */
export async function pickDevice(page) {
  const devices = (await api(page, 'GET', 'devices?state=online&limit=50')).data.items;
  for (const device of devices) {
    const path = `points?device=${encodeURIComponent(device.id)}&limit=100`;
    const points = (await api(page, 'GET', path)).data.items.filter((p) => p.type === 'f64');
    if (points.length >= 2) return { device, points: points.slice(0, 2).map((p) => p.property) };
  }
  throw new Error('no online device with two numeric points');
}

/** The address of the history explorer for some points (device/property). */
export function historyPath(names, tail) {
  const points = names.map(encodeURIComponent).join(',');
  return `/history?points=${encodeURIComponent(points)}&${tail}`;
}

/** Waits until `read` gives something that `good` accepts, and returns it. */
export async function until(read, good, what, ms = 10_000) {
  const end = Date.now() + ms;
  let last;
  while (Date.now() < end) {
    last = await read();
    if (good(last)) return last;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`${what}: still ${JSON.stringify(last)} after ${ms} ms`);
}
