// Many devices in headless Chromium, against the mock or (SONGHUA_URL) the real binary: selection, bulk changes, views.
import { readFileSync } from 'node:fs';
import { api, openPage, password, signIn, startBrowser, startPlatform, until } from './browser.js';

let platform;
let browser;
let page;
let faults;
const mark = `bulk-${Date.now().toString(36)}`;
const ids = Array.from({ length: 30 }, (_, i) => `${mark}-${String(i).padStart(2, '0')}`);

beforeAll(async () => {
  platform = await startPlatform();
  browser = await startBrowser();
  ({ page, faults } = await openPage(browser.context));
  await signIn(page, platform.url);
  await api(page, 'POST', 'assets', { id: `${mark}-hall`, kind: 'area', name: '三号车间' });
  const rows = ids.map((id, i) => ({ id, name: `设备 ${i}`, labels: { line: String(i % 2), [mark]: 'y' } }));
  const report = await api(page, 'POST', 'devices/import?format=json', rows);
  expect(report.data.created).toBe(30);
});
afterAll(async () => {
  if (page) {
    await api(page, 'POST', 'devices/bulk', { ids, change: { asset: null } });
    for (const id of ids) await api(page, 'DELETE', `devices/${id}`);
    await api(page, 'DELETE', `assets/${mark}-hall`);
  }
  await browser?.close();
  await platform?.close();
});
afterEach(() => {
  expect(faults.splice(0)).toEqual([]);
});

const go = (path) => page.goto(platform.url + path);
const mine = async (tail = '') => {
  await go(`/devices?q=${mark}${tail}`);
  await page.waitForSelector('tbody tr:not(.blank)');
};
const box = (id) => page.getByLabel(`选择 ${id}`, { exact: true });
const bar = () => page.locator('.bulk-bar.chosen');
const outcome = () => page.locator('[data-bulk=done]');
const device = async (id) => (await api(page, 'GET', `devices/${encodeURIComponent(id)}`)).data;
/** antd puts a space between two Chinese characters. */
const button = (name) => page.getByRole('button', { name: new RegExp(`^${[...name].join('\\s?')}$`) });
const press = (name) => button(name).first().click();
const ok = () => page.locator('.ant-modal-footer .ant-btn-primary').click();

