// Files of devices, assets and thing models in the console, against the mock or (SONGHUA_URL) the real binary: upload by choosing and by
// dropping with progress and a stop, preview, download, edit, delete, what is refused, the keyboard.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { api, axeFindings, openPage, real, signIn, startBrowser, startPlatform, until } from './browser.js';

const mark = `fl-${Date.now().toString(36)}`;
const [device, asset, model] = [`${mark}-pump`, `${mark}-line`, `${mark}-model`];
const folder = mkdtempSync(join(tmpdir(), 'songhua-files-'));
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFklEQVQoz2Nk+M9AEmAiTfmohlENQ0kDAEEmAR+LSPhfAAAAAElFTkSuQmCC',
  'base64',
);
let platform;
let browser;
let page;
let faults;

const put = (name, data) => {
  const path = join(folder, name);
  writeFileSync(path, data);
  return path;
};

beforeAll(async () => {
  platform = await startPlatform();
  browser = await startBrowser();
  ({ page, faults } = await openPage(browser.context));
  await signIn(page, platform.url);
  await api(page, 'POST', 'devices', { id: device, name: '文件测试泵' });
  await api(page, 'POST', 'assets', { id: asset, name: '文件测试线', kind: 'line' });
  await api(page, 'POST', 'things', { id: model, name: { zh: '文件测试型号' }, properties: [{ id: 'a', type: 'f64' }] });
});
afterAll(async () => {
  await browser?.close();
  await platform?.close();
  rmSync(folder, { recursive: true, force: true });
});
afterEach(() => {
  expect(faults.splice(0)).toEqual([]);
});

const open = async () => {
  await page.goto(`${platform.url}/devices/${device}?tab=files`);
  await page.locator('.files').waitFor();
};
const rows = () => page.locator('.files tbody tr:not(.blank)');
const row = (name) => rows().filter({ hasText: name });
const choose = (...paths) => page.locator('.files input[type=file]').setInputFiles(paths);
const button = (scope, name) => scope.getByRole('button', { name: new RegExp(`^${[...name].join('\\s?')}$`) });

const axe = async () => expect(await axeFindings(page)).toEqual([]);

test('nothing yet: says what to do; files are chosen and stored', async () => {
  await open();
  await page.getByText('还没有文件').waitFor();
  await axe();
  await choose(put('泵说明书.pdf', '%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n'), put('铭牌.png', PNG), put('点检表.txt', '每周检查一次\n'), put('evil.svg', '<svg onload="alert(1)"/>'));
  await until(() => rows().count(), (n) => n === 4, 'files');
  const items = (await api(page, 'GET', `devices/${device}/files`)).data.items;
  const kinds = Object.fromEntries(items.map((f) => [f.name, [f.kind, f.media, f.inline]]));
  expect(kinds).toEqual({
    '泵说明书.pdf': ['manual', 'application/pdf', true],
    '铭牌.png': ['photo', 'image/png', true],
    '点检表.txt': ['manual', 'text/plain', true],
    'evil.svg': ['drawing', 'image/svg+xml', false],
  });
  await page.locator('.files-quota').getByText(/已用|占用/).waitFor();
  await axe();
});

test('dropped files are stored; the same again does no harm', async () => {
  const drop = async (name, text) => {
    const data = await page.evaluateHandle(
      ([file, content]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([content], file));
        return transfer;
      },
      [name, text],
    );
    await page.dispatchEvent('.files', 'dragover', { dataTransfer: data });
    expect(await page.locator('.files').getAttribute('data-over')).toBe('true');
    await page.dispatchEvent('.files', 'drop', { dataTransfer: data });
  };
  await drop('拖入.txt', '拖到页面上的文件');
  await row('拖入.txt').waitFor();
  await drop('拖入.txt', '拖到页面上的文件');
  await page.waitForTimeout(300);
  expect(await row('拖入.txt').count()).toBe(1);
});

test('pictures, texts and PDF are seen beside the list, one after the other; what a browser would run is only downloaded', async () => {
  await button(row('铭牌.png'), '铭牌.png').click();
  const drawer = page.locator('.ant-drawer');
  const picture = drawer.locator('img.file-picture');
  await picture.waitFor();
  expect(await until(() => picture.evaluate((img) => img.naturalWidth), (n) => n > 0, 'picture')).toBe(16);
  await drawer.getByText(/^SHA-256 [0-9a-f]{64}$/).waitFor();
  for (const step of ['下一个', '上一个']) await button(drawer, step).click();
  await picture.waitFor();
  await page.keyboard.press('Escape');
  await drawer.waitFor({ state: 'detached' });
  await button(row('点检表.txt'), '点检表.txt').click();
  await drawer.locator('.file-text').getByText('每周检查一次').waitFor();
  await page.keyboard.press('Escape');
  await drawer.waitFor({ state: 'detached' });
  await button(row('泵说明书.pdf'), '泵说明书.pdf').click();
  expect(await drawer.locator('iframe.file-pdf').getAttribute('src')).toContain('inline=true');
  await page.keyboard.press('Escape');
  await drawer.waitFor({ state: 'detached' });
  expect(await row('evil.svg').getByRole('button', { name: 'evil.svg' }).count()).toBe(0);
  const [download] = await Promise.all([page.waitForEvent('download'), row('evil.svg').getByRole('link', { name: 'evil.svg', exact: true }).click()]);
  expect(download.suggestedFilename()).toBe('evil.svg');
  expect(readFileSync(await download.path(), 'utf8')).toBe('<svg onload="alert(1)"/>');
});

