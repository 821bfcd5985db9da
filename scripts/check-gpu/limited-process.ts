/**
 * A child process that may crash or hang. It is ended after a number of seconds, sends its results as it goes, and
 * leaves no process behind.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/** What a limited process sent, and how it ended. */
export interface LimitedRun<Message> {
  /** All messages that arrived before the process ended. */
  readonly messages: readonly Message[];
  /** Why the process did not end by itself with status 0, in one line; undefined where it did. */
  readonly problem?: string;
  /** The end of its standard error, in one line; empty where it was silent. */
  readonly lastWords: string;
}

/** The limits of a process. */
export interface LimitedOptions {
  readonly seconds: number;
  readonly env?: NodeJS.ProcessEnv;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Lines of the standard error that are kept. */
const LAST_LINES = 3;
const LAST_CHARACTERS = 400;

/**
 * Runs Node with `args`, which speaks through `process.send`, and ends it and all that it started after `seconds`.
 * Its standard output and error are not shown: native libraries write there.
 */
export async function runLimited<Message>(
  args: readonly string[],
  { seconds, env = process.env }: LimitedOptions,
): Promise<LimitedRun<Message>> {
  const messages: Message[] = [];
  const child = spawn(process.execPath, [...args], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], env, detached: true });
  let complaint = '';
  child.stderr!.on('data', chunk => {
    complaint = (complaint + chunk).slice(-4000);
  });
  child.on('message', message => messages.push(message as Message));
  const endAll = () => {
    try {
      // A negative number is the process's whole group.
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  };
  // A signal to this process does not reach the child's own process group.
  const onExit = () => endAll();
  const onSignal = (signal: NodeJS.Signals) => {
    endAll();
    process.exit(128 + constants.signals[signal]);
  };
  process.once('exit', onExit);
  for (const signal of SIGNALS) process.once(signal, onSignal);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    endAll();
  }, seconds * 1000);
  const problem = await new Promise<string | undefined>(resolve => {
    child.once('error', error => resolve(error.message));
    child.once('exit', (code, signal) => {
      // Processes that the child started are ended with it, as they may hold its standard error open.
      endAll();
      if (timedOut) resolve(`not done after ${seconds} s`);
      else if (code === 0) resolve(undefined);
      else resolve(`the process ended with ${signal ?? `status ${code}`}`);
    });
  });
  clearTimeout(timer);
  process.off('exit', onExit);
  for (const signal of SIGNALS) process.off(signal, onSignal);
  // Messages that were under way when the process ended.
  if (child.connected) await new Promise(resolve => child.once('disconnect', resolve));
  return { messages, lastWords: endOf(complaint), ...(problem !== undefined && { problem }) };
}

function endOf(complaint: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: terminal colours
  const plain = complaint.replace(/\x1b\[[\d;]*m/g, '');
  const lines = plain.split('\n').filter(line => line.trim() !== '' && !/^\s+at /.test(line));
  return lines.slice(-LAST_LINES).join(' ').slice(-LAST_CHARACTERS);
}
