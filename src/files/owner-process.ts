/**
 * Identifies the process to which a file belongs, so that a later process can tell a dead owner from a living one. A
 * process number alone cannot: every container's first process has number 1, and numbers are used again. Node only.
 */
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { hostname } from 'node:os';

/** A process among all that may write into a folder. */
export interface OwnerProcess {
  /**
   * A hash that identifies the space of process numbers: one boot of one machine, and one /proc in it; on systems other
   * than Linux, the machine's name.
   */
  readonly space: string;
  readonly pid: number;
  /** When it started, in the kernel's ticks since boot; 0 where that is not known. */
  readonly started: number;
}

let own: OwnerProcess | undefined;

/** The process that asks. */
export function ownProcess(): OwnerProcess {
  own ??= linuxProcess() ?? { space: hashOf(hostname()), pid: process.pid, started: 0 };
  return own;
}

/** The process as /proc shows it, which in a container without a /proc of its own is not `process.pid`. */
function linuxProcess(): OwnerProcess | undefined {
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

/**
 * Whether the process still runs; `undefined` where that cannot be seen from here: on another machine, or in another
 * container.
 */
export function isAlive({ space, pid, started }: OwnerProcess): boolean | undefined {
  const own = ownProcess();
  if (space !== own.space) return undefined;
  if (own.started > 0) return readProcess(pid)?.started === started;
  // Numbers are used again: the process that runs may be another one.
  return isRunning(pid) ? undefined : false;
}

/** Signal 0 tells whether a process is there; it may belong to somebody else. */
function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
