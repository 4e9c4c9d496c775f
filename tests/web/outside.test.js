// Signing in by a provider: entered and tried by an administrator, its button on the sign-in page, what went wrong in both languages,
// people linked. On the real platform Chromium goes to a real provider (npm oidc-provider) and back, and confirms there before a
// dangerous act, because that person has no password here.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, axeFindings, openPage, real, signIn, startBrowser, startPlatform, until } from './browser.js';

let platform;
let browser;
let page;
let faults;
let peer;
let issuer = 'https://id.example.com';
const go = (path) => page.goto(platform.url + path);

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}

const axe = async () => expect(await axeFindings(page)).toEqual([]);

beforeAll(async () => {
  platform = await startPlatform();
  browser = await startBrowser();
  ({ page, faults } = await openPage(browser.context));
  await signIn(page, platform.url);
  if (real) {
    const [good, hostile] = [await freePort(), await freePort()];
    issuer = `http://127.0.0.1:${good}`;
    peer = spawn(process.execPath, [
      new URL('../oidc_peer.mjs', import.meta.url).pathname, String(good), String(hostile), `${platform.url}/api/v1/sign-in/corp/callback`,
    ], { stdio: ['pipe', 'pipe', 'ignore'] });
    await once(peer.stdout, 'data');
    await api(page, 'DELETE', 'people/li/identities/corp');
    await api(page, 'DELETE', 'people/li');
    await api(page, 'DELETE', 'identity-providers/corp');
  }
});
afterAll(async () => {
  peer?.stdin.end();
  await browser?.close();
  await platform?.close();
});

