// Signing in by the password of a directory (LDAP): entered and tried by an administrator, named on the sign-in page; on the real platform
// Chromium signs in with the account of a real slapd, confirms by its password, and reads that the password lives there.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, SHUT_LISTS, axeFindings, openPage, real, signIn, startBrowser, startPlatform } from './browser.js';

let platform;
let browser;
let page;
let faults;
let slapd;
let directory = { tls: 636, ca: '', base: 'dc=plant,dc=cn', people: 'ou=people,dc=plant,dc=cn', service: 'cn=songhua,ou=services,dc=plant,dc=cn',
  service_password: 'x', password: 'Directory-river-7' };
const go = (path) => page.goto(platform.url + path);

const axe = async () => expect(await axeFindings(page, SHUT_LISTS)).toEqual([]);

beforeAll(async () => {
  platform = await startPlatform();
  browser = await startBrowser();
  ({ page, faults } = await openPage(browser.context));
  await signIn(page, platform.url);
  if (real) {
    slapd = spawn('python3', [new URL('../wire/slapd.py', import.meta.url).pathname], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: slapd.stdout });
    const first = await new Promise((resolve) => {
      lines.once('line', resolve);
      lines.once('close', () => resolve(''));
    });
    directory = JSON.parse(first);
    await api(page, 'DELETE', 'people/li');
    await api(page, 'DELETE', 'identity-providers/plant');
  }
});
afterAll(async () => {
  slapd?.stdin.end();
  await browser?.close();
  await platform?.close();
});

