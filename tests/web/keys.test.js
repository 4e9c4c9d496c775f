// Security keys in the browser, by Chromium's own authenticator (CTAP2 over DevTools): registered, asked for at sign-in and before
// dangerous acts, beside recovery codes, taken away. WebAuthn wants a host name: the platform is opened as localhost.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, openPage, real, signIn, startBrowser, startPlatform, until } from './browser.js';

const WORD = 'Songhua-keys-of-iron-5';
let platform;
let browser;
let page;
let faults;
let url;
let devtools;
let authenticator;
let user = 'admin';
let pass;
let codes = [];
const go = (path) => page.goto(url + path);

async function enter() {
  await browser.context.clearCookies();
  await go('/');
  await page.waitForSelector('#user');
  await page.fill('#user', user);
  await page.fill('#password', pass);
  await page.click('button[type=submit]');
}

beforeAll(async () => {
  platform = await startPlatform();
  url = platform.url.replace('127.0.0.1', 'localhost');
  browser = await startBrowser();
  ({ page, faults } = await openPage(browser.context));
  await signIn(page, url);
  if (real) {
    user = 'keeper';
    pass = WORD;
    await api(page, 'DELETE', 'people/keeper');
    expect((await api(page, 'POST', 'people', { name: 'keeper', roles: ['engineer'], password: WORD })).status).toBe(201);
    await enter();
    await page.waitForSelector('.shell');
  } else {
    pass = platform.mock.password;
    platform.mock.confirmed = true;
  }
  devtools = await browser.context.newCDPSession(page);
  await devtools.send('WebAuthn.enable');
  ({ authenticatorId: authenticator } = await devtools.send('WebAuthn.addVirtualAuthenticator', {
    options: { protocol: 'ctap2', transport: 'usb', hasResidentKey: false, hasUserVerification: false, isUserVerified: false },
  }));
});
afterAll(async () => {
  await browser?.close();
  await platform?.close();
});

test('a key is registered and gives recovery codes', async () => {
  await go('/account');
  const keys = page.locator('section[aria-label="安全密钥与通行密钥"]');
  await keys.getByLabel('名称（如：蓝色 USB 密钥）').fill('蓝色密钥');
  await keys.getByRole('button', { name: '登记密钥' }).click();
  const dialog = page.locator('.ant-modal', { hasText: '恢复码' });
  codes = (await dialog.locator('pre').innerText()).trim().split(/\s+/);
  expect(codes.length).toBe(10);
  await dialog.locator('.ant-modal-footer .ant-btn-primary').click();
  await keys.locator('li', { hasText: '蓝色密钥' }).waitFor();
  expect(await keys.locator('li').innerText()).toContain('localhost');
});

test('it is asked for after the password, and opens the account', async () => {
  await enter();
  await page.getByRole('button', { name: '使用安全密钥' }).click();
  await page.waitForSelector('.shell');
  await go('/account');
  await until(() => page.locator('.keys li').innerText(), (text) => !real || text.includes('最近使用'), 'used');
});

test.runIf(real)('the same answer opens nothing twice, and another page cannot ask for it', async () => {
  const sent = [];
  const keep = (request) => request.method() === 'POST' && request.url().endsWith('/sessions') && sent.push(request.postData());
  page.on('request', keep);
  await enter();
  await page.getByRole('button', { name: '使用安全密钥' }).click();
  await page.waitForSelector('.shell');
  page.off('request', keep);
  const answer = JSON.parse(sent[sent.length - 1]);
  expect(answer.assertion.id).toBeTruthy();
  const again = await fetch(`${platform.url}/api/v1/sessions`, { method: 'POST', body: JSON.stringify(answer), headers: { 'Content-Type': 'application/json' } });
  expect(again.status).toBe(401);
  const other = await fetch(`${platform.url}/api/v1/sessions/key`, { method: 'POST', body: JSON.stringify({ user, password: pass }), headers: { 'Content-Type': 'application/json' } });
  expect((await other.json()).code).toBe('key_unsupported'); // by address
});

test('the password alone does not, a recovery code does', async () => {
  await enter();
  await page.waitForSelector('#code');
  expect(await page.locator('[role=alert]').count()).toBe(0);
  await page.fill('#code', real ? codes[0] : '123456');
  await page.click('button[type=submit]');
  await page.waitForSelector('.shell');
});

test('a touch that does not come is told', async () => {
  await enter();
  await page.getByRole('button', { name: '使用安全密钥' }).waitFor();
  await devtools.send('WebAuthn.clearCredentials', { authenticatorId: authenticator });
  await devtools.send('WebAuthn.setUserVerified', { authenticatorId: authenticator, isUserVerified: false });
  await page.getByRole('button', { name: '使用安全密钥' }).click();
  await page.locator('[role=alert]').waitFor();
  await page.fill('#code', real ? codes[1] : '123456');
  await page.click('button[type=submit]');
  await page.waitForSelector('.shell');
});

test('it is taken away, and the password is enough again', async () => {
  await go('/account');
  await page.locator('.keys li').getByRole('button', { name: '移除' }).click();
  await page.locator('.ant-modal-confirm .ant-btn-dangerous').click();
  await until(() => page.locator('.keys li').count(), (n) => n === 0, 'no key');
  await enter();
  await page.waitForSelector('.shell');
});

test('opened by an address the account says why there are no keys', async () => {
  await browser.context.clearCookies();
  await page.goto(platform.url);
  await page.waitForSelector('#user');
  await page.fill('#user', user);
  await page.fill('#password', pass);
  await page.click('button[type=submit]');
  await page.waitForSelector('.shell');
  await page.goto(`${platform.url}/account`);
  await page.getByText(/用 IP 地址或不加密的 HTTP 打开时不能使用安全密钥/).waitFor();
});

test('nothing went wrong on the way', () => {
  expect(faults).toEqual([]);
});