test('an administrator enters a provider and tries it', async () => {
  await go('/sign-in-providers');
  await page.getByText('没有身份提供方').waitFor();
  await axe();
  await page.getByRole('button', { name: '新建提供方' }).click();
  await page.getByLabel('标识', { exact: true }).fill('corp');
  await page.getByText('/api/v1/sign-in/corp/callback').waitFor();
  await page.getByLabel('签发者（issuer）').fill(issuer);
  await page.getByLabel('按钮名称（中文）').fill('集团账号');
  await page.getByLabel('按钮名称（英文）').fill('Corp');
  await page.getByLabel('客户端标识（client_id）').fill('songhua');
  await page.getByLabel('客户端密钥').fill('a secret: with %signs/and+more');
  await page.getByRole('dialog').getByRole('button', { name: /保存|确定/ }).click();
  await page.getByText('集团账号').waitFor();
  await page.getByRole('button', { name: '测试连接' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText(real ? '连接正常：发现文档和公钥均可用' : '连不上统一认证服务').waitFor();
  if (!real) await dialog.getByText('请联系管理员').waitFor();
  await page.keyboard.press('Escape');
});

test('a person is linked, and has no password here', async () => {
  const made = await api(page, 'POST', 'people', { name: 'li', roles: ['operator'] });
  expect([200, 201]).toContain(made.status);
  await go('/people');
  const row = page.getByRole('row').filter({ hasText: 'li' }).filter({ hasNotText: 'admin' });
  await row.first().getByRole('button', { name: '登录与会话' }).click();
  await page.getByRole('tab', { name: '统一认证' }).click();
  await page.getByText('尚未关联统一认证身份').waitFor();
  await page.getByLabel('提供方').click();
  await page.getByTitle('集团账号').last().click();
  await page.getByRole('textbox', { name: '身份' }).fill('li');
  await page.getByRole('button', { name: '关联', exact: true }).click();
  await page.getByText('取消关联').waitFor();
  expect((await api(page, 'GET', 'people/li/identities')).data.items).toEqual([{ provider: 'corp', name: 'li' }]);
});

test('the sign-in page has the button, and says what went wrong in both languages', async () => {
  await browser.context.clearCookies();
  await go('/');
  await page.getByRole('button', { name: '使用“集团账号”登录' }).waitFor();
  await axe();
  await page.goto('about:blank');
  await go('/#sign-in=name_taken');
  await page.getByText('同名账户已存在').waitFor();
  await page.getByText('请管理员将其与统一认证身份关联').waitFor();
  await page.goto('about:blank');
  await go('/#sign-in=<img>');
  await page.getByRole('button', { name: '使用“集团账号”登录' }).waitFor();
  expect(await page.getByRole('alert').count()).toBe(0);
  await page.evaluate(() => localStorage.setItem('songhua.language', 'en'));
  await page.goto('about:blank');
  await go('/#sign-in=token_signature');
  await page.getByText('The signature of the ID token is not good').waitFor();
  await page.getByRole('button', { name: 'Sign in with Corp' }).waitFor();
  await page.evaluate(() => localStorage.setItem('songhua.language', 'zh'));
});

test.runIf(!real)('a provider that does not answer is told on the page', async () => {
  await page.goto('about:blank');
  await go('/');
  await page.getByRole('button', { name: '使用“集团账号”登录' }).click();
  await page.getByText('连不上统一认证服务').waitFor();
  expect(new URL(page.url()).hash).toBe('');
});

test.runIf(real)('Chromium signs in through the provider and comes back to its page', async () => {
  await page.goto('about:blank');
  await go('/account');
  await page.getByRole('button', { name: '使用“集团账号”登录' }).click();
  await page.fill('#login', 'li');
  await page.fill('#password', 'x');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForSelector('.shell');
  expect(new URL(page.url()).pathname).toBe('/account');
  await page.getByText('此账户没有本地密码，通过统一认证登录。').waitFor();
  expect((await api(page, 'GET', 'sessions/current')).data.user.name).toBe('li');
  const cookies = await browser.context.cookies(platform.url);
  expect(cookies.find((c) => c.name === 'songhua_session')).toMatchObject({ httpOnly: true, sameSite: 'Strict' });
  expect(cookies.find((c) => c.name === 'songhua_outside')).toBeUndefined();
});

test.runIf(real)('a dangerous act is confirmed in a window of the provider', async () => {
  // the server asks after 15 minutes; here the answer is made up, and the second try goes to the server as it is
  let refused = 0;
  await page.route('**/api/v1/sessions/current/totp', (route) => {
    refused += 1;
    return refused > 1 ? route.continue() : route.fulfill({
      status: 403, contentType: 'application/problem+json', body: JSON.stringify({ status: 403, code: 'confirm_needed', title: 'x' }),
    });
  });
  await page.getByRole('button', { name: '设置', exact: true }).click();
  const ask = page.getByRole('dialog').getByRole('button', { name: '通过“集团账号”确认' });
  await ask.waitFor();
  expect(await page.getByRole('dialog').getByLabel('密码').count()).toBe(0);
  const [popup] = await Promise.all([page.waitForEvent('popup'), ask.click()]);
  await popup.waitForSelector('#login'); // prompt=login: asked though it knows who sits there
  await popup.fill('#login', 'li');
  await popup.fill('#password', 'x');
  await popup.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('1. 用验证器应用扫描二维码').waitFor();
  await until(() => popup.isClosed(), (closed) => closed, 'the window closes by itself');
  expect(refused).toBe(2);
});

test.runIf(real)('signing out here signs out at the provider, and comes back', async () => {
  await go('/account');
  await page.waitForSelector('.shell');
  await page.locator('header.top').getByRole('button', { name: /(^|\s)li$/ }).click();
  await page.getByRole('menuitem', { name: '退出登录' }).click();
  await page.getByRole('button', { name: 'Yes, sign me out' }).click(); // the provider's own page
  await page.getByText('您已退出登录，也已退出统一认证。').waitFor();
  await page.getByRole('button', { name: '使用“集团账号”登录' }).click();
  await page.waitForSelector('#login'); // whoever comes next is asked who he is
  await go('/');
});

test('the pages made no faults', () => {
  expect(faults).toEqual([]);
});
