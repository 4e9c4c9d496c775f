import react from '@vitejs/plugin-react';
import { runnerImport } from 'vite';
import { defineConfig, type ViteUserConfig } from 'vitest/config';

// Where `npm run dev` finds the API: the mock unless SONGHUA_URL names a running platform.
const api = process.env.SONGHUA_URL ?? 'http://127.0.0.1:8089';

/** `virtual:words/zh` and `/en`: nobody loads the words of a language that he does not read. */
const wordTables: NonNullable<ViteUserConfig['plugins']>[number] = {
  name: 'word-tables',
  resolveId: (id: string) => (id.startsWith('virtual:words/') ? `\0${id}` : undefined),
  async load(id: string) {
    if (!id.startsWith('\0virtual:words/')) return undefined;
    const { words } = (await runnerImport<typeof import('./src/i18n/words')>('./src/i18n/words.ts')).module;
    const which = id.endsWith('/zh') ? 0 : 1;
    const table = Object.fromEntries(Object.entries(words).map(([key, both]) => [key, both[which]]));
    return `export default JSON.parse(${JSON.stringify(JSON.stringify(table))});`;
  },
};

const groups = [
  { name: 'react', test: /node_modules\/(react|react-dom|scheduler)\// },
  { name: 'uplot', test: /node_modules\/uplot\// },
];

export default defineConfig({
  plugins: [react(), wordTables],
  // Two ways to the nonce: vite's own for preloads, and ours (src/app/nonce.ts) for made styles.
  html: { cspNonce: '__NONCE__' },
  build: {
    outDir: process.env.SH_WEB_OUT ?? '../build/web/dist',
    emptyOutDir: true,
    target: 'chrome109',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1200,
    rolldownOptions: { output: { codeSplitting: { groups } } },
  },
  server: {
    host: '127.0.0.1',
    proxy: { '/api': api, '/healthz': api, '/readyz': api },
  },
  test: {
    projects: [
      {
        extends: true,
        test: { name: 'unit', environment: 'happy-dom', setupFiles: ['test/unit/setup.ts'], include: ['test/unit/**/*.test.{ts,tsx}'] },
      },
      {
        test: {
          name: 'e2e',
          globals: true,
          environment: 'node',
          root: '..',
          include: ['tests/web/**/*.test.js'],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