describe('selection and bulk changes', () => {
  test('shift chooses a range, all that match are one press away', async () => {
    await mine();
    await box(ids[2]).click();
    await box(ids[7]).click({ modifiers: ['Shift'] });
    expect(await bar().innerText()).toContain('已选 6 个设备');
    await press('选择符合条件的全部 30 个');
    expect(await bar().innerText()).toContain('已选 30 个设备');
    await box(ids[0]).click();
    expect(await bar().innerText()).toContain('已选 29 个设备');
    await press('取消选择');
    expect(await bar().count()).toBe(0);
    await page.getByLabel('选择已加载的全部行').click();
    expect(await bar().innerText()).toContain('已选 30 个设备');
    await page.getByLabel('选择已加载的全部行').click();
    await box(ids[3]).focus();
    await page.keyboard.press('Space');
    expect(await bar().innerText()).toContain('已选 1 个设备');
  });

  test('labels are set and removed, and the way back is offered', async () => {
    await mine();
    await box(ids[0]).click();
    await box(ids[9]).click({ modifiers: ['Shift'] });
    await press('标签');
    await page.fill('#bulk-set', 'line:9, shift：夜班');
    await page.fill('#bulk-unset', mark);
    await page.keyboard.press('Enter');
    await page.keyboard.press('Escape');
    await ok();
    await outcome().waitFor();
    expect(await outcome().innerText()).toContain('已修改 10 个设备');
    expect((await device(ids[4])).labels).toEqual({ line: '9', shift: '夜班' });
    await page.waitForSelector('tbody .tag:has-text("shift:夜班")');
    await page.locator('[data-bulk=done] .ant-btn-primary').click();
    await until(() => outcome().innerText(), (text) => text.includes('10 个设备恢复原状'), 'undone');
    expect((await device(ids[4])).labels).toEqual({ line: '0', [mark]: 'y' });
    expect((await device(ids[5])).labels).toEqual({ line: '1', [mark]: 'y' });
  });

  test('all that match the filter but one go to an asset', async () => {
    await mine('&label=line:1');
    await page.getByLabel('选择已加载的全部行').click();
    await box(ids[1]).click();
    await press('移至资产');
    await page.getByLabel('选择资产').fill('三号车间');
    await page.locator('.ant-select-item-option', { hasText: '三号车间' }).click();
    await ok();
    await outcome().waitFor();
    expect(await outcome().innerText()).toContain('已修改 14 个设备');
    expect((await device(ids[3])).asset).toBe(`${mark}-hall`);
    expect((await device(ids[1])).asset || '').toBe('');
  });

  test('archived devices leave the list and come back', async () => {
    await mine('&label=line:1');
    await page.getByLabel('选择已加载的全部行').click();
    await press('归档');
    await ok();
    await outcome().waitFor();
    await page.waitForSelector('.empty');
    await go(`/devices?q=${mark}&archived=true`);
    await page.waitForSelector('tbody tr:not(.blank)');
    expect(await page.locator('table').getAttribute('aria-rowcount')).toBe('16');
    await page.getByLabel('选择已加载的全部行').click();
    await press('取消归档');
    await ok();
    await outcome().waitFor();
    expect((await device(ids[1])).archived).toBeUndefined();
  });

  test('the chosen ones are exported', async () => {
    await mine();
    await box(ids[3]).click();
    await box(ids[5]).click();
    const download = page.waitForEvent('download');
    await bar().getByRole('button', { name: /导\s?出/ }).click();
    await page.getByRole('menuitem', { name: 'CSV（UTF-8' }).click();
    const text = readFileSync(await (await download).path(), 'utf8');
    expect(text.split('\r\n').filter((line) => line.startsWith(mark)).map((line) => line.split(',')[0])).toEqual([ids[3], ids[5]]);
  });

  test('deletion wants the number typed, and a fresh proof of who it is', async () => {
    await mine();
    await box(ids[28]).click();
    await box(ids[29]).click();
    await bar().getByRole('button', { name: /删\s?除/ }).click();
    const confirm = page.locator('.ant-modal-footer .ant-btn-primary').first();
    expect(await confirm.isDisabled()).toBe(true);
    await page.getByLabel('输入设备数量 2 以确认').fill('2');
    await confirm.click();
    const proof = page.locator('.ant-modal input[type=password]');
    await Promise.race([proof.waitFor(), outcome().waitFor()]);
    if (await proof.count()) {
      await proof.fill(password);
      await page.locator('.ant-modal-footer .ant-btn-primary').last().click();
    }
    await outcome().waitFor();
    expect(await outcome().innerText()).toContain('已删除 2 个设备');
    expect((await api(page, 'GET', `devices/${ids[28]}`)).status).toBe(404);
  });
});

describe('saved views', () => {
  test('a view keeps filters, order and columns; a link opens it', async () => {
    await mine('&label=line:0&sort=-name');
    await page.getByRole('button', { name: '列', exact: true }).click();
    await page.locator('.popup-list').getByText('物模型').click();
    await page.locator('.popup-list').getByText('状态起于').click();
    await page.waitForURL(/cols=/);
    await page.keyboard.press('Escape');
    await press('视图');
    await page.getByRole('menuitem', { name: '保存当前视图' }).click();
    await page.getByLabel('视图名称').fill(`${mark} 夜班`);
    await page.getByLabel('共享给本租户所有人').check();
    await ok();
    await page.waitForURL(/view=/);
    const id = new URL(page.url()).searchParams.get('view');
    const saved = (await api(page, 'GET', 'views?page=devices')).data.items.find((v) => v.id === id);
    expect(saved).toMatchObject({ shared: true, mine: true, query: { q: mark, label: 'line:0', sort: '-name' } });
    await go(`/devices?view=${id}`);
    await page.waitForURL(/label=line/);
    await page.waitForSelector('th[aria-sort=descending][data-column=name]');
    expect(await page.locator('th[data-column=thing]').count()).toBe(0);
    expect(await page.locator('th[data-column=since]').count()).toBe(1);
    expect(await page.getByLabel('搜索标识、名称').inputValue()).toBe(mark);
    await page.getByRole('button', { name: `${mark} 夜班` }).click();
    await page.getByRole('menuitem', { name: '删除视图' }).click();
    await page.locator('.ant-modal-confirm .ant-btn-dangerous').click();
    await until(async () => (await api(page, 'GET', 'views')).data.items.filter((v) => v.id === id).length, (n) => n === 0, 'view gone');
  });

  test('a view that is gone says so', async () => {
    await go('/devices?view=nosuch');
    await page.getByText('这个视图已不存在').waitFor();
  });
});

