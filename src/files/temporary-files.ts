/** Names of files that are being written, and the removal of those whose writer died. A name says which process writes it. Node only. */
import { randomBytes } from 'node:crypto';
import { readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isAlive, type OwnerProcess, ownProcess } from './owner-process.ts';

const NAME = /^\..*\.(?<space>[0-9a-f]{8})-(?<pid>\d+)-(?<started>\d+)-[0-9a-f]{8}\.tmp$/;

/** A writer that cannot be seen from here counts as dead when its file has not changed for so long, in milliseconds. */
const LONGEST_PAUSE = 10 * 60_000;

/** A name beside `path` that no other writer uses, of this process or another. */
export function temporaryPathBeside(path: string): string {
  const { space, pid, started } = ownProcess();
  const random = randomBytes(4).toString('hex');
  // A part of the name is enough for people; the whole could be too long with what follows.
  return join(dirname(path), `.${basename(path).slice(0, 60)}.${space}-${pid}-${started}-${random}.tmp`);
}

/**
 * Removes from `folder` the temporary files that dead writers left there.
 * @returns the names of the removed files
 */
export async function sweepTemporaryFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  const swept: string[] = [];
  for (const name of names) {
    const groups = NAME.exec(name)?.groups;
    if (!groups) continue;
    const writer = { space: groups['space']!, pid: Number(groups['pid']), started: Number(groups['started']) };
    const path = join(folder, name);
    if (!(await isDead(writer, path))) continue;
    await rm(path, { force: true });
    swept.push(name);
  }
  return swept;
}

async function isDead(writer: OwnerProcess, path: string): Promise<boolean> {
  const alive = isAlive(writer);
  if (alive !== undefined) return !alive;
  const changed = await stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => Number.POSITIVE_INFINITY,
  );
  return Date.now() - changed > LONGEST_PAUSE;
}
