/** `npm run viewer [-- FILE…]`: builds the viewer where it is not built yet, serves it on this machine, and prints where. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { serveViewer } from '../src/cli/serve-viewer.ts';

const folder = fileURLToPath(new URL('../viewer/dist/', import.meta.url));
if (!existsSync(`${folder}index.html`)) {
  console.log('Building the viewer, once…');
  const { status } = spawnSync('npm', ['run', '--silent', 'build:viewer'], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
try {
  const { url } = await serveViewer({ folder, port: Number(process.env['PORT'] ?? 0), files: process.argv.slice(2) });
  console.log(`${url}\nCtrl-C ends it.`);
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}
