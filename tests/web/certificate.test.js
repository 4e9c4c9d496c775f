// Signing in by a certificate: entered with its trust list and tried by an administrator; bound by the person on the account page; used on the
// sign-in page, and to confirm a dangerous act. On the real platform openssl makes the SM2 authority, the certificate and every signature.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, SHUT_LISTS, axeFindings, openPage, password, real, signIn, startBrowser, startPlatform } from './browser.js';

const ID = 'distid:1234567812345678';
const folder = mkdtempSync(join(tmpdir(), 'songhua-certificate-'));
const at = (name) => join(folder, name);
const openssl = (...words) => execFileSync('openssl', words, { stdio: ['ignore', 'pipe', 'pipe'] });
let platform;
let browser;
let page;
let faults;
const go = (path) => page.goto(platform.url + path);

const axe = async () => expect(await axeFindings(page, SHUT_LISTS)).toEqual([]);

function makeCertificates() {
  for (const name of ['ca', 'li', 'other']) openssl('ecparam', '-genkey', '-name', 'SM2', '-noout', '-out', at(`${name}.key`));
  openssl('req', '-x509', '-new', '-key', at('ca.key'), '-sm3', '-sigopt', ID, '-subj', '/C=CN/O=Plant/CN=SM2 root', '-days', '3650',
    '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign', '-out', at('ca.pem'));
  openssl('req', '-new', '-utf8', '-key', at('li.key'), '-sm3', '-sigopt', ID, '-subj', '/C=CN/O=Plant/CN=李雷', '-out', at('li.csr'));
  writeFileSync(at('ext'), 'keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n');
  openssl('x509', '-req', '-in', at('li.csr'), '-vfyopt', ID, '-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial', '-sm3', '-sigopt', ID,
    '-extfile', at('ext'), '-days', '365', '-out', at('li.pem'));
  writeFileSync(at('crl.cnf'), `[ca]\ndefault_ca=d\n[d]\ndatabase=${at('index')}\ncrlnumber=${at('number')}\n`);
  writeFileSync(at('index'), '');
  writeFileSync(at('number'), '01\n');
  openssl('ca', '-config', at('crl.cnf'), '-cert', at('ca.pem'), '-keyfile', at('ca.key'), '-md', 'sm3', '-sigopt', ID, '-gencrl', '-crldays', '30',
    '-out', at('ca.crl'));
}

/** What stands in the text of the page, signed as the page says; the mock has one signature that is good. */
async function signed(place, key = 'li') {
  const text = await place.getByRole('region', { name: '质询文本' }).innerText();
  if (!real) return key === 'li' ? 'c29uZ2h1YQ==' : 'AAAA';
  const lines = `${text.trim()}\n`;
  writeFileSync(at('challenge.txt'), lines);
  return openssl('pkeyutl', '-sign', '-rawin', '-digest', 'sm3', '-pkeyopt', ID, '-inkey', at(`${key}.key`), '-in', at('challenge.txt')).toString('base64');
}

beforeAll(async () => {
  makeCertificates();
  platform = await startPlatform();
  browser = await startBrowser();
  ({ page, faults } = await openPage(browser.context));
  await signIn(page, platform.url);
  if (real) {
    await api(page, 'DELETE', 'people/admin/identities/gm');
    await api(page, 'DELETE', 'identity-providers/gm');
  }
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await browser?.close();
  await platform?.close();
});