describe('import', () => {
  const files = new URL('./files/', import.meta.url).pathname;
  const report = () => page.locator('.import-report');
  const open = async () => {
    await go('/devices');
    await press('导入');
    await page.getByText('批量导入设备').waitFor();
  };
  const target = async (header, to) => {
    await page.getByLabel(`导入为: ${header}`).click();
    await page.locator('.ant-select-dropdown:not(.ant-select-dropdown-hidden) .ant-select-item-option', { hasText: to }).click();
  };

  test('a workbook: its sheet and columns are found, one is mapped by hand, refused rows come back with their cells', async () => {
    await open();
    await page.setInputFiles('input[type=file]', `${files}openpyxl.xlsx`);
    await report().waitFor();
    expect(await page.locator('.import-file .ant-select').innerText()).toContain('设备台账');
    expect(await report().innerText()).toContain('将新建 3 个，更新 0 个，拒绝 3 行');
    await target('产线', '标签「产线」');
    const rows = () => report().locator('tbody tr').allInnerTexts(); // gone for a while: the new mapping is tried
    const told = await until(rows, (texts) => texts.map((text) => parseInt(text, 10)).join() === '3,4,8', 'refused rows');
    expect(told.join()).toMatch(/缺少设备标识.*没有这个物模型.*重复/s);
    const download = page.waitForEvent('download');
    await press('下载被拒绝的行');
    const text = readFileSync(await (await download).path(), 'utf8');
    expect(text.split('\r\n')[2]).toContain('XLSX-2,二号泵,没有这种模型');
    await press('导入 3 个设备');
    await until(() => report().innerText(), (now) => now.includes('已新建 3'), 'result');
    const pump = await device('XLSX-1');
    expect(pump).toMatchObject({ name: '一号泵', labels: { line: '2', shift: 'a', 产线: 'A 线' } });
    for (const id of ['XLSX-1', 'XLSX-3', '1004']) expect((await api(page, 'DELETE', `devices/${id}`)).status).toBe(204);
  });

  test('a column that nobody can guess is asked for; what is no table is told', async () => {
    await open();
    await page.setInputFiles('input[type=file]', { name: 'a.csv', mimeType: 'text/csv', buffer: Buffer.from(`foo;bar\n${mark}-x;1\n`) });
    await page.getByText('请指定哪一列是设备标识').waitFor();
    await target('foo', '设备标识');
    await until(() => report().innerText(), (text) => text.includes('将新建 1'), 'trial');
    await page.setInputFiles('input[type=file]', { name: 'b.xlsx', mimeType: 'application/zip', buffer: Buffer.from('PK\x03\x04 cut off') });
    await page.getByText('文件无法读取').waitFor();
    await page.setInputFiles('input[type=file]', { name: 'c.csv', mimeType: 'text/csv', buffer: Buffer.from('id\n') });
    await page.getByText('表里没有数据行').waitFor();
  });

  test('the template is a workbook that can be imported', async () => {
    await open();
    const download = page.waitForEvent('download');
    await press('下载 XLSX 模板');
    await page.setInputFiles('input[type=file]', await (await download).path());
    await report().waitFor();
    expect(await report().innerText()).toMatch(/(新建|更新) 1 个/);
    expect(await page.locator('.import-map .ant-select').allInnerTexts()).not.toContain('不导入');
  });

  test('a long import shows how far it is, and stops when told', async () => {
    await open();
    const rows = Array.from({ length: 6500 }, (_, i) => `${mark}-many-${i},设备 ${i}`);
    await page.setInputFiles('input[type=file]', { name: 'm.csv', mimeType: 'text/csv', buffer: Buffer.from(`设备编号,名称\n${rows.join('\n')}\n`) });
    await until(() => report().innerText(), (text) => text.includes('将新建 6,500'), 'trial');
    let calls = 0;
    await page.route('**/devices/import?*', async (route) => {
      calls += 1;
      await new Promise((done) => setTimeout(done, 400));
      await route.continue();
    });
    await press('导入 6,500 个设备');
    await page.getByText(/导入 [2-6],000 \/ 6,500 行/).waitFor();
    await press('停止导入');
    await report().waitFor();
    expect(await report().innerText()).toContain('已停止');
    await page.unroute('**/devices/import?*');
    const { total } = (await api(page, 'GET', `devices?q=${mark}-many&limit=1`)).data;
    expect(total).toBe(calls * 2000);
    await press('关闭');
    await api(page, 'POST', 'sessions/current/confirm', { password });
    const gone = await api(page, 'POST', 'devices/bulk/delete', { filter: { q: `${mark}-many` } });
    expect(gone.data.changed).toBe(total);
  });
});

