/** `npm run viewer [-- FILE… --port N]`: builds the viewer where it is not built yet, serves it on this machine, and prints where. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { serveViewer } from '../src/cli/serve-viewer.ts';

const folder = fileURLToPath(new URL('../viewer/dist/', import.meta.url));
try {
  const { values, positionals: files } = parseArgs({ options: { port: { type: 'string' } }, allowPositionals: true });
  const port = Number(values.port ?? process.env['PORT'] ?? 0);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error(`--port ${values.port}: expected 0 to 65535`);
  if (!existsSync(`${folder}index.html`)) {
    console.log('Building the viewer, once…');
    const { status } = spawnSync('npm', ['run', '--silent', 'build:viewer'], { stdio: 'inherit' });
    if (status !== 0) process.exit(status ?? 1);
  }
  const { url } = await serveViewer({ folder, port, files });
  console.log(`${url}\nCtrl-C ends it.`);
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}
