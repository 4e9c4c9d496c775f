// Thing models in the console, against the mock or (SONGHUA_URL) the real binary: inheritance and overrides, the check before a change is
// saved, versions compared and put back, import with what differs, use counts, units by their words, the keyboard.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { api, openPage, signIn, startBrowser, startPlatform, until } from './browser.js';

const mark = `tm-${Date.now().toString(36)}`;
const base = `${mark}-base`;
const child = `${mark}-child`;
const files = mkdtempSync(join(tmpdir(), 'songhua-things-'));
let platform;
let browser;
let page;
let faults;

beforeAll(async () => {
  platform = await startPlatform();
  browser = await startBrowser();
  ({ page, faults } = await openPage(browser.context));
  await signIn(page, platform.url);
  await api(page, 'POST', 'things', {
    id: base,
    name: { zh: '基本泵', en: 'Basic pump' },
    properties: [
      { id: 'temp', name: { zh: '温度' }, type: 'f64', unit: 'Cel', range: { min: 0, max: 100 } },
      { id: 'on', type: 'bool', access: 'rw' },
    ],
    services: [{ id: 'start', input: [] }],
  });
});
afterAll(async () => {
  await browser?.close();
  await platform?.close();
  rmSync(files, { recursive: true, force: true });
});
afterEach(() => {
  expect(faults.splice(0)).toEqual([]);
});

const go = (path) => page.goto(platform.url + path);
const read = async (id) => (await api(page, 'GET', `things/${id}`)).data;
const cell = (label) => page.getByLabel(label, { exact: true });
const saveAsVersion = async (comment) => {
  await page.locator('.page-actions').getByRole('button', { name: '保存' }).click();
  await page.locator('.review').waitFor();
  if (comment) await page.getByLabel('修改说明').fill(comment);
  await page.getByRole('button', { name: '保存为新版本' }).click();
  await page.locator('.review').waitFor({ state: 'detached' });
};

test('a model extends another: what it inherits is grey, one of it is overridden', async () => {
  await go('/things/+');
  await page.fill('#thing-id', child);
  await page.click('#thing-extends');
  await page.fill('#thing-extends', base);
  await page.keyboard.press('Enter');
  await page.locator('tr.inherited').nth(1).waitFor();
  expect(await cell('标识 1').isDisabled()).toBe(true);
  await page.getByRole('button', { name: '覆盖 temp' }).click();
  expect(await cell('标识 1').isDisabled()).toBe(true); // what it is stays
  await cell('量程 1 最大').fill('60');
  await cell('量程 1 最大').blur();
  await page.getByRole('button', { name: '添加属性' }).click();
  await cell('标识 3').fill('flow');
  await cell('单位 3').fill('流量');
  await page.locator('.unit-choice', { hasText: '立方米每小时' }).click();
  await page.getByRole('button', { name: '保存' }).click();
  await page.waitForURL(new RegExp(`/things/${child}$`));
  const { properties, ...model } = await read(child);
  expect(model.extends).toBe(base);
  expect(properties.map((p) => [p.id, p.inherited ?? null, p.overrides ?? null])).toEqual([['temp', base, ['range']], ['on', base, null], ['flow', null, null]]);
  expect(properties[0]).toMatchObject({ unit: 'Cel', range: { max: 60 } });
  expect(properties[2].unit).toBe('m3/h');
});

test('parameters of a service have a table of their own', async () => {
  await go(`/things/${child}?tab=services`);
  await page.getByRole('button', { name: '添加服务' }).click();
  await cell('标识 2').fill('ramp');
  await cell('输入 2').click();
  const box = page.locator('.ant-modal');
  await box.getByRole('button', { name: '添加字段' }).click();
  await box.getByLabel('标识 1', { exact: true }).fill('speed');
  await box.getByLabel('必填 1', { exact: true }).check();
  await box.getByRole('button', { name: '应用' }).click();
  await saveAsVersion('加一个服务');
  expect((await read(child)).services.find((s) => s.id === 'ramp').input).toEqual([expect.objectContaining({ id: 'speed', type: 'f64', required: true })]);
});