test('an administrator enters a directory', async () => {
  await go('/sign-in-providers');
  await page.getByRole('button', { name: '新建提供方' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('类型').click();
  await page.getByText('LDAP 目录', { exact: true }).click();
  await dialog.getByLabel('标识', { exact: true }).fill('plant');
  await dialog.getByLabel('名称（中文）').fill('厂内目录');
  await dialog.getByLabel('名称（英文）').fill('Plant directory');
  await dialog.getByRole('button', { name: 'Active Directory' }).click();
  expect(await dialog.getByLabel('唯一标识属性').inputValue()).toBe('objectGUID');
  await dialog.getByRole('button', { name: 'OpenLDAP' }).click();
  expect(await dialog.getByLabel('唯一标识属性').inputValue()).toBe('entryUUID');
  await dialog.getByLabel('服务器').fill(`localhost:${directory.tls}`);
  if (directory.ca) await dialog.getByLabel('CA 证书（PEM）').fill(directory.ca);
  await dialog.getByLabel('人员搜索起点').fill(directory.people);
  await dialog.getByLabel('搜索用账号（DN）').fill(directory.service);
  await dialog.getByLabel('搜索用账号的密码').fill(directory.service_password);
  await dialog.getByLabel('谁可以登录').click();
  await page.getByText('首次登录时自动建立，授予下列角色').click();
  await axe();
  await dialog.getByLabel('角色', { exact: true }).click();
  await page.locator('.ant-select-dropdown:not(.ant-select-dropdown-hidden)').getByTitle(/./).filter({ hasText: /^operator$/ }).first().click();
  await dialog.locator('.ant-select-selection-item', { hasText: 'operator' }).waitFor();
  await dialog.getByLabel('名称（英文）').click(); // the list of roles would lie over the button
  await dialog.getByRole('button', { name: /保存|确定/ }).click();
  await page.getByText('厂内目录').waitFor();
  const made = (await api(page, 'GET', 'identity-providers/plant')).data;
  expect(made).toMatchObject({ kind: 'ldap', tls: 'ldaps', people: 'create', roles: ['operator'], has_secret: true });
  expect(JSON.stringify(made)).not.toContain(directory.service_password + '"');
});

test('in clear to another machine is warned of, and refused unless it is allowed', async () => {
  await page.getByRole('row', { name: /厂内目录/ }).getByRole('button', { name: '编辑' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('加密').click();
  await page.getByText('不加密', { exact: true }).click();
  await dialog.getByLabel('服务器').fill('ldap.plant.cn');
  await dialog.getByText('密码将以明文经过网络').waitFor();
  await dialog.getByRole('button', { name: /保存|确定/ }).click();
  await dialog.getByText('allow_clear').waitFor();
  await dialog.getByRole('button', { name: /取\s*消/ }).click();
});

test('and tries it, step by step and as a person', async () => {
  await go('/sign-in-providers');
  await page.getByRole('row', { name: /厂内目录/ }).getByRole('button', { name: '测试连接' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('搜索用账号登录 · 通过').waitFor();
  await dialog.getByText('全部正常').waitFor();
  await dialog.getByLabel('用户', { exact: true }).fill('li');
  await dialog.getByLabel('密码').fill('wrong');
  await dialog.getByRole('button', { name: '测试连接' }).click();
  await dialog.getByText('人员密码 · 未通过').waitFor();
  await dialog.getByLabel('密码').fill(directory.password);
  await dialog.getByRole('button', { name: '测试连接' }).click();
  await dialog.getByText('人员密码 · 通过').waitFor();
  await dialog.getByText('李雷').waitFor();
  await dialog.getByText('cn=operators,ou=groups,dc=plant,dc=cn').waitFor();
  await dialog.getByText('尚未关联').waitFor();
  await axe();
  await dialog.getByRole('button', { name: /关\s*闭/ }).last().click();
});

test('the sign-in page names it in both languages', async () => {
  await browser.context.clearCookies();
  await go('/');
  await page.getByText('也可使用“厂内目录”的账号和密码。').waitFor();
  await axe();
  await page.evaluate(() => localStorage.setItem('songhua.language', 'en'));
  await page.goto('about:blank');
  await go('/');
  await page.getByText('An account of Plant directory works here as well.').waitFor();
  await page.evaluate(() => localStorage.setItem('songhua.language', 'zh'));
});

async function enter(user, password) {
  await page.goto('about:blank');
  await go('/account');
  await page.fill('#user', user);
  await page.fill('#password', password);
  await page.getByRole('button', { name: /登\s*录/ }).first().click();
}

test.runIf(real)('Chromium signs in with the account of the directory', async () => {
  await enter('li', 'wrong');
  await page.getByText('请检查用户名和密码').waitFor();
  await enter('li', directory.password);
  await page.waitForSelector('.shell');
  await page.getByText('密码保存在企业目录（LDAP）中').waitFor();
  expect((await api(page, 'GET', 'sessions/current')).data).toMatchObject({ password: false, directories: ['plant'], user: { name: 'li' } });
});

test.runIf(real)('a dangerous act is confirmed by its password', async () => {
  let refused = 0;
  await page.route('**/api/v1/sessions/current/totp', (route) => {
    refused += 1;
    return refused > 1 ? route.continue() : route.fulfill({
      status: 403, contentType: 'application/problem+json', body: JSON.stringify({ status: 403, code: 'confirm_needed', title: 'x' }),
    });
  });
  await page.getByRole('button', { name: '设置', exact: true }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('请输入目录（LDAP）账号的密码。').waitFor();
  await dialog.getByLabel('密码').fill(directory.password);
  await dialog.getByRole('button', { name: /确\s*认/ }).click();
  await page.getByText('1. 用验证器应用扫描二维码').waitFor();
  expect(refused).toBe(2);
});

test.runIf(real)('a directory that is down is told, and the administrator comes in', async () => {
  slapd.stdin.write('stop\n');
  await new Promise((resolve) => slapd.stdout.once('data', resolve));
  await browser.context.clearCookies();
  await enter('li', directory.password);
  await page.getByText('目录服务没有应答').first().waitFor();
  await browser.context.clearCookies();
  await page.goto('about:blank');
  await signIn(page, platform.url);
  await page.waitForSelector('.shell');
});

test('a directory to which nobody is linked is removed', async () => {
  await page.goto('about:blank');
  await signIn(page, platform.url);
  if (real) await api(page, 'DELETE', 'people/li');
  await go('/sign-in-providers');
  await page.getByRole('row', { name: /厂内目录/ }).getByRole('button', { name: '删除' }).click();
  await page.locator('.ant-modal-confirm-btns .ant-btn-dangerous').click();
  await page.getByRole('row', { name: /厂内目录/ }).waitFor({ state: 'detached' });
  expect((await api(page, 'GET', 'identity-providers/plant')).status).toBe(404);
});

test('the pages made no faults', () => {
  expect(faults).toEqual([]);
});