describe('asset tree', () => {
  const node = (name) => page.getByRole('treeitem', { name: new RegExp(name) });
  const assets = async () => (await api(page, 'GET', 'assets')).data.items;
  const asset = async (id) => (await assets()).find((a) => a.id === id);
  afterAll(async () => {
    for (const id of [`${mark}-cell`, `${mark}-line`]) await api(page, 'DELETE', `assets/${id}`);
  });

  test('nodes are made in the tree, and dragged below others where the order of kinds allows', async () => {
    await mine('&tree=1');
    await node('三号车间').getByRole('button').click();
    await page.getByRole('menuitem', { name: '在其下新建' }).click();
    await page.fill('#id', `${mark}-line`);
    await page.fill('#name', `${mark} 产线`);
    await ok();
    await node(`${mark} 产线`).waitFor();
    expect(await asset(`${mark}-line`)).toMatchObject({ kind: 'line', parent: `${mark}-hall` });
    await page.locator('.ant-modal-footer').waitFor({ state: 'detached' });
    await press('新建资产');
    await page.fill('#id', `${mark}-cell`);
    await page.fill('#name', `${mark} 单元`);
    await page.locator('.ant-modal .ant-select').click();
    await page.locator('.ant-select-item-option', { hasText: '单元' }).click();
    await ok();
    await node(`${mark} 单元`).waitFor();
    await page.locator('.ant-modal-footer').waitFor({ state: 'detached' });
    await node(`${mark} 单元`).dragTo(node(`${mark} 产线`));
    await until(async () => (await asset(`${mark}-cell`)).parent, (parent) => parent === `${mark}-line`, 'moved');
    await node('三号车间').dragTo(node(`${mark} 单元`)); // an area stands below no cell
    await page.waitForTimeout(300);
    expect((await asset(`${mark}-hall`)).parent ?? null).toBeNull();
  });

  test('devices are dragged onto a node: the row, or all that are chosen; and back', async () => {
    await mine('&tree=1');
    await page.locator('tbody tr', { hasText: ids[2] }).first().dragTo(node(`${mark} 产线`), { sourcePosition: { x: 300, y: 15 } });
    await outcome().waitFor();
    expect((await device(ids[2])).asset).toBe(`${mark}-line`);
    await box(ids[4]).click();
    await box(ids[6]).click();
    await page.locator('tbody tr', { hasText: ids[6] }).first().dragTo(node(`${mark} 产线`), { sourcePosition: { x: 300, y: 15 } });
    await until(async () => (await device(ids[6])).asset, (to) => to === `${mark}-line`, 'moved');
    expect((await device(ids[4])).asset).toBe(`${mark}-line`);
    await node(`${mark} 产线`).click();
    await page.waitForURL(/asset=/);
    await until(() => page.locator('table').getAttribute('aria-rowcount'), (n) => n === '4', 'three devices below');
    await until(() => outcome().innerText(), (text) => text.includes('2 个设备'), 'outcome');
    await press('撤销');
    await until(async () => (await device(ids[6])).asset || '', (to) => to === '', 'undone');
    await api(page, 'POST', 'devices/bulk', { ids: [ids[2]], change: { asset: null } });
  });

  test('by keyboard: arrows, Enter, F2 and the menu do what the mouse does', async () => {
    await mine('&tree=1');
    await node('三号车间').click();
    await node('三号车间').focus();
    await page.keyboard.press('ArrowRight');
    expect(await page.evaluate(() => document.activeElement.textContent)).toContain(`${mark} 产线`);
    await page.keyboard.press('Enter');
    await page.waitForURL((url) => url.searchParams.get('asset') === `${mark}-line`);
    await page.keyboard.press('F2');
    await page.fill('#name', `${mark} 二线`);
    await ok();
    await node(`${mark} 二线`).waitFor();
    await page.locator('.ant-modal-footer').waitFor({ state: 'detached' });
    await node(`${mark} 单元`).getByRole('button').focus();
    await page.keyboard.press('Enter');
    await page.getByRole('menuitem', { name: '移动到…' }).click();
    await page.locator('.ant-modal .ant-select').click();
    await page.locator('.ant-select-dropdown:not(.ant-select-dropdown-hidden) .ant-select-item-option', { hasText: '三号车间' }).click();
    await ok();
    await until(async () => (await asset(`${mark}-cell`)).parent, (parent) => parent === `${mark}-hall`, 'moved');
    await page.locator('.ant-modal-footer').waitFor({ state: 'detached' });
    await node('三号车间').getByRole('button').click();
    await page.getByRole('menuitem', { name: /^删\s?除$/ }).click();
    await page.locator('.ant-modal-confirm .ant-btn-dangerous').click();
    await page.locator('.asset-tree [role=alert]').getByText('仍有内容').waitFor();
  });
});

