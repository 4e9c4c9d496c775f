// The tenant that is looked at: one's own, or one below it by the address /in/<tenant>/..., so that a link and Back keep it.
// It never changes while the page is loaded: who goes into another one loads the page anew, and nothing of the first is left.

const path = typeof location === 'undefined' ? '' : location.pathname;

/** '/in/jilin%2FparkA/devices' -> ['/in/jilin%2FparkA', 'jilin/parkA']; no such address: two empty texts. */
export function readBase(at: string): [base: string, tenant: string] {
  const found = /^\/in\/([^/]+)(?=\/|$)/.exec(at);
  try {
    return found ? [found[0], decodeURIComponent(found[1] ?? '')] : ['', ''];
  } catch {
    return ['', ''];
  }
}

const [base, tenant] = readBase(path);

/** The tenant looked at; '' = one's own. */
export function viewedTenant(): string {
  return tenant;
}
/** The address of a page in the tenant looked at. */
export function inTenant(to: string): string {
  return base && to.startsWith('/') && !to.startsWith('/api/') && to !== base && !to.startsWith(`${base}/`) ? base + to : to;
}
/** The page of an address, without the tenant. */
export function outOfTenant(at: string): string {
  if (!base || (at !== base && !at.startsWith(`${base}/`))) return at;
  const rest = at.slice(base.length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}
/** The address of a page in another tenant; '' = one's own. */
export function addressIn(other: string, to = '/'): string {
  return other ? `/in/${encodeURIComponent(other)}${to}` : to;
}
/** Is `other` the tenant `home` or below it? */
export function isWithin(other: string, home: string): boolean {
  return home === '' || other === home || other.startsWith(`${home}/`);
}
/** Only what is about somebody's own session is asked without a tenant. */
export function tenantOf(api: string): string {
  return /^(sessions|sign-in|sbom|openapi|healthz)/.test(api) ? '' : tenant;
}
