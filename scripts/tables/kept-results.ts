/**
 * Keeps results as files. A result that is there is not computed again, so that a table goes on where it was stopped.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeFileAtomic } from '../../src/files/write-atomic.ts';

/** The result kept under `name` in `folder`; undefined where there is none, or one of other `settings` than those to be ignored. */
export async function keptResult<Result>(
  folder: string,
  name: string,
  settings: Readonly<Record<string, unknown>>,
  ignored: readonly string[] = [],
): Promise<Result | undefined> {
  const file = join(folder, `${name}.json`);
  if (!existsSync(file)) return undefined;
  const before = JSON.parse(await readFile(file, 'utf8')) as { settings: object; result: Result };
  const text = (of: object): string => JSON.stringify(of, (key, value) => (ignored.includes(key) ? undefined : value));
  return text(before.settings) === text(settings) ? before.result : undefined;
}

/** The result kept under `name` in `folder`, else what `make` gives, kept from now on. */
export async function kept<Result>(
  folder: string,
  name: string,
  settings: Readonly<Record<string, unknown>>,
  make: () => Promise<Result>,
): Promise<Result> {
  const before = await keptResult<Result>(folder, name, settings);
  if (before !== undefined) return before;
  const result = await make();
  const file = join(folder, `${name}.json`);
  await mkdir(dirname(file), { recursive: true });
  await writeFileAtomic(file, `${JSON.stringify({ settings, result })}\n`);
  return result;
}
