// Plan and map of the plant in the console, against the mock or (SONGHUA_URL) the real binary: a picture becomes a plan, devices are placed
// by dragging, by button and by keys, undone, saved, live; many markers; the map fits, gathers, opens devices, keeps the filter.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { api, axeFindings, openPage, real, signIn, startBrowser, startPlatform, until } from './browser.js';

const mark = `pl-${Date.now().toString(36)}`;
const [line, pump, fan] = [`${mark}-line`, `${mark}-pump`, `${mark}-fan`];
const folder = mkdtempSync(join(tmpdir(), 'songhua-plan-'));
let platform;
let browser;
let page;
let faults;

/** A grey picture of a floor, 1200 by 700, as PNG. */
function picture(width = 1200, height = 700) {
  const table = Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    return c >>> 0;
  });
  const crc = (data) => (data.reduce((c, b) => table[(c ^ b) & 255] ^ (c >>> 8), 0xffffffff) ^ 0xffffffff) >>> 0;
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const out = Buffer.alloc(body.length + 8);
    out.writeUInt32BE(data.length, 0);
    body.copy(out, 4);
    out.writeUInt32BE(crc(body), body.length + 4);
    return out;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 0], 8);
  const rows = Buffer.alloc((width + 1) * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = x % 100 < 2 || y % 100 < 2 ? 200 : 240;
  }
  return Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), chunk('IHDR', head), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))]);
}

beforeAll(async () => {
  platform = await startPlatform();
  browser = await startBrowser();
  ({ page, faults } = await openPage(browser.context));
  await signIn(page, platform.url);
  await api(page, 'POST', 'assets', { id: line, name: '测试产线', kind: 'line', location: { lat: 45.7, lon: 126.6 } });
  await api(page, 'POST', 'devices', { id: pump, name: '测试泵', asset: line, labels: { plan: mark }, location: { lat: 45.75, lon: 126.65 } });
  await api(page, 'POST', 'devices', { id: fan, name: '测试风机', asset: line, labels: { plan: mark }, location: { lat: 39.9, lon: 116.4 } });
});
afterAll(async () => {
  await browser?.close();
  await platform?.close();
  rmSync(folder, { recursive: true, force: true });
});
afterEach(() => {
  expect(faults.splice(0)).toEqual([]);
});

const button = (scope, name) => scope.getByRole('button', { name: new RegExp(`^${[...name].join('\\s?')}$`) });
const marker = (name) => page.locator('.plan-marker').filter({ hasText: name });
const plan = async () => (await api(page, 'GET', `assets/${line}/plan`)).data;
const open = async () => {
  await page.goto(`${platform.url}/devices?as=plan&asset=${line}`);
  await page.locator('.stage img').waitFor();
};

const axe = async () => expect(await axeFindings(page)).toEqual([]);

