/** Wheels from the Python package index (or a folder), verified and unpacked by pip, whatever Python runs it. */
import { mkdir, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lacks, run, SetupError } from './run-command.ts';
import { requirements, type WheelSet } from './wheels.ts';

/** The Python that runs pip. */
export const PYTHON = process.env['MONOSEMANTIC_PYTHON'] || 'python3';

/** What this machine lacks for `unpackWheels` below `folder`, in words; empty where nothing. */
export async function missingForWheels(folder: string, diskSpace: number): Promise<string[]> {
  const missing: string[] = [];
  if (await lacks(PYTHON, ['--version'])) missing.push(`Python 3 (${PYTHON}; Debian: apt install python3)`);
  else if (await lacks(PYTHON, ['-m', 'pip', '--version'])) missing.push('pip (Debian: apt install python3-pip)');
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < diskSpace) {
    missing.push(
      `${diskSpace / 1e9} GB of free disk at ${folder} (${((bavail * bsize) / 1e9).toFixed(1)} GB are free)`,
    );
  }
  return missing;
}

/**
 * Unpacks wheels into `site`, as pip would install them, without what they depend on.
 *
 * @param work folder for pip's list and temporary files.
 * @param wheelFolder where the wheels lie; default the package index.
 * @throws SetupError where pip fails or a wheel's SHA-256 is not the pinned one; pip has then printed why.
 */
export async function unpackWheels(set: WheelSet, site: string, work: string, wheelFolder?: string): Promise<void> {
  const temporary = join(work, 'tmp');
  const list = join(work, 'requirements.txt');
  await mkdir(temporary, { recursive: true });
  await writeFile(list, requirements(set));
  console.log(`pip: ${set.wheels.map(({ name, version }) => `${name} ${version}`).join(', ')}`);
  const options = ['--no-deps', '--no-compile', '--no-cache-dir', '--disable-pip-version-check', '--require-hashes'];
  const target = ['--target', site, '--only-binary=:all:', '--implementation', 'cp', '--python-version', set.python];
  const platforms = set.platforms.flatMap(platform => ['--platform', platform]);
  const source = wheelFolder === undefined ? [] : ['--no-index', '--find-links', wheelFolder];
  await run(PYTHON, ['-m', 'pip', 'install', ...options, ...target, ...platforms, ...source, '-r', list], {
    env: { ...process.env, TMPDIR: temporary, PIP_ROOT_USER_ACTION: 'ignore' },
    stdio: 'inherit',
  }).catch(() => {
    throw new SetupError('pip did not download and verify the wheels; its own words stand above');
  });
  await rm(temporary, { recursive: true });
  for (const { name, sha256 } of set.wheels) console.log(`  sha256 as pinned: ${sha256}  ${name}`);
}
