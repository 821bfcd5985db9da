/** An empty project that installs the packed tarball and one ONNX Runtime, as somebody who has never seen this repository. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildViewer } from '../viewer/built-viewer.ts';

const run = promisify(execFile);

/** The repository. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface PackedApp {
  readonly folder: string;
  readonly tarball: string;
  /** Names of all packages that the installation brought, sorted. */
  readonly installed: readonly string[];
  /** Writes a file into the project. */
  write(name: string, text: string | Uint8Array): Promise<string>;
  /** Runs a program there and gives what it printed; rejects where it fails. */
  run(command: string, args: readonly string[]): Promise<string>;
  /** Adds a package of the repository without installing it, for what the project itself would have. */
  borrow(name: string): Promise<void>;
  remove(): Promise<void>;
}

/** Builds, packs and installs; packages come from npm's cache where it has them. Rejects with npm's words where it cannot. */
export async function installPackedApp(): Promise<PackedApp> {
  // A resolved path: on some systems the temporary folder is a link, and modules then have two addresses.
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'monosemantic-app-')));
  const inApp = async (command: string, args: readonly string[], cwd = folder): Promise<string> =>
    (await run(command, args, { cwd, maxBuffer: 2 ** 28 })).stdout;
  try {
    await inApp('npm', ['run', '--silent', 'build'], ROOT);
    await buildViewer();
    const packed = await inApp('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], ROOT);
    const tarball = join(folder, (JSON.parse(packed) as [{ filename: string }])[0].filename);
    await writeFile(join(folder, 'package.json'), '{ "name": "app", "private": true, "type": "module" }');
    const { devDependencies } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
    const runtime = `onnxruntime-node@${devDependencies['onnxruntime-node']}`;
    const quiet = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'];
    await inApp('npm', ['install', ...quiet, tarball, runtime]);
    const { packages } = JSON.parse(await readFile(join(folder, 'package-lock.json'), 'utf8'));
    return {
      folder,
      tarball,
      installed: Object.keys(packages)
        .filter(path => path !== '')
        .map(path => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length))
        .sort(),
      async write(name, text) {
        const file = join(folder, name);
        await writeFile(file, text);
        return file;
      },
      run: inApp,
      async borrow(name) {
        const target = join(folder, 'node_modules', name);
        await rm(target, { recursive: true, force: true });
        await mkdir(dirname(target), { recursive: true });
        await symlink(join(ROOT, 'node_modules', name), target, 'junction');
      },
      remove: () => rm(folder, { recursive: true, force: true }),
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Names of our own modules, without extension: `inference/node`. */
export async function sourceModules(): Promise<string[]> {
  const names = await readdir(join(ROOT, 'src'), { recursive: true });
  return names
    .filter(name => name.endsWith('.ts') && !name.includes('sparse-update/kernel/'))
    .map(name => name.slice(0, -3));
}
