/**
 * Locks a folder that only one writer may use at a time. The lock is a file in the folder that names the process which
 * holds it, and whose time of change is renewed while that process lives. It is taken over from a process that died,
 * however it died. Node only.
 */
import { randomBytes } from 'node:crypto';
import { constants, copyFile, link, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FileWriteError, FolderInUseError } from '../errors.ts';
import { isRecord } from './json-text.ts';
import { isAlive, type OwnerProcess, ownProcess } from './owner-process.ts';

/** A lock that is held; disposing of it releases the folder. */
export interface FolderLock extends AsyncDisposable {
  release(): Promise<void>;
}

/** How a folder is locked. */
export interface FolderLockOptions {
  /** Milliseconds between two signs of life. Default 2,000. */
  readonly beat?: number | undefined;
  /** Aborting ends the wait for a holder that cannot be seen from here, with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Who holds a lock. */
interface Holder extends OwnerProcess {
  /** Identifies this lock: a process may hold one, release it and take it again. */
  readonly token: string;
}

const BEAT = 2000;
/** How many signs of life a holder on another machine may miss before it counts as dead. */
const MISSED = 4;

/**
 * Locks `folder`, which must exist, for one purpose.
 * @param name the purpose, which is part of the lock's file name
 * @throws FolderInUseError where another living process, or this one, has it
 * @throws FileWriteError where the folder cannot be written
 */
export async function lockFolder(
  folder: string,
  name: string,
  { beat = BEAT, signal }: FolderLockOptions = {},
): Promise<FolderLock> {
  const path = join(folder, `.${name}.lock`);
  const holder: Holder = { ...ownProcess(), token: randomBytes(8).toString('hex') };
  // The file is complete before it gets its name, so that a lock is never seen empty.
  const own = `${path}.${holder.token}`;
  await writeFile(own, JSON.stringify(holder), { flag: 'wx' }).catch((cause: unknown) => {
    throw new FileWriteError(path, cause);
  });
  try {
    while (!(await takeName(own, path))) {
      const found = await holderOf(path);
      if (found === undefined) continue;
      if (!(await isGone(found, path, beat, signal))) {
        throw new FolderInUseError(folder, `process ${found.pid} is writing its ${name} there (lock file ${path})`);
      }
      await removeDead(path, found.token);
    }
  } finally {
    await rm(own, { force: true });
  }
  const timer = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, beat);
  timer.unref();
  let isHeld = true;
  const release = async (): Promise<void> => {
    if (!isHeld) return;
    isHeld = false;
    clearInterval(timer);
    // A lock that somebody took over while this process was stopped is not removed.
    if ((await holderOf(path))?.token === holder.token) await rm(path, { force: true });
  };
  return { release, [Symbol.asyncDispose]: release };
}

/**
 * Gives the file a second name.
 * @returns false where something already has that name
 */
async function takeName(own: string, path: string): Promise<boolean> {
  try {
    await link(own, path);
    return true;
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'EEXIST') return false;
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw new FileWriteError(path, cause);
  }
  // The file system has no links.
  try {
    await copyFile(own, path, constants.COPYFILE_EXCL);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new FileWriteError(path, cause);
  }
}

/**
 * The holder of a lock; `undefined` where the lock has gone meanwhile. A lock that cannot be read was written by no
 * living process.
 */
async function holderOf(path: string): Promise<Holder | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (isRecord(value) && typeof value['token'] === 'string') return value as unknown as Holder;
  } catch {
    // Not JSON.
  }
  return { space: '', pid: 0, started: 0, token: '' };
}

/** Whether the holder is dead: seen from here, or because the lock stays unchanged. */
async function isGone(holder: Holder, path: string, beat: number, signal?: AbortSignal): Promise<boolean> {
  const alive = isAlive(holder);
  if (alive !== undefined) return !alive;
  const before = await changeOf(path);
  // The clocks of two machines differ, so the lock is only compared with itself.
  for (let missed = 0; missed < MISSED; missed++) {
    await sleep(beat, undefined, { signal });
    if ((await changeOf(path)) !== before) return false;
  }
  return true;
}

async function changeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  );
}

/**
 * Removes the lock of the dead holder of `token`. Several processes may have found that it died: the one that creates
 * the guard of this holder may remove its lock, and a lock that somebody else has taken since has another token. A
 * guard whose owner died between the two is removed.
 */
async function removeDead(path: string, token: string): Promise<void> {
  const guard = `${path}.${token.replace(/[^0-9a-z]/gi, '') || 'unread'}.dead`;
  try {
    await writeFile(guard, JSON.stringify({ ...ownProcess(), token }), { flag: 'wx' });
  } catch {
    const owner = await holderOf(guard);
    if (owner && isAlive(owner) === false) await rm(guard, { force: true });
    await sleep(5);
    return;
  }
  try {
    if ((await holderOf(path))?.token === token) await rm(path, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
}