test('name, kind and note are changed; somebody who was faster is not written over', async () => {
  await button(row('点检表.txt'), '编辑').click();
  const dialog = page.locator('.ant-modal');
  await dialog.getByLabel('文件名').fill('周检表.txt');
  await dialog.getByLabel('备注').fill('由班长填写');
  await button(dialog, '保存').click();
  await row('周检表.txt').getByText('由班长填写').waitFor();
  await button(row('周检表.txt'), '编辑').click();
  const { data } = await api(page, 'GET', `devices/${device}/files`);
  const one = data.items.find((f) => f.name === '周检表.txt');
  await api(page, 'PATCH', `devices/${device}/files/${one.id}`, { note: '别人改的' });
  await button(dialog, '保存').click();
  await dialog.getByRole('alert').getByText('内容已被他人修改').first().waitFor();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
});

test('an upload tells how far it is, and can be stopped; one that is too large is refused at once', async () => {
  await open();
  const client = await page.context().newCDPSession(page);
  await client.send('Network.enable');
  await client.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 200_000 });
  const before = await rows().count();
  await choose(put('slow.bin', Buffer.alloc(3 << 20, 7)));
  const going = page.locator('.file-uploads li').filter({ hasText: 'slow.bin' });
  await going.waitFor();
  await button(going, '取消').click();
  await going.waitFor({ state: 'detached' });
  await client.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
  await client.detach();
  await open();
  expect(await rows().count()).toBe(before);
  const limit = (await api(page, 'GET', `devices/${device}/files`)).data.file_bytes;
  if (!real) {
    await choose(put('huge.bin', Buffer.alloc(limit + 1)));
    await page.getByRole('alert').getByText('文件过大').waitFor();
    await button(page.locator('.file-uploads'), '关闭').click();
  }
});

test('a file is deleted after a question, by the keyboard', async () => {
  const one = row('拖入.txt');
  await button(one, '删除').focus();
  await page.keyboard.press('Enter');
  const dialog = page.locator('.ant-modal-confirm');
  await dialog.locator('.ant-modal-confirm-title').waitFor();
  await button(dialog, '取消').click();
  await dialog.waitFor({ state: 'hidden' });
  await button(one, '删除').click();
  await button(dialog, '删除').click();
  await one.waitFor({ state: 'detached' });
});

test('a deleted file comes back by the message, or from the list of the deleted; there it goes for good', async () => {
  const one = row('拖入.txt');
  const bin = page.locator('.ant-modal').filter({ hasText: '已删除的文件' });
  const inBin = bin.locator('tbody tr').filter({ hasText: '拖入.txt' });
  const said = page.locator('.ant-message');
  const drop = async () => {
    await button(one, '删除').click();
    await button(page.locator('.ant-modal-confirm'), '删除').click();
    await one.waitFor({ state: 'detached' });
  };
  await page.getByRole('button', { name: '已删除的文件' }).click(); // from the test before
  await inBin.waitFor();
  await inBin.getByRole('button', { name: '恢复 拖入.txt' }).click();
  await inBin.waitFor({ state: 'detached' });
  await bin.locator('.ant-modal-footer button').click();
  await one.waitFor();
  await drop();
  await said.getByText('已删除“拖入.txt”').getByRole('button', { name: '撤销' }).click();
  await one.waitFor();
  await drop();
  await page.getByRole('button', { name: '已删除的文件' }).click();
  await button(inBin, '彻底删除').click();
  await button(page.locator('.ant-modal-confirm'), '彻底删除').click();
  await bin.getByText('没有已删除的文件').waitFor();
  await bin.locator('.ant-modal-footer button').click();
  expect((await api(page, 'GET', `devices/${device}/files?deleted=1`)).data.items).toEqual([]);
});

test('assets and thing models have files too', async () => {
  await page.goto(`${platform.url}/things/${model}?tab=files`);
  await page.locator('.files').waitFor();
  await choose(put('型号手册.pdf', '%PDF-1.4\n%%EOF\n'));
  await row('型号手册.pdf').waitFor();
  await page.goto(`${platform.url}/devices?tree=1`);
  await page.getByRole('button', { name: '文件测试线 的操作' }).click();
  await page.getByRole('menuitem', { name: '文件' }).click();
  await page.locator('.ant-drawer .files').waitFor();
  await choose(put('产线图.dxf', '0\nSECTION\n'));
  await row('产线图.dxf').waitFor();
  await row('产线图.dxf').getByText('图纸').waitFor();
});