describe('plan', () => {
  test('from the list by the switch; the tree chooses whose; a picture becomes the plan', async () => {
    await page.goto(`${platform.url}/devices`);
    await page.locator('.ant-segmented').getByText('平面图').click();
    await page.waitForURL(/as=plan/);
    await page.getByText('选择要查看的平面图').waitFor();
    await page.getByRole('treeitem').filter({ hasText: '测试产线' }).click();
    await page.getByText('“测试产线”还没有平面图').waitFor();
    await axe();
    await button(page, '选择平面图图片').click();
    const path = join(folder, '布局.png');
    writeFileSync(path, picture());
    await page.locator('.ant-drawer .files input[type=file]').setInputFiles(path);
    await button(page.locator('.plan-pictures'), '设为平面图').click();
    await page.locator('.stage img').waitFor();
    expect((await plan()).file.name).toBe('布局.png');
  });

  test('devices are placed by dragging and by button, moved by keys, undone, saved', async () => {
    await open();
    await button(page, '编辑平面图').click();
    const entry = page.locator('.plan-entry').filter({ hasText: '测试泵' });
    const from = await entry.boundingBox();
    const stage = await page.locator('.stage').boundingBox();
    await page.mouse.move(from.x + 20, from.y + 8);
    await page.mouse.down();
    await page.mouse.move(stage.x + stage.width / 2, stage.y + stage.height / 2, { steps: 5 });
    await page.mouse.up();
    await marker('测试泵').waitFor();
    expect(await entry.count()).toBe(0);
    await page.getByRole('button', { name: '将 测试风机 放到图中央' }).click();
    await marker('测试风机').waitFor();
    await marker('测试风机').focus();
    for (let i = 0; i < 4; i++) await page.keyboard.press('Shift+ArrowRight');
    await page.keyboard.press('Delete');
    expect(await marker('测试风机').count()).toBe(0);
    await page.keyboard.press('Control+z');
    await marker('测试风机').waitFor();
    const at = await marker('测试泵').boundingBox(); // dragged on the picture
    await page.mouse.move(at.x + 1, at.y + 1);
    await page.mouse.down();
    await page.mouse.move(at.x - 99, at.y + 1, { steps: 4 });
    await page.mouse.up();
    await axe();
    await button(page, '保存').click();
    await button(page, '编辑平面图').waitFor();
    const { markers } = await plan();
    const of = (id) => markers.find((m) => m.device === id);
    expect(of(fan).x).toBeCloseTo(0.6, 2);
    expect(of(fan).y).toBeCloseTo(0.5, 2);
    expect(of(pump).x).toBeLessThan(0.47);
    expect(of(pump).y).toBeCloseTo(0.5, 2);
  });

  test('zoom by wheel, keys and buttons keeps the markers on their place and their size', async () => {
    await open();
    const place = async () => {
      const [m, img] = await page.evaluate(() => {
        const r = (s) => document.querySelector(s).getBoundingClientRect();
        const [a, b] = [r('.plan-dot'), r('.stage img')];
        return [{ x: a.x + a.width / 2, y: a.y + a.height / 2, w: a.width }, { x: b.x, y: b.y, w: b.width, h: b.height }];
      });
      return { x: (m.x - img.x) / img.w, y: (m.y - img.y) / img.h, w: m.w, img: img.w };
    };
    const before = await place();
    const stage = await page.locator('.stage').boundingBox();
    await page.mouse.move(stage.x + 200, stage.y + 100);
    await page.mouse.wheel(0, -600);
    await page.locator('.stage').focus();
    await page.keyboard.press('+');
    await button(page, '放大').click();
    const after = await place();
    expect(after.img).toBeGreaterThan(before.img * 2);
    expect(after.x).toBeCloseTo(before.x, 3);
    expect(after.y).toBeCloseTo(before.y, 3);
    expect(after.w).toBeCloseTo(before.w, 1);
    await page.locator('.stage').focus();
    await page.keyboard.press('0');
    expect((await place()).img).toBeCloseTo(before.img, 0);
  });

  test('a card at the pointer, the filter dims, a click opens the device; the state is live', async () => {
    await page.goto(`${platform.url}/devices?as=plan&asset=${line}&q=${pump}`);
    await marker('测试泵').waitFor();
    await until(() => marker('测试风机').getAttribute('data-dim'), (d) => d === 'true', 'dimmed');
    expect(await marker('测试泵').getAttribute('data-dim')).toBeNull();
    await marker('测试泵').hover();
    await page.locator('.plan-card').getByText(pump).waitFor();
    if (real) {
      const device = await api(page, 'POST', `ingest?device=${pump}`, [{ ts: Date.now(), values: { flow: 12.5 } }]);
      expect(device.status).toBe(200);
      await until(() => marker('测试泵').getAttribute('data-state'), (s) => s === 'online', 'online', 20_000);
    }
    await marker('测试泵').click();
    await page.waitForURL(new RegExp(`/devices/${pump}`));
    await page.goBack();
    await marker('测试泵').waitFor();
  });

  test('500 markers: a step of the zoom is drawn within a frame or two', async () => {
    const rows = Array.from({ length: 500 }, (_, i) => ({ id: `${mark}-m${i}`, asset: line }));
    const made = await api(page, 'POST', 'devices/import?format=json', rows);
    expect(made.status).toBe(200);
    const { file, revision, markers } = await plan();
    const more = rows.map((r, i) => ({ device: r.id, x: (i % 25) / 25 + 0.02, y: Math.floor(i / 25) / 20 + 0.02 }));
    const put = await api(page, 'PUT', `assets/${line}/plan`, { file: file.id, markers: [...markers.map(({ device, x, y }) => ({ device, x, y })), ...more] });
    expect([put.status, put.data.markers?.length, put.data.revision]).toEqual([200, 502, revision + 1]);
    await open();
    await until(() => page.locator('.plan-marker').count(), (n) => n === 502, 'markers');
    const took = await page.evaluate(async () => {
      const stage = document.querySelector('.stage');
      const r = stage.getBoundingClientRect();
      const times = [];
      for (let i = 0; i < 30; i++) {
        const began = performance.now();
        stage.dispatchEvent(new WheelEvent('wheel', { deltaY: i % 2 ? 60 : -60, clientX: r.x + 300, clientY: r.y + 200, cancelable: true, bubbles: true }));
        await new Promise((done) => requestAnimationFrame(() => done()));
        times.push(performance.now() - began);
      }
      return times.sort((a, b) => a - b)[15];
    });
    expect(took).toBeLessThan(100); // software rendering on a busy machine; some 16 ms when it is quiet
  });
});

