/** show() for real, in a process of its own, since it never exits; with NODEPLOTLIB_PORT nodeplotlib opens no browser. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const entry = new URL('../../src/plots/node.ts', import.meta.url).href;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise(resolve => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise(resolve => server.close(resolve));
  return port;
}

function run(code: string, port: number): ChildProcess {
  return spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
    cwd: fileURLToPath(new URL('../../', import.meta.url)),
    env: { ...process.env, NODEPLOTLIB_PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

describe('show', () => {
  it('serves the figure through nodeplotlib, which nothing loads before', async () => {
    const port = await freePort();
    const process = run(
      `const { plotFeatureDirections, show } = await import('${entry}');
       const { createRequire } = await import('node:module');
       const loaded = () => Object.keys(createRequire('${entry}').cache).some(file => file.includes('nodeplotlib'));
       console.log('before', loaded());
       await show(plotFeatureDirections([[1, 0], [0, 1]]));
       console.log('after', loaded());`,
      port,
    );
    try {
      let output = '';
      await new Promise<void>((resolve, reject) => {
        process.stdout!.on('data', chunk => {
          output += chunk;
          if (output.includes('Server running')) resolve();
        });
        process.stderr!.on('data', chunk => {
          output += chunk;
        });
        process.once('exit', () => reject(new Error(output)));
      });
      expect(output).to.match(/before false\n[\s\S]*after true/);
      const page = await fetch(`http://localhost:${port}/`);
      expect(page.status).to.equal(200);
      expect(await page.text()).to.include('plotly');
    } finally {
      process.kill('SIGKILL');
    }
  });
});