describe('one and another', () => {
  test('two devices are compared: what differs, and a shared point as lines', async () => {
    const online = (await api(page, 'GET', 'devices?state=online&limit=200')).data.items;
    const thing = online.map((d) => d.thing).find((model) => model && online.filter((d) => d.thing === model).length > 1);
    const pair = online.filter((d) => d.thing === thing).slice(0, 2).map((d) => d.id);
    await go(`/devices?thing=${encodeURIComponent(thing)}`);
    for (const id of pair) await box(id).click();
    await press('对比');
    await page.waitForURL(/\/compare\?/);
    await page.waitForSelector('.compare tbody tr');
    const row = (name) => page.locator('.compare tbody tr', { has: page.locator(`td:first-child:has-text("${name}")`) });
    expect(await row('名称').locator('.differs').count()).toBe(2);
    expect(await row('物模型').locator('.differs').count()).toBe(0);
    await page.getByLabel('只看不同之处').check();
    await until(() => row('物模型').count(), (n) => n === 0, 'only what differs');
    await page.waitForSelector('.compare .line-chart canvas');
    await until(() => page.locator('.compare .legend tbody tr').count(), (n) => n === 2, 'two lines');
  });

  test('the comparison says what to do when there is nothing to compare, and what is gone', async () => {
    await go('/compare');
    await page.getByText('请选择要对比的设备').waitFor();
    await go(`/compare?devices=${ids[0]},nosuch`);
    await page.getByText('没有这个设备').first().waitFor();
  });

  test('another model does not change the unit of what is kept, unless somebody says that the old one was wrong', async () => {
    const model = (id, unit) => ({ id: `${mark}-${id}`, name: { zh: `${mark}-${id}`, en: `${mark}-${id}` }, properties: [{ id: 'temp', type: 'f64', unit }] });
    const [cel, kelvin] = ['Cel', 'K'].map((unit) => model(unit.toLowerCase(), unit));
    for (const body of [cel, kelvin]) expect((await api(page, 'POST', 'things', body)).status).toBe(201);
    const some = ids.slice(3, 6);
    expect((await api(page, 'POST', 'devices/bulk', { ids: some, change: { thing: cel.id } })).data.changed).toBe(3);
    const alert = () => page.locator('.ant-modal .problem[role=alert]');
    const choose = async () => {
      await page.getByLabel('选择物模型').last().click();
      await page.keyboard.type(kelvin.id);
      const options = page.locator('.ant-select-dropdown:not(.ant-select-dropdown-hidden) .ant-select-item-option');
      await until(() => options.allInnerTexts(), (texts) => texts.join() === kelvin.id, 'what was typed alone');
      await page.keyboard.press('Enter');
    };
    // one device, in its editor
    await go(`/devices/${some[0]}`);
    await press('编辑');
    await choose();
    await ok();
    await alert().waitFor();
    expect(await alert().innerText()).toContain('temp (Cel, K)');
    expect((await device(some[0])).thing).toBe(cel.id);
    await page.getByLabel('原单位填写有误').check();
    await ok();
    await until(async () => (await device(some[0])).thing, (now) => now === kelvin.id, 'corrected');
    // the others at once: tried first
    await mine();
    await box(some[1]).check();
    await box(some[2]).check();
    await press('换物模型');
    await choose();
    await alert().waitFor();
    expect(await alert().innerText()).toMatch(new RegExp(`2 个设备.*${some[1]}.*temp \\(Cel, K\\).*${some[2]}`, 's'));
    await ok();
    await outcome().waitFor();
    expect(await outcome().innerText()).toContain('2 个被拒绝');
    await box(some[1]).check();
    await press('换物模型');
    await choose();
    await page.getByLabel('原单位填写有误').check();
    await ok();
    await until(async () => (await device(some[1])).thing, (now) => now === kelvin.id, 'corrected');
    await button('撤销').click();
    await until(async () => (await device(some[1])).thing, (now) => now === cel.id, 'undone');
    // and by import
    await go('/devices');
    await press('导入');
    await page.getByText('批量导入设备').waitFor();
    const report = page.locator('.import-report');
    await page.setInputFiles('input[type=file]', { name: 'u.csv', mimeType: 'text/csv', buffer: Buffer.from(`id,thing\n${some[2]},${kelvin.id}\n`) });
    await until(() => report.innerText(), (text) => text.includes('temp (Cel, K)'), 'refused row');
    await page.getByLabel('原单位填写有误').check();
    await until(() => report.innerText(), (text) => text.includes('更新 1 个'), 'trial');
    await press('导入 1 个设备');
    await until(async () => (await device(some[2])).thing, (now) => now === kelvin.id, 'imported');
    await api(page, 'POST', 'devices/bulk', { ids: some, change: { thing: null } });
    for (const body of [cel, kelvin]) expect((await api(page, 'DELETE', `things/${body.id}`)).status).toBe(204);
  });

  test('a device is duplicated, then archived and brought back, on its page', async () => {
    await go(`/devices/${ids[0]}`);
    await page.getByRole('button', { name: '更多操作' }).click();
    await page.getByRole('menuitem', { name: '复制为新设备' }).click();
    expect(await page.inputValue('#labels')).toContain('line:0');
    await page.fill('#id', `${mark}-copy`);
    await ok();
    await page.waitForURL(new RegExp(`/devices/${mark}-copy`));
    expect((await device(`${mark}-copy`)).labels).toEqual((await device(ids[0])).labels);
    for (const [word, archived] of [['归档', true], ['取消归档', false]]) {
      await page.getByRole('button', { name: '更多操作' }).click();
      await page.getByRole('menuitem', { name: word, exact: true }).click();
      await ok();
      await page.locator('.ant-modal-footer').waitFor({ state: 'detached' });
      await until(() => page.locator('.page-head .tag').count(), (n) => n === (archived ? 1 : 0), word);
      expect(Boolean((await device(`${mark}-copy`)).archived)).toBe(archived);
    }
    await api(page, 'DELETE', `devices/${mark}-copy`);
  });
});