test('before it is saved the editor says what a change means, and a unit needs a word', async () => {
  await api(page, 'POST', 'devices', { id: `${mark}-d`, thing: base });
  await go(`/things/${base}`);
  await cell('单位 1').fill('K');
  await page.getByRole('button', { name: '移除 2' }).click();
  await page.locator('.page-actions').getByRole('button', { name: '保存' }).click();
  const review = page.locator('.review');
  await review.getByText('1 台设备').waitFor();
  expect(await review.innerText()).toContain(child);
  expect(await review.locator('tr[data-change=removed]').innerText()).toContain('不能再写入');
  const save = page.getByRole('button', { name: '保存为新版本' });
  expect(await save.isDisabled()).toBe(true);
  await review.getByRole('checkbox').check();
  expect(await save.isDisabled()).toBe(false);
  await save.click();
  await review.waitFor({ state: 'detached' });
  expect((await read(base)).properties).toEqual([expect.objectContaining({ id: 'temp', unit: 'K' })]);
  expect((await read(child)).properties.map((p) => [p.id, p.unit ?? ''])).toEqual([['temp', 'K'], ['flow', 'm3/h']]);
});

test('versions are compared side by side, and one is put back', async () => {
  await go(`/things/${base}?tab=versions`);
  await page.locator('.versions tbody tr').nth(1).waitFor();
  await page.locator('.diff tr[data-change=removed]').getByText('on').waitFor();
  await page.getByRole('button', { name: '撤销最近一次修改' }).click();
  await page.locator('.review').waitFor();
  await page.locator('.review').getByRole('checkbox').check(); // the unit goes back too
  await page.getByRole('button', { name: '保存为新版本' }).click();
  await until(async () => (await read(base)).revision, (n) => n === 3, 'put back');
  expect((await read(base)).properties.map((p) => p.id)).toEqual(['temp', 'on']);
  await page.locator('.versions').getByText('恢复自版本 1').waitFor();
});

test('the list counts who uses a model, and leads there', async () => {
  await go(`/things?q=${mark}`);
  const row = page.locator('tr', { hasText: '基本泵' });
  await row.locator(`a[href="/devices?thing=${base}"]`).getByText('1').waitFor();
  await row.locator(`a[href="/things?extends=${base}"]`).click();
  await page.locator('.chip').getByText(base).waitFor();
  await until(() => page.locator('tbody tr[data-row], tbody tr').count(), (n) => n === 1, 'only the child');
  await page.locator('.chip').click();
  await go(`/things/${base}`);
  await page.locator('.page-actions').getByRole('button', { name: '删除' }).click();
  await page.locator('.ant-modal-confirm .ant-btn-dangerous').click();
  expect(await page.locator('[role=alert]').innerText()).toContain('thing_in_use');
});

test('an import shows what differs in each model before anything is stored', async () => {
  const file = join(files, 'models.json');
  const other = `${mark}-other`;
  const before = await read(base);
  writeFileSync(file, JSON.stringify([
    { id: `${mark}-lost`, extends: `${mark}-nobody`, properties: [] },
    { id: `${mark}-below`, extends: other, properties: [] },
    { id: other, properties: [{ id: 'a', type: 'i64' }] },
    { ...before, description: '导入的说明' },
  ]));
  await go('/things');
  await page.getByRole('button', { name: /^导\s?入$/ }).click();
  await page.setInputFiles('input[aria-label="物模型文件"]', file);
  const box = page.locator('.ant-modal');
  await box.getByText('新建 2，修改 1，无变化 0，拒绝 1').waitFor();
  expect(await box.locator('[role=alert]').innerText()).toContain(`${mark}-nobody`);
  expect(await box.innerText()).toContain('导入的说明');
  expect((await api(page, 'GET', `things/${other}`)).status).toBe(404);
  await box.locator('.ant-modal-footer .ant-btn-primary').click();
  await box.waitFor({ state: 'detached' });
  expect((await read(`${mark}-below`)).properties[0]).toMatchObject({ id: 'a', inherited: other });
  expect((await read(base)).description).toBe('导入的说明');
});

test('the editor and its versions are reached by the keyboard', async () => {
  await go(`/things/${base}`);
  await page.getByRole('tab', { name: /属性/ }).focus();
  for (let i = 0; i < 4; i++) await page.keyboard.press('ArrowRight');
  await page.keyboard.press('Enter');
  await page.locator('.versions').waitFor();
  const radio = page.getByRole('radio', { name: '从 版本 1' });
  await radio.focus();
  await page.keyboard.press('Space');
  await page.waitForURL(/from=1/);
  await page.goBack();
});

test('a device tells who changed it: its description to its readers, the audit to auditors', async () => {
  const id = `${mark}-d`;
  await api(page, 'PATCH', `devices/${id}`, { name: '改过的名字' });
  await go(`/devices/${id}?tab=changes`);
  const rows = page.getByRole('region', { name: '资料修改记录' });
  await rows.getByText('改过的名字').waitFor();
  await page.getByRole('region', { name: '审计记录' }).first().locator('tbody tr').first().waitFor();
  await go(`/devices/${id}?tab=about`);
  await page.locator(`a[href="/things/${base}?tab=versions"]`).waitFor();
});
