/** Sweeps and workers as processes, and a Redis server of a test's own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Why there is no Redis here; undefined where there is one. */
export const noRedis =
  spawnSync('redis-server', ['--version']).status === 0 ? undefined : 'redis-server is not installed';

export interface Running {
  readonly child: ChildProcess;
  /** What it said so far. */
  readonly said: () => string;
  readonly ended: Promise<number | null>;
}

/** Starts `monosemantic ...args` from the sources. */
export function start(...args: readonly string[]): Running {
  const child = spawn(process.execPath, ['bin/monosemantic.js', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  return watched(child);
}

function watched(child: ChildProcess): Running {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (part: Buffer) => (text += part));
  return { child, said: () => text, ended: new Promise(resolve => child.on('close', code => resolve(code))) };
}

/** Waits until it has said `words`. */
export async function until(running: Running, words: string): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (running.said().includes(words)) return;
    if (running.child.exitCode !== null) break;
    await sleep(100);
  }
  throw new Error(`never said "${words}": ${running.said()}`);
}

/** A port that nothing listens on. */
export function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** Starts a Redis server on loopback that keeps nothing on disk but in `folder`. */
export async function startRedis(port: number, folder: string, ...more: readonly string[]): Promise<Running> {
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--appendonly', 'yes', ...more];
  const redis = watched(spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'pipe'] }));
  await until(redis, 'Ready to accept connections');
  return redis;
}

/** SHA-256 of every file of results, models and histories in a sweep's folder, by its path. */
export function resultsOf(folder: string): Record<string, string> {
  const files = ['results', 'histories'].flatMap(part => {
    const root = join(folder, part);
    if (!existsSync(root)) return [];
    return readdirSync(root, { recursive: true, withFileTypes: true }).flatMap(entry =>
      entry.isFile() ? [join(entry.parentPath, entry.name)] : [],
    );
  });
  const hash = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');
  return Object.fromEntries(files.sort().map(file => [file.slice(folder.length + 1), hash(file)]));
}
