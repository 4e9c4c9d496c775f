// Access control of a device: allow list, the mark of a clone, quarantine - with curl as the device.
import { execFile } from 'node:child_process';
import { api, openPage, signIn, startBrowser, startPlatform } from './browser.js';

let platform;
let browser;
let page;
let faults;
let user;
const id = `e2e-q-${Date.now().toString(36)}`;
const [HOME, AWAY] = ['127.0.0.1', '127.0.0.2'];

beforeAll(async () => {
  platform = await startPlatform();
  browser = await startBrowser();
  ({ page, faults } = await openPage(browser.context));
  await signIn(page, platform.url);
  if (platform.mock) platform.mock.confirmed = true;
  await api(page, 'POST', 'devices', { id, name: '冲压机' });
  const made = (await api(page, 'POST', `devices/${id}/secret`)).data;
  user = `${made.user}:${made.password}`;
});
afterAll(async () => {
  if (page) await api(page, 'DELETE', `devices/${id}`);
  await browser?.close();
  await platform?.close();
});
afterEach(() => {
  expect(faults.splice(0)).toEqual([]);
});

const shows = (text) => page.getByText(text).first().waitFor();
const open = () => page.goto(`${platform.url}/devices/${id}?tab=access`);

/** What the device gets when it sends from an address: the status. */
function sends(from) {
  const url = platform.url.replace('localhost', HOME);
  return new Promise((done, fail) => {
    execFile(
      'curl',
      ['-sS', '-o', '/dev/null', '-w', '%{http_code}', '--interface', from, '-u', user, '-H', 'Content-Type: application/json', '--data-binary', '{"v":1}', `${url}/api/v1/ingest?device=${id}`],
      (error, out) => (error ? fail(error) : done(Number(out))),
    );
  });
}

test('an allow list is entered, a wrong entry is named, and it holds', async () => {
  await open();
  await shows('不限地址');
  await shows('启动以来没有拒绝过');
  const list = page.getByRole('region', { name: '地址白名单' });
  await list.getByRole('button', { name: '编辑' }).click();
  await page.fill('#allow', '127.0.0.1\nplc.example');
  await page.locator('.ant-modal-footer .ant-btn-primary').click();
  await page.locator('.ant-modal [role=alert]').getByText('plc.example').first().waitFor();
  await page.fill('#allow', Array.from({ length: 17 }, (_, i) => `10.0.0.${i}`).join('，'));
  await shows('最多 16 项，请改用网段');
  await page.fill('#allow', '127.0.0.1\n2001:db8::/64');
  await page.locator('.ant-modal-footer .ant-btn-primary').click();
  await list.getByText('2001:db8::/64').waitFor();
  expect([await sends(HOME) < 300, await sends(AWAY)]).toEqual([true, 403]);
  await open();
  await shows('启动以来拒绝 1 次');
  expect(await list.innerText()).toContain('来自 127.0.0.2（HTTP 上报，不在白名单）');
  await list.getByRole('button', { name: '编辑' }).click();
  await page.fill('#allow', '');
  await page.locator('.ant-modal-footer .ant-btn-primary').click();
  await shows('不限地址');
});

test('a clone is marked on the device, and the mark is taken away', async () => {
  await open();
  await shows('未发现异常');
  for (const from of [HOME, AWAY, HOME, AWAY]) expect(await sends(from)).toBeLessThan(300);
  await page.goto(`${platform.url}/devices/${id}`);
  const banner = page.locator('.access-banner');
  await banner.getByText('疑似克隆').waitFor(); // on every tab
  for (const word of [HOME, AWAY, 'HTTP 上报']) expect(await banner.innerText()).toContain(word);
  await page.getByRole('tab', { name: '接入控制' }).click();
  await page.getByRole('button', { name: '撤销标记' }).click();
  await banner.waitFor({ state: 'detached' });
  await shows('未发现异常');
});

test('quarantine needs a reason, refuses the device, and lets it out', async () => {
  await open();
  await page.getByRole('button', { name: '隔离设备' }).click();
  await page.locator('.ant-modal-footer .ant-btn-dangerous').click();
  await shows('请填写原因');
  await page.fill('#reason', '控制柜被盗');
  await page.locator('.ant-modal-footer .ant-btn-dangerous').click();
  const banner = page.locator('.access-banner[data-level=error]');
  await banner.getByText('已隔离').waitFor();
  expect(await banner.innerText()).toMatch(/由 admin 隔离，原因：控制柜被盗/);
  expect(await sends(HOME)).toBe(403);
  await page.reload();
  await banner.getByText('控制柜被盗').waitFor();
  await page.getByRole('button', { name: '解除隔离' }).click();
  await banner.waitFor({ state: 'detached' });
  expect(await sends(HOME)).toBeLessThan(300);
  await page.getByRole('button', { name: '隔离设备' }).waitFor();
});
