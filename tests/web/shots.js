// npm run shots: takes the pictures of the README anew, into docs/images, from the mock or from the
// platform named by SONGHUA_URL. SHOTS_LANGUAGE=en and SHOTS_THEME=dark change the look,
// SHOTS_POINTS=pump-101/flow,tank-101/level and SHOTS_RANGE=last=1h the history.
import { historyPath, openPage, pickDevice, signIn, startBrowser, startPlatform } from './browser.js';

const out = process.env.SHOTS_OUT ?? new URL('../../docs/images', import.meta.url).pathname;
const FILL_MS = 32_000; // until the lines of the overview fill their place

const platform = await startPlatform();
const browser = await startBrowser();
const { page } = await openPage(browser.context);
await page.goto(platform.url);
await page.evaluate((theme) => localStorage.setItem('songhua.theme', theme), process.env.SHOTS_THEME ?? 'light');
await signIn(page, platform.url, process.env.SHOTS_LANGUAGE ?? 'zh');
await page.waitForSelector('.live-card');
await page.waitForTimeout(FILL_MS);
await page.screenshot({ path: `${out}/overview.png` });
const { device, points } = await pickDevice(page);
const wanted = process.env.SHOTS_POINTS?.split(',') ?? points.map((p) => `${device.id}/${p}`);
await page.goto(platform.url + historyPath(wanted, process.env.SHOTS_RANGE ?? 'last=8h'));
await page.waitForSelector('.legend tbody td.strong');
await page.waitForTimeout(1500);
await page.mouse.move(900, 330);
await page.waitForTimeout(300);
await page.screenshot({ path: `${out}/history.png` });
await browser.close();
await platform.close();
