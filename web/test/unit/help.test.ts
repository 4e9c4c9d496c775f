import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { menu } from '../../src/app/menu';
import { helpOf } from '../../src/help/HelpDrawer';
import { everywhere, pages } from '../../src/i18n/help';

const han = /[\u4e00-\u9fff]/;
const routes = [...readFileSync('src/app/Routes.tsx', 'utf8').matchAll(/^ {2}\['([^']+)'/gm)].map((m) => m[1] ?? '');

describe('help in place', () => {
  test.each(routes)('the page %s has help', (path) => expect(helpOf(path.replace(/:\w+/g, 'x'))).toBeDefined());
  test.each(menu.flatMap((group) => group.items).map((item) => item.path))('the page %s of the menu has its own', (path) =>
    expect(helpOf(path)?.path).toBe(path));
  test.each(pages.map((page) => [page.path, page] as const))('%s speaks both languages, and leads to pages that are there', (_, page) => {
    const texts = [page.what, ...page.steps, ...(page.keys ?? []).map(([, does]) => does), ...everywhere.map(([, does]) => does)];
    for (const [zh, en] of texts) {
      expect(zh).toMatch(han);
      expect(en.replaceAll('等保', '')).not.toMatch(han);
      expect(en.length).toBeGreaterThan(5);
    }
    expect(page.steps.length).toBeGreaterThan(0);
    for (const to of page.more ?? []) expect(routes).toContain(to);
  });
});
