// Accessibility of every page in both looks (axe-core finds nothing serious), and what comes over the wire.
import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { api, axePath, historyPath, openPage, pickDevice, signIn, startBrowser, startPlatform } from './browser.js';

const FIRST_PAGE_MAX = 350 * 1024; // bytes over the wire until the overview is there
const PART_MAX = 120 * 1024; // each later part, compressed

const axe = readFileSync(axePath, 'utf8');

let platform;
let browser;
let page;

beforeAll(async () => {
  platform = await startPlatform();
  browser = await startBrowser();
  ({ page } = await openPage(browser.context));
});
afterAll(async () => {
  await browser?.close();
  await platform?.close();
});

/** Bytes of the body as sent: node's plain client does not unpack. */
function wireSize(url) {
  return new Promise((done, fail) => {
    get(url, { headers: { 'Accept-Encoding': 'gzip', Accept: 'text/html,*/*' } }, (res) => {
      let size = 0;
      res.on('data', (part) => (size += part.length)).on('end', () => done(size));
    }).on('error', fail);
  });
}

async function findings(path, ready) {
  await page.goto(platform.url + path);
  await page.waitForSelector(ready);
  await page.waitForTimeout(500); // transitions and the first answers
  await page.evaluate(`${axe}; 0`); // not as a script of the page: its content policy refuses those
  return page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ['violations'] });
    return violations
      .filter((v) => v.impact === 'serious' || v.impact === 'critical')
      .map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.any[0]?.message ?? ''}`).join(' | ')}`);
  });
}

test('the first page keeps its budget', async () => {
  // What the server sends for each file is asked again, as it is on the wire.
  const sizes = new Map();
  const asked = [];
  page.on('response', (response) => {
    const { pathname } = new URL(response.url());
    if (pathname.startsWith('/api/') || sizes.has(pathname)) return;
    sizes.set(pathname, 0);
    asked.push(wireSize(platform.url + pathname).then((size) => sizes.set(pathname, size)));
  });
  await signIn(page, platform.url);
  await page.waitForSelector('.figures');
  await page.waitForTimeout(300);
  await Promise.all(asked);
  const total = [...sizes.values()].reduce((a, b) => a + b, 0);
  process.stdout.write(`first page: ${Math.round(total / 1024)} KB compressed in ${sizes.size} files\n`);
  expect(total).toBeGreaterThan(50 * 1024);
  expect(total).toBeLessThan(FIRST_PAGE_MAX);
  for (const path of ['/devices', '/devices?tree=1', '/compare?devices=a,b', '/history', '/dashboards', '/dashboards/none', '/things/+', '/api-explorer', '/tokens', '/provisioning', '/device-templates', '/people', '/sign-in-providers', '/account', '/roles', '/tenants', '/backups']) {
    const before = new Set(sizes.keys());
    await page.goto(platform.url + path);
    await page.waitForSelector('h1');
    await page.waitForTimeout(300);
    await Promise.all(asked);
    const part = [...sizes].filter(([name]) => !before.has(name)).reduce((sum, [, size]) => sum + size, 0);
    expect(part, path).toBeLessThan(PART_MAX);
  }
});

for (const theme of ['light', 'dark']) {
  describe(theme, () => {
    let paths;
    beforeAll(async () => {
      await signIn(page, platform.url);
      await page.evaluate((look) => localStorage.setItem('songhua.theme', look), theme);
      const { device, points } = await pickDevice(page);
      const made = await api(page, 'POST', 'dashboards', {
        name: `axe ${theme}`,
        range: '15m',
        widgets: ['chart', 'value', 'gauge', 'table', 'devices', 'text'].map((kind, i) => ({
          id: `w${i}`, kind, x: (i % 3) * 4, y: Math.floor(i / 3) * 6, w: 4, h: 6,
          ...(kind === 'text' ? { text: '# a\n- [b](/devices)' } : kind === 'devices' ? { devices: [device.id] } : { points: [`${device.id}/${points[0]}`] }),
        })),
      });
      const board = `/dashboards/${made.data.id}`;
      const of = `/devices/${encodeURIComponent(device.id)}`;
      paths = {
        board: [board, '.u-over'],
        boardEditor: [`${board}?edit=1`, '.board.editing .u-over'],
        device: [of, 'tbody tr'],
        comparison: [`/compare?devices=${encodeURIComponent(encodeURIComponent(device.id))},nosuch`, '.compare tbody tr'],
        connection: [`${of}?tab=connect`, '.code'],
        access: [`${of}?tab=access`, '.access .panel'],
        deviceHistory: [`${of}?tab=history`, '.line-chart'],
        history: [historyPath(points.map((p) => `${device.id}/${p}`), 'last=1h'), '.legend tbody tr'],
        historyStatistics: [historyPath(points.map((p) => `${device.id}/${p}`), 'last=1h&panel=stats'), '.stats tbody tr'],
        versions: [`/things/${encodeURIComponent(device.thing)}?tab=versions`, '.versions tbody tr'],
        corrections: [historyPath(points.map((p) => `${device.id}/${p}`), 'last=1h&panel=edits'), '.edits tbody tr'],
      };
    });
    test.each([
      ['overview', '/', '.figures'],
      ['devices', '/devices', 'tbody tr'],
      ['asset tree', '/devices?tree=1', '[role=treeitem]'],
      ['comparison', null],
      ['dashboards', '/dashboards', 'tbody tr'],
      ['board', null],
      ['boardEditor', null],
      ['device', null],
      ['connection', null],
      ['deviceHistory', null],
      ['history', null],
      ['historyStatistics', null],
      ['corrections', null],
      ['access', null],
      ['things', '/things', 'h1'],
      ['editor', '/things/+', '#thing-id'],
      ['versions', null],
      ['explorer', '/api-explorer', '.operation'],
      ['tokens', '/tokens', 'h1'],
      ['provisioning', '/provisioning', 'h1'],
      ['device templates', '/device-templates', 'h1'],
      ['people', '/people', 'tbody tr'],
      ['providers', '/sign-in-providers', '.empty, tbody tr'],
      ['roles', '/roles', 'tbody tr'],
      ['tenants', '/tenants', 'tbody tr'],
      ['account', '/account', '.panel.wide tbody tr'],
      ['backups', '/backups', '.page-head h1'],
      ['security', '/security', '.controls tbody tr'],
      ['settings', '/settings', 'tr[data-setting]'],
      ['settings changes', '/settings/changes', '.empty, tbody tr'],
      ['health', '/health', '.figure'],
      ['log', '/logs', 'tbody tr'],
      ['components', '/security/components', 'tbody tr'],
      ['data catalogue', '/security/data', 'tbody tr'],
      ['audit', '/audit', 'h1'],
      ['unknown page', '/nowhere', '.empty'],
    ])('%s', async (name, path, ready) => {
      const [to, sign] = path ? [path, ready] : paths[name];
      expect(await findings(to, sign)).toEqual([]);
    });
  });
}

test('signing in', async () => {
  await browser.context.clearCookies();
  expect(await findings('/', '#password')).toEqual([]);
});
