/**
 * Names of files that are being written, and the removal of those whose writer died. A name says which process writes it, so that a
 * later one can tell a dead writer from a living one. A process number alone cannot: every container's first process has number 1, and
 * numbers return. Node only.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';

/** A process among all that may write into a folder. */
interface Writer {
  /** Hash of what numbers the processes: one boot of one machine, and one /proc in it; elsewhere than on Linux the machine's name. */
  readonly space: string;
  readonly pid: number;
  /** When it started, in the kernel's ticks since boot; 0 where that is not known. */
  readonly started: number;
}

const NAME = /^\..*\.(?<space>[0-9a-f]{8})-(?<pid>\d+)-(?<started>\d+)-[0-9a-f]{8}\.tmp$/;

/** A writer that cannot be seen from here counts as dead when its file has not changed for so long, in milliseconds. */
const LONGEST_PAUSE = 10 * 60_000;

let own: Writer | undefined;

function ownWriter(): Writer {
  own ??= linuxWriter() ?? { space: hashOf(hostname()), pid: process.pid, started: 0 };
  return own;
}

/** The process as /proc shows it, which in a container without a /proc of its own is not `process.pid`. */
function linuxWriter(): Writer | undefined {
  try {
    const found = readProcess('self');
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    // Every mount of /proc that is in use has a device number of its own.
    return found && { space: hashOf(`${boot} ${statSync('/proc').dev}`), pid: found.pid, started: found.started };
  } catch {
    return undefined;
  }
}

/** A running process, from /proc; undefined where there is none, or only what the kernel keeps of a dead one. */
function readProcess(pid: number | 'self'): { readonly pid: number; readonly started: number } | undefined {
  let line: string;
  try {
    line = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // Its second field, the command in brackets, may hold blanks and brackets. Fields as proc(5) numbers them.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  const state = fields[3 - 3];
  if (state === 'Z' || state === 'X') return undefined;
  return { pid: Number.parseInt(line, 10), started: Number(fields[22 - 3]) };
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}

/** A name beside `path` that no other writer uses, of this process or another. */
export function temporaryPathBeside(path: string): string {
  const { space, pid, started } = ownWriter();
  const random = randomBytes(4).toString('hex');
  // A part of the name is enough for people; the whole could be too long with what follows.
  return join(dirname(path), `.${basename(path).slice(0, 60)}.${space}-${pid}-${started}-${random}.tmp`);
}

/**
 * Removes from `folder` the temporary files that dead writers left there.
 *
 * @returns The names of the files removed.
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

async function isDead(writer: Writer, path: string): Promise<boolean> {
  const { space, started } = ownWriter();
  if (writer.space === space && started > 0) return readProcess(writer.pid)?.started !== writer.started;
  if (writer.space === space && !isRunning(writer.pid)) return true;
  const changed = await stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => Number.POSITIVE_INFINITY,
  );
  return Date.now() - changed > LONGEST_PAUSE;
}

/** Signal 0 tells whether a process is there; it may belong to somebody else. */
function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
