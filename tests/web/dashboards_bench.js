// Measures the page of one dashboard (BOARD) on the platform named by SONGHUA_URL while its values come: see bench/dashboards.
import { openPage, signIn, startBrowser } from './browser.js';

const url = process.env.SONGHUA_URL.replace(/\/$/, '');
const seconds = Number(process.env.SECONDS_EACH ?? 20);
const browser = await startBrowser();
const { page, faults } = await openPage(browser.context);
await page.setViewportSize({ width: 1920, height: 1080 });
await signIn(page, url);
const begun = performance.now();
await page.goto(`${url}/dashboards/${process.env.BOARD}`);
await page.waitForFunction(() => document.querySelectorAll('.widget-chart .u-over').length >= 40);
const opened = performance.now() - begun;
await page.waitForTimeout(3000);

const cdp = await browser.context.newCDPSession(page);
await cdp.send('Performance.enable', { timeDomain: 'timeTicks' });
const metrics = async () => Object.fromEntries((await cdp.send('Performance.getMetrics')).metrics.map((m) => [m.name, m.value]));

async function measure(what) {
  await page.evaluate(() => {
    window.long = [];
    window.watcher = new PerformanceObserver((list) => list.getEntries().forEach((e) => window.long.push(e.duration)));
    window.watcher.observe({ entryTypes: ['longtask'] });
  });
  const before = await metrics();
  await page.waitForTimeout(1000 * seconds);
  const after = await metrics();
  const long = await page.evaluate(() => {
    window.watcher.disconnect();
    return window.long;
  });
  // Frames apart: counting them costs frames.
  const frames = await page.evaluate(
    () =>
      new Promise((done) => {
        let n = 0;
        const begin = performance.now();
        const tick = (now) => {
          n += 1;
          if (now - begin < 4000) requestAnimationFrame(tick);
          else done((1000 * n) / (now - begin));
        };
        requestAnimationFrame(tick);
      }),
  );
  const span = after.Timestamp - before.Timestamp;
  const share = (name) => Math.round((1000 * (after[name] - before[name])) / span) / 10;
  const row = {
    what,
    cpu_percent: share('ProcessTime'), // of the page's process, all its threads
    script_percent: share('ScriptDuration'),
    layout_percent: share('LayoutDuration'),
    long_tasks: long.length,
    longest_ms: Math.round(Math.max(0, ...long)),
    frames_per_second: Math.round(frames),
    heap_mb: Math.round(after.JSHeapUsedSize / 1e6),
    opened_ms: Math.round(opened),
  };
  process.stdout.write(`${JSON.stringify(row)}\n`);
}
await measure('100 widgets, top of the page');
await page.locator('[data-widget=w60]').scrollIntoViewIfNeeded();
await measure('100 widgets, values and gauges in view');
if (faults.length > 0) throw new Error(faults.join('\n'));
await browser.close();
