// npm run dev: the development server; without SONGHUA_URL also a mock platform (admin / songhua-demo).
import { createServer } from 'vite';
import { Mock } from './server.js';

if (!process.env.SONGHUA_URL) {
  const mock = new Mock({ extraDevices: Number(process.env.MOCK_DEVICES ?? 0) });
  process.stdout.write(`mock platform at ${await mock.listen(8089)}, user admin, password songhua-demo\n`);
}
const vite = await createServer({ configFile: new URL('../../vite.config.ts', import.meta.url).pathname });
await vite.listen();
vite.printUrls();
