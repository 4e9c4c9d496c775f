// A small router on the history API: the server answers index.html for every page address.
import { useSyncExternalStore } from 'react';
import { inTenant, outOfTenant } from './tenant';

export interface Place {
  path: string;
  query: URLSearchParams;
}

const listeners = new Set<() => void>();
let place = read();

function read(): Place {
  return { path: outOfTenant(location.pathname), query: new URLSearchParams(location.search) };
}

function changed(): void {
  place = read();
  listeners.forEach((listener) => listener());
}

/** Somebody has unsaved work on this page: asked before the page is left. Calls `go` when it may. */
export type LeaveGuard = (go: () => void) => void;
let guard: LeaveGuard | null = null;
let here = location.pathname + location.search + location.hash; // where Back came from

export function setLeaveGuard(next: LeaveGuard | null): void {
  guard = next;
}

window.addEventListener('popstate', () => {
  const to = location.pathname + location.search + location.hash;
  if (guard && outOfTenant(location.pathname) !== place.path) {
    const ask = guard;
    history.pushState(null, '', here); // stay while the question is open
    ask(() => {
      guard = null;
      navigate(to);
    });
    return;
  }
  here = to;
  changed();
});

export function navigate(page: string, replace = false): void {
  const to = inTenant(page);
  if (to === location.pathname + location.search) return;
  const leave = new URL(to, location.href).pathname !== location.pathname;
  if (guard && leave) {
    guard(() => {
      guard = null;
      navigate(to, replace);
    });
    return;
  }
  history[replace ? 'replaceState' : 'pushState'](null, '', to);
  here = location.pathname + location.search + location.hash;
  changed();
  if (leave && !replace) document.getElementById('main')?.scrollTo(0, 0);
}

/** Changes parts of the query and keeps the rest; null or '' takes one away. */
export function setQuery(change: Record<string, string | null | undefined>, replace = true): void {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(change)) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  const tail = query.toString();
  navigate(location.pathname + (tail ? `?${tail}` : ''), replace);
}

export function usePlace(): Place {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => place,
  );
}

/** '/devices/:id' against '/devices/pump%201' -> {id: 'pump 1'}; null when it is another page. */
export function match(pattern: string, path: string): Record<string, string> | null {
  const want = pattern.split('/');
  const have = path.replace(/\/+$/, '').split('/');
  if (pattern === '/') return path === '/' ? {} : null;
  if (want.length !== have.length) return null;
  const params: Record<string, string> = {};
  for (const [i, part] of want.entries()) {
    const got = have[i] ?? '';
    if (part.startsWith(':')) {
      try {
        params[part.slice(1)] = decodeURIComponent(got);
      } catch {
        return null;
      }
    } else if (part !== got) return null;
  }
  return params;
}

/** A link that is opened in another way - a new tab, its address copied - leads into the tenant looked at too. */
function takeTenant(event: Event): void {
  const link = (event.target as Element | null)?.closest?.('a[href]');
  if (!(link instanceof HTMLAnchorElement) || link.dataset.plain !== undefined) return;
  const href = link.getAttribute('href') ?? '';
  if (href.startsWith('/') && inTenant(href) !== href) link.setAttribute('href', inTenant(href));
}

/** Plain <a href="/..."> links stay inside the page; modified clicks and files do what they always do. */
export function installLinks(): void {
  if (inTenant('/') !== '/') {
    document.addEventListener('pointerdown', takeTenant, true);
    document.addEventListener('focusin', takeTenant, true);
  }
  document.addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element | null)?.closest?.('a[href]');
    if (!(link instanceof HTMLAnchorElement)) return;
    const href = link.getAttribute('href') ?? '';
    if (!href.startsWith('/') || href.startsWith('/api/') || link.target || link.download || link.dataset.plain !== undefined) return;
    event.preventDefault();
    navigate(href);
  });
}
