/** Damaged files of every kind: each is refused with a typed error, or read as others read it. No crash, no hang, nothing untyped. */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { damagedFile, FILE_KINDS, type FileKind } from './file-kinds.ts';
import { Oracle } from './oracle.ts';
import type { Breach, Outcome, Torture, TortureOptions } from './outcome.ts';
import type { ReadAnswer, ReadCommand } from './read-damaged.ts';

/**
 * The milliseconds after which a file counts as one that hangs. It is then read once more alone, because a busy machine
 * is slow as well.
 */
const DEADLINE_MS = 5000;

/** Files of one kind before the next has its turn. */
const TURN = 25;

const SCRIPT = fileURLToPath(new URL('read-damaged.ts', import.meta.url));

/** Reads in a child, which is started again where a file ended it. */
class Reader {
  #child: ChildProcess | undefined;

  async #start(): Promise<ChildProcess> {
    const child = fork(SCRIPT, { execArgv: ['--import', 'tsx'], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    child.stderr?.resume();
    await new Promise<void>((resolve, reject) => {
      child
        .once('message', () => resolve())
        .once('exit', status => reject(new Error(`the reader ended with ${status}`)));
    });
    this.#child = child;
    return child;
  }

  /** The outcome of a file; `crash` or `hang` where the child did not answer. */
  async read(
    command: ReadCommand,
  ): Promise<ReadAnswer | { readonly outcome: 'crash' | 'hang'; readonly problem: string }> {
    const child = this.#child ?? (await this.#start());
    return new Promise(resolve => {
      const settle = (answer: Awaited<ReturnType<Reader['read']>>): void => {
        clearTimeout(clock);
        child.removeAllListeners();
        resolve(answer);
      };
      const clock = setTimeout(() => {
        this.#child = undefined;
        settle({ outcome: 'hang', problem: `no answer in ${DEADLINE_MS} ms` });
        child.kill('SIGKILL');
      }, DEADLINE_MS);
      child.once('message', answer => settle(answer as ReadAnswer));
      child.once('exit', (status, signal) => {
        this.#child = undefined;
        settle({ outcome: 'crash', problem: `the process ended: ${signal ?? `status ${status}`}` });
      });
      child.send(command);
    });
  }

  close(): void {
    this.#child?.kill();
  }
}

/** Differences that are known and meant: we refuse or accept more than Python for a reason. */
function isMeant(kind: FileKind, verdict: string): boolean {
  if (verdict === 'same') return true;
  // NumPy's pickled and structured arrays, its text in headers and its archives with other files are not read here, so never compared.
  return kind.oracle === 'onnx' && /^refused there: .*(NOT_IMPLEMENTED|ModuleNotFound)/.test(verdict);
}

async function torture(
  kind: FileKind,
  seeds: Iterable<number>,
  options: TortureOptions,
  parts: { readonly reader: Reader; readonly oracle: Oracle | undefined; readonly folder: string },
): Promise<Omit<Outcome, 'what'> & { readonly read: number; readonly refused: number; readonly compared: number }> {
  const { reader, oracle, folder } = parts;
  const breaches: Breach[] = [];
  let [cases, read, refused, compared] = [0, 0, 0, 0];
  for (const seed of seeds) {
    const command = { kind: kind.name, seed, keep: join(folder, 'kept') };
    let answer = await reader.read(command);
    if (answer.outcome === 'hang') answer = await reader.read(command);
    cases++;
    let problem: string | undefined;
    if (answer.outcome === 'refused') refused++;
    else if (answer.outcome === 'read') {
      read++;
      if (oracle && kind.oracle) {
        const verdict = await oracle.ask(kind.oracle, command.keep);
        compared++;
        if (!isMeant(kind, verdict)) problem = verdict;
      }
    } else problem = `${answer.outcome}: ${answer.problem}`;
    await rm(command.keep, { recursive: true, force: true });
    if (problem === undefined) continue;

    const { files, damages } = await damagedFile(kind, seed);
    const kept: string[] = [];
    for (const [name, bytes] of Object.entries(files)) {
      kept.push(await options.keep(`${kind.name.replaceAll(/\W+/g, '-')}-${seed}-${name}`, bytes));
    }
    breaches.push({ cause: `${kind.name}, seed ${seed} (${damages.join(', ')}; ${kept.join(', ')})`, problem });
  }
  return { cases, read, refused, compared, breaches, result: '' };
}

/** The torture of damaged files. */
export const damagedFiles: Torture = {
  name: 'files',
  share: 6,
  async run(options) {
    const { seconds, seed, files, python, progress } = options;
    const folder = await mkdtemp(join(tmpdir(), 'monosemantic-torture-'));
    const reader = new Reader();
    const oracle = python === undefined ? undefined : new Oracle(python);
    const totals = new Map(
      FILE_KINDS.map(kind => [kind, { cases: 0, read: 0, refused: 0, compared: 0, breaches: [] as Breach[] }]),
    );
    const end = performance.now() + 1000 * seconds;
    const perKind = files === undefined ? Infinity : Math.ceil(files / FILE_KINDS.length);
    try {
      for (let from = 0; from < perKind; from += TURN) {
        // Each kind has a turn, however little time there is.
        if (files === undefined && from > 0 && performance.now() > end) break;
        for (const [kind, total] of totals) {
          const count = Math.min(TURN, perKind - from);
          const seeds = Array.from({ length: count }, (_, i) => seed * 1_000_003 + from + i);
          const turn = await torture(kind, seeds, options, { reader, oracle, folder });
          for (const count of ['cases', 'read', 'refused', 'compared'] as const) total[count] += turn[count];
          total.breaches.push(...turn.breaches);
        }
        const cases = [...totals.values()].reduce((sum, total) => sum + total.cases, 0);
        progress(`${cases} damaged files`);
      }
    } finally {
      reader.close();
      oracle?.close();
      await rm(folder, { recursive: true });
    }
    return [...totals].map(([kind, { cases, read, refused, compared, breaches }]) => ({
      what: `damaged: ${kind.name}`,
      cases,
      result: `${refused} refused, ${read} read${kind.oracle ? `, ${compared} compared` : ''}`,
      breaches,
    }));
  },
};