describe('map', () => {
  test('fits what the filter finds; scale, list and keys; a place in the list opens the device', async () => {
    await page.goto(`${platform.url}/devices?label=plan:${mark}`);
    await page.locator('.ant-segmented').getByText('地图').click();
    await page.waitForURL(/as=map/);
    await page.locator('.map-frame canvas').waitFor();
    await page.getByText('2 / 2 台设备有坐标').waitFor();
    await until(() => page.locator('.map-list li').count(), (n) => n === 2, 'in view');
    await axe();
    await page.locator('.map-frame canvas').focus();
    for (let i = 0; i < 6; i++) await page.keyboard.press('+');
    await until(() => page.locator('.map-list li').count(), (n) => n === 0, 'none in view');
    await page.keyboard.press('0');
    await until(() => page.locator('.map-list li').count(), (n) => n === 2, 'all again');
    await page.locator('.map-list').getByRole('link', { name: '测试泵' }).click();
    await page.waitForURL(new RegExp(`/devices/${pump}`));
    await page.goBack();
    await until(() => page.locator('.map-list li').count(), (n) => n === 2, 'back again');
  });

  test('a mark is told at the pointer and opens its device', async () => {
    await page.goto(`${platform.url}/devices?as=map&q=${pump}`);
    await until(() => page.locator('.map-list li').count(), (n) => n === 1, 'in view');
    const box = await page.locator('.map-frame canvas').boundingBox();
    await button(page, '放大').click();
    await button(page, '显示全部').click();
    let at = null; // the asset is the lower end of what is seen, the device the upper one
    for (let y = 0.04; y < 0.2 && !at; y += 0.012) {
      for (let x = 0.16; x < 0.42 && !at; x += 0.012) {
        const [px, py] = [box.x + box.width / 2 + x * box.height, box.y + y * box.height];
        await page.mouse.move(px, py);
        if (await page.locator('.map-card').getByText(pump).count()) at = [px, py];
      }
    }
    expect(at).not.toBeNull();
    await page.mouse.click(at[0], at[1]);
    await page.waitForURL(new RegExp(`/devices/${pump}`));
    await page.goBack();
    await page.waitForURL(/at=/); // where it was is in the address
  });

  test('nothing has a position: says what to do', async () => {
    await page.goto(`${platform.url}/devices?as=map&q=${mark}-m1`);
    await page.locator('.map-view, .empty').first().waitFor();
    expect(await page.getByText('0 / ').or(page.getByText('没有带坐标的设备')).count()).toBeGreaterThan(0);
  });

  test('a position is given in the form of a device; half of one is refused', async () => {
    await page.goto(`${platform.url}/devices/${fan}`);
    await button(page, '编辑').click();
    const dialog = page.locator('.ant-modal');
    await dialog.getByLabel('纬度（WGS-84）').fill('');
    await button(dialog, '保存').click();
    await dialog.getByText('纬度和经度须同时填写').waitFor();
    await dialog.getByLabel('纬度（WGS-84）').fill('95');
    await dialog.getByText('纬度须为 -90 至 90 的数').waitFor();
    await dialog.getByLabel('纬度（WGS-84）').fill('40.5');
    await button(dialog, '保存').click();
    await dialog.waitFor({ state: 'hidden' });
    expect((await api(page, 'GET', `devices/${fan}`)).data.location).toEqual({ lat: 40.5, lon: 116.4 });
  });

  test.skipIf(real)('tiles of an own server are drawn, moved to their datum, with attribution', async () => {
    const asked = [];
    const tiles = createServer((req, res) => {
      asked.push(req.url);
      res.writeHead(200, { 'Content-Type': 'image/png' }).end(picture(256, 256));
    });
    await new Promise((done) => tiles.listen(0, '127.0.0.1', done));
    const origin = `http://127.0.0.1:${tiles.address().port}`;
    platform.mock.tiles = `${origin}/{z}/{x}/{y}.png`;
    platform.mock.datum = 'gcj02';
    try {
      await page.goto(`${platform.url}/devices?as=map&q=${pump}`);
      await page.getByText('测试地图').waitFor();
      await until(() => asked.length, (n) => n > 2, 'tiles');
      expect(asked.every((url) => /^\/\d+\/\d+\/\d+\.png$/.test(url))).toBe(true);
    } finally {
      platform.mock.tiles = '';
      await page.goto('about:blank');
      tiles.close();
    }
  });
});
