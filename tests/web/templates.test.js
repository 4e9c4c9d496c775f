// Templates of devices and series of ids in headless Chromium, on the mock or the real binary.
import { api, axeFindings, openPage, signIn, startBrowser, startPlatform, until } from './browser.js';

const mark = `t${Date.now().toString(36)}`;
let platform;
let browser;
let page;
let faults;
let thing;

beforeAll(async () => {
  platform = await startPlatform();
  browser = await startBrowser();
  ({ page, faults } = await openPage(browser.context));
  await signIn(page, platform.url);
  thing = (await api(page, 'GET', 'things?limit=1')).data.items[0];
});
afterAll(async () => {
  const made = (await api(page, 'GET', `devices?q=${mark}&limit=100`)).data.items;
  for (const { id } of made) await api(page, 'DELETE', `devices/${id}`);
  for (const one of (await api(page, 'GET', 'device-templates')).data.items) await api(page, 'DELETE', `device-templates/${one.id}`);
  await browser?.close();
  await platform?.close();
});
afterEach(() => {
  expect(faults.splice(0)).toEqual([]);
});

const button = (where, name) => where.getByRole('button', { name: new RegExp(`^${[...name].join('\\s?')}$`) });
const dialog = () => page.locator('.ant-modal').last();
const axe = async () => expect(await axeFindings(page)).toEqual([]);
const templates = async () => (await api(page, 'GET', 'device-templates')).data.items;

describe('templates of devices', () => {
  test('without any the page says how one is made', async () => {
    await page.goto(`${platform.url}/device-templates`);
    await page.locator('.empty').waitFor();
    expect(await page.locator('.empty').innerText()).toContain('存为模板');
    await axe();
  });

  test('one is made on its page, changed, and copied', async () => {
    await button(page, '新建模板').first().click();
    await dialog().getByLabel('模板名称').fill('2号线水泵');
    await dialog().getByLabel('用途').fill('循环水');
    await dialog().getByLabel('名称', { exact: true }).fill('{n}号泵');
    await dialog().getByLabel('标签', { exact: true }).fill('line:2');
    await button(dialog(), '保存').click();
    await page.getByRole('row', { name: /2号线水泵/ }).waitFor();
    expect((await templates())[0].device).toEqual({ name: '{n}号泵', labels: { line: '2' } });
    await button(page.getByRole('row', { name: /2号线水泵/ }), '编辑').click();
    await dialog().getByLabel('说明', { exact: true }).fill('卧式离心泵');
    await button(dialog(), '保存').click();
    await until(async () => (await templates())[0].device.description, (text) => text === '卧式离心泵', 'changed');
    await button(page.getByRole('row', { name: /2号线水泵/ }), '复制').click();
    await dialog().getByLabel('模板名称').fill('2号线水泵');
    await button(dialog(), '保存').click();
    await dialog().locator('.problem, .ant-alert').first().waitFor(); // the name is taken
    await button(dialog(), '取消').click();
    faults.splice(0, faults.length, ...faults.filter((f) => !/409/.test(String(f))));
  });

  test('a device begins with it, and is its own', async () => {
    await page.goto(`${platform.url}/devices?new=1`);
    await dialog().getByLabel('建档模板').click();
    await page.locator('.ant-select-item-option', { hasText: '2号线水泵' }).click();
    expect(await dialog().getByLabel('标签', { exact: true }).inputValue()).toBe('line:2');
    await dialog().getByLabel('设备标识').fill(`${mark}-one`);
    await dialog().getByLabel('名称', { exact: true }).fill('备用泵');
    await button(dialog(), '新建').click();
    await page.waitForURL(/\?tab=connect/);
    const { data } = await api(page, 'GET', `devices/${mark}-one`);
    expect([data.name, data.labels, data.description]).toEqual(['备用泵', { line: '2' }, '卧式离心泵']);
  });

  test('a series: shown before, made at once, numbered; what is there already is told, the others can be made', async () => {
    await page.goto(`${platform.url}/devices?new=1`);
    await dialog().getByLabel('建档模板').click();
    await page.locator('.ant-select-item-option', { hasText: '2号线水泵' }).click();
    await dialog().getByLabel('设备标识').fill(`${mark}-{3..1}`);
    await dialog().getByText('由小到大').waitFor();
    await dialog().getByLabel('设备标识').fill(`${mark}-{08..12}`);
    await dialog().getByText('将新建 5 台设备').waitFor();
    expect(await dialog().innerText()).toContain(`${mark}-08`);
    await axe();
    await button(dialog(), '新建 5 台').click();
    await page.waitForURL(new RegExp(`/devices\\?q=${mark}-`));
    await until(() => page.getByRole('link', { name: new RegExp(`^${mark}-1`) }).count(), (n) => n >= 3, 'listed');
    expect((await api(page, 'GET', `devices/${mark}-09`)).data.name).toBe('09号泵');

    await page.goto(`${platform.url}/devices?new=1`);
    await dialog().getByLabel('设备标识').fill(`${mark}-{11..14}`);
    await button(dialog(), '新建 4 台').click();
    await dialog().getByText('2 台不能新建').waitFor();
    expect(await dialog().innerText()).toContain('已有这个设备');
    expect((await api(page, 'GET', `devices?q=${mark}-1&limit=50`)).data.items).toHaveLength(3); // none was made
    await button(dialog(), '新建其余 2 台').click();
    await until(async () => (await api(page, 'GET', `devices?q=${mark}-1&limit=50`)).data.items.length, (n) => n === 5, 'the others');
    expect((await api(page, 'GET', `devices/${mark}-11`)).data.name).toBe('11号泵'); // as it was
  });

  test('a device is kept as a template from its page', async () => {
    expect((await api(page, 'PATCH', `devices/${mark}-one`, { thing: thing.id })).status).toBe(200);
    await page.goto(`${platform.url}/devices/${mark}-one`);
    await page.locator('.page-header, h1').first().waitFor();
    await button(page, '更多操作').click();
    await page.getByRole('menuitem', { name: '存为模板' }).click();
    await dialog().getByLabel('模板名称').fill('备用');
    await button(dialog(), '保存').click();
    await until(async () => (await templates()).length, (n) => n === 2, 'kept');
    expect((await templates()).find((one) => one.name === '备用').device).toEqual({
      name: '备用泵',
      thing: thing.id,
      labels: { line: '2' },
      description: '卧式离心泵',
    });
  });

  test('it is deleted after a question', async () => {
    await page.goto(`${platform.url}/device-templates`);
    await button(page.getByRole('row', { name: /备用/ }).first(), '删除').click();
    await button(page.locator('.ant-modal-confirm'), '删除').click();
    await until(async () => (await templates()).length, (n) => n === 1, 'gone');
  });
});