test('an administrator enters a provider of certificates', async () => {
  await go('/sign-in-providers');
  await page.getByRole('button', { name: '新建提供方' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('类型').click();
  await page.getByText('数字证书', { exact: true }).click();
  await dialog.getByLabel('标识', { exact: true }).fill('gm');
  await dialog.getByLabel('名称（中文）').fill('国密证书');
  await dialog.getByLabel('名称（英文）').fill('SM2 certificate');
  await dialog.getByLabel('信任的 CA 证书（PEM）', { exact: true }).fill('no certificate');
  await dialog.getByRole('button', { name: /保存|确定/ }).click();
  await dialog.getByText('信任列表不是 PEM 格式的证书').waitFor();
  await dialog.getByLabel('信任的 CA 证书（PEM） · 选择文件').setInputFiles(at('ca.pem'));
  await dialog.getByLabel('如何认出人员').click();
  await page.getByText('证书字段即用户名', { exact: true }).click();
  await dialog.getByText('只信任不会重名的 CA').waitFor();
  await dialog.getByLabel('如何认出人员').click();
  await page.getByText('按证书指纹绑定', { exact: true }).last().click();
  await axe();
  await dialog.getByRole('button', { name: /保存|确定/ }).click();
  await page.getByRole('row', { name: /国密证书/ }).getByText('CN=SM2 root').waitFor();
  expect((await api(page, 'GET', 'identity-providers/gm')).data).toMatchObject({ kind: 'certificate', match: 'fingerprint', revocation: 'strict' });
});

test('what it trusts is shown, and a list of revoked certificates is added by a file', async () => {
  const row = page.getByRole('row', { name: /国密证书/ });
  await row.getByRole('button', { name: '编辑' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('CN=SM2 root,O=Plant,C=CN').waitFor();
  await dialog.getByText(/^SM3 [0-9a-f]{64}$/).waitFor();
  await dialog.getByText('尚无吊销列表').waitFor();
  await dialog.getByLabel('吊销列表（PEM） · 选择文件').setInputFiles(at('ca.crl'));
  await axe();
  await dialog.getByRole('button', { name: /保存|确定/ }).click();
  await dialog.waitFor({ state: 'hidden' });
  await row.getByRole('button', { name: '编辑' }).click();
  await page.getByRole('dialog').getByText(/下次更新/).waitFor();
  await page.getByRole('dialog').getByRole('button', { name: /取\s*消/ }).click();
});

test('and tries it, step by step', async () => {
  await go('/sign-in-providers');
  await page.getByRole('row', { name: /国密证书/ }).getByRole('button', { name: '测试连接' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('信任列表 · 通过').waitFor();
  await dialog.getByText('全部正常').waitFor();
  await dialog.getByLabel('证书 · 选择文件').setInputFiles(at('li.pem'));
  await dialog.getByLabel('签名（base64）', { exact: true }).fill(await signed(dialog, 'other'));
  await dialog.locator('button[type=submit]').click();
  await dialog.getByText('签名 · 未通过').waitFor();
  await dialog.getByText('签名与此密钥及文本不符').waitFor();
  await dialog.getByLabel('签名（base64）', { exact: true }).fill(await signed(dialog));
  await dialog.locator('button[type=submit]').click();
  await dialog.getByText('签名 · 通过').waitFor();
  await dialog.getByText('人员 · 未通过').waitFor();
  await dialog.getByText('李雷', { exact: true }).first().waitFor();
  await axe();
  await dialog.getByRole('button', { name: /关\s*闭/ }).last().click();
});

test('a person binds it on the account page', async () => {
  await go('/account');
  await page.getByRole('button', { name: '绑定“国密证书”证书' }).click();
  const dialog = page.getByRole('dialog', { name: /国密证书/ });
  await dialog.getByText('Songhua binding of a certificate').waitFor();
  await dialog.getByLabel('证书 · 选择文件').setInputFiles(at('li.pem'));
  await dialog.getByLabel('签名（base64）', { exact: true }).fill(await signed(dialog));
  await axe();
  await dialog.locator('button[type=submit]').click();
  const confirm = page.getByRole('dialog', { name: '再次确认' });
  const bound = page.getByText('已绑定', { exact: true });
  await Promise.race([confirm.waitFor(), bound.waitFor()]);
  if (await confirm.isVisible()) {
    await confirm.getByLabel('密码').fill(password);
    await confirm.getByRole('button', { name: /确\s*认/ }).click();
  }
  await bound.waitFor();
  expect((await api(page, 'GET', 'sessions/current')).data.providers).toContain('gm');
});

test('and signs in with it; a signature that does not fit is told, and a new text is there', async () => {
  await browser.context.clearCookies();
  await page.goto('about:blank');
  await go('/devices');
  await page.getByRole('button', { name: '使用“国密证书”登录' }).click();
  await page.getByText('Songhua sign-in').waitFor();
  await page.getByText('如何签名').click();
  await page.getByText('-pkeyopt distid:1234567812345678').waitFor();
  await axe();
  expect(await page.getByLabel('证书', { exact: true }).inputValue()).toContain('BEGIN CERTIFICATE'); // remembered
  const before = await page.getByRole('region', { name: '质询文本' }).innerText();
  await page.getByLabel('签名（base64）', { exact: true }).fill(await signed(page, 'other'));
  await page.locator('button[type=submit]').click();
  await page.getByText('不能使用该证书登录').waitFor();
  await page.waitForFunction((old) => document.querySelector('.code pre')?.textContent?.trim() !== old.trim(), before);
  await page.getByLabel('签名（base64）', { exact: true }).fill(await signed(page));
  await page.locator('button[type=submit]').click();
  await page.waitForSelector('.shell');
  expect(new URL(page.url()).pathname).toBe('/devices');
  if (real) expect((await api(page, 'GET', 'sessions')).data.items.find((s) => s.current).provider).toBe('gm');
});

test('a dangerous act is confirmed with it', async () => {
  await go('/account');
  let refused = 0;
  await page.route('**/api/v1/sessions/current/totp', (route) => {
    refused += 1;
    return refused > 1
      ? route.fulfill({ status: 201, contentType: 'application/json', body: JSON.stringify({ secret: 'GEZDGNBVGY3TQOJQ', uri: 'otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ' }) })
      : route.fulfill({ status: 403, contentType: 'application/problem+json', body: JSON.stringify({ status: 403, code: 'confirm_needed', title: 'x' }) });
  });
  await page.getByRole('button', { name: '设置', exact: true }).click();
  const dialog = page.getByRole('dialog').last();
  await dialog.getByRole('button', { name: '通过“国密证书”确认' }).click();
  await dialog.getByText('Songhua confirmation').waitFor();
  await dialog.getByLabel('签名（base64）', { exact: true }).fill(await signed(dialog));
  await axe();
  await dialog.locator('button[type=submit]').click();
  await page.getByText('1. 用验证器应用扫描二维码').waitFor();
  expect(refused).toBe(2);
  await page.unroute('**/api/v1/sessions/current/totp');
});

test('the sign-in page speaks English as well', async () => {
  await browser.context.clearCookies();
  await go('/');
  await page.evaluate(() => localStorage.setItem('songhua.language', 'en'));
  await page.goto('about:blank');
  await go('/');
  await page.getByRole('button', { name: 'Sign in with SM2 certificate' }).click();
  await page.getByText('Sign this text, byte for byte').waitFor();
  await axe();
  await page.getByRole('button', { name: 'Back to sign-in' }).click();
  await page.locator('#password').waitFor();
  await page.evaluate(() => localStorage.setItem('songhua.language', 'zh'));
});

test('a provider to which nobody is bound is removed', async () => {
  await page.goto('about:blank');
  await signIn(page, platform.url);
  if (real) expect((await api(page, 'DELETE', 'people/admin/identities/gm')).status).toBe(204);
  await page.goto('about:blank');
  await signIn(page, platform.url);
  await go('/sign-in-providers');
  await page.getByRole('row', { name: /国密证书/ }).getByRole('button', { name: '删除' }).click();
  await page.locator('.ant-modal-confirm-btns .ant-btn-dangerous').click();
  await page.getByRole('row', { name: /国密证书/ }).waitFor({ state: 'detached' });
});

test('the pages made no faults', () => {
  expect(faults).toEqual([]);
});
