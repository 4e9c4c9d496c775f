import { afterEach, describe, expect, test, vi } from 'vitest';

async function at(pathname: string) {
  vi.resetModules();
  vi.stubGlobal('location', { pathname, search: '', hash: '', href: `http://h${pathname}` });
  return import('../../src/app/tenant');
}
afterEach(() => vi.unstubAllGlobals());

describe('the tenant looked at', () => {
  test('is one\'s own without such an address', async () => {
    const m = await at('/devices/in/x');
    expect(m.viewedTenant()).toBe('');
    expect(m.inTenant('/devices')).toBe('/devices');
    expect(m.outOfTenant('/devices')).toBe('/devices');
    expect(m.tenantOf('devices')).toBe('');
  });
  test('comes from the address, and pages and calls keep it', async () => {
    const m = await at('/in/jilin%2Fpark%20A/devices/p1');
    expect(m.viewedTenant()).toBe('jilin/park A');
    expect(m.inTenant('/devices')).toBe('/in/jilin%2Fpark%20A/devices');
    expect(m.inTenant('/in/jilin%2Fpark%20A/devices')).toBe('/in/jilin%2Fpark%20A/devices');
    expect(m.inTenant('/api/v1/devices')).toBe('/api/v1/devices');
    expect(m.outOfTenant('/in/jilin%2Fpark%20A')).toBe('/');
    expect(m.outOfTenant('/in/jilin%2Fpark%20A/things')).toBe('/things');
    expect(m.outOfTenant('/in/other/things')).toBe('/in/other/things');
    expect(m.tenantOf('devices')).toBe('jilin/park A');
    expect(m.tenantOf('sessions/current')).toBe('');
    expect(m.tenantOf('sign-in/x')).toBe('');
  });
  test('an address that cannot be read is none', async () => {
    const m = await at('/in/%E0%A4%A/devices');
    expect(m.viewedTenant()).toBe('');
  });
  test('below or not', async () => {
    const m = await at('/');
    expect(m.isWithin('a/b', '')).toBe(true);
    expect(m.isWithin('a/b', 'a')).toBe(true);
    expect(m.isWithin('ab', 'a')).toBe(false);
    expect(m.addressIn('a/b', '/devices')).toBe('/in/a%2Fb/devices');
    expect(m.addressIn('')).toBe('/');
  });
  test('calls carry it once', async () => {
    const m = await at('/in/a/devices');
    expect(m.viewedTenant()).toBe('a');
    const { apiUrl } = await import('../../src/api/client');
    expect(apiUrl('devices', { q: 'x' })).toBe('/api/v1/devices?q=x&tenant=a');
    expect(apiUrl('devices', { tenant: 'b' })).toBe('/api/v1/devices?tenant=b');
    expect(apiUrl('audit?q=x')).toBe('/api/v1/audit?q=x&tenant=a');
    expect(apiUrl('sessions/current')).toBe('/api/v1/sessions/current');
    expect(apiUrl('/other')).toBe('/other');
  });
});
