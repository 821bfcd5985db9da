/** The folder of a sweep: its plan, a result or a failure for each run under the run's name, a model beside it, and checkpoints of what is under way. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FileFormatError, FileWriteError, FolderInUseError } from '../errors.ts';
import type { History } from '../experiments/run-files.ts';
import { isRecord, parseJson } from '../files/json-text.ts';
import { writeFileAtomic } from '../files/write-atomic.ts';
import { canonicalJson } from './canonical-hash.ts';
import { checkPlan, type SweepPlan } from './plan.ts';
import type { Metrics, ResolvedSettings } from './run-kind.ts';

/** Conditions that must be the same for all who work on a sweep, because the bits of results may depend on them. */
export interface SweepConditions {
  /** The version of this package. */
  readonly version: string;
  readonly engine: string;
  /** Threads that steps are divided among. */
  readonly threads: number;
}

/** The result of a run. It holds no time and no machine, so that the same run gives the same file. */
export interface RunResult {
  readonly id: string;
  readonly settings: ResolvedSettings;
  readonly contents: Readonly<Record<string, string>>;
  readonly metrics: Metrics;
  readonly made: SweepConditions & {
    /** The engine that ran its steps. */
    readonly on: string;
  };
}

/** A run that failed. */
export interface RunFailure {
  readonly id: string;
  readonly settings: ResolvedSettings;
  readonly error: string;
  readonly message: string;
}

/** The name of the file by which a folder is recognised as a sweep's. */
export const SWEEP_RECORD = 'sweep.json';

/** The folder of a sweep, to be read while it is written and afterwards. */
export class SweepFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** A run's file: `results/ab/abcdef….json` for a result, `.onnx` beside it for the model, `histories/ab/….json`, `failures/ab/….json`. */
  file(what: 'result' | 'model' | 'history' | 'failure', id: string): string {
    const folder = what === 'failure' ? 'failures' : what === 'history' ? 'histories' : 'results';
    return join(this.path, folder, id.slice(0, 2), `${id}.${what === 'model' ? 'onnx' : 'json'}`);
  }

  /** Where a group keeps its checkpoints while it trains. */
  checkpoints(group: string): string {
    return join(this.path, 'checkpoints', group);
  }

  /** Whether the run has a result or a failure. */
  isDone(id: string): boolean {
    return existsSync(this.file('result', id)) || existsSync(this.file('failure', id));
  }

  /** Writes the model, and then the result that makes the run count as done. */
  async writeResult(result: RunResult, model: Uint8Array): Promise<void> {
    await this.write(this.file('model', result.id), model);
    await this.write(this.file('result', result.id), `${canonicalJson(result)}\n`);
  }

  /** Writes the directions of a run over its training. */
  async writeHistory(id: string, history: History): Promise<void> {
    await this.write(this.file('history', id), `${canonicalJson(history)}\n`);
  }

  async writeFailure(failure: RunFailure): Promise<void> {
    await this.write(this.file('failure', failure.id), `${canonicalJson(failure)}\n`);
  }

  /** Writes a file of the sweep, whole or not at all, and the folder that it lies in. */
  async write(file: string, content: string | Uint8Array): Promise<void> {
    await mkdir(dirname(file), { recursive: true }).catch((cause: unknown) => {
      throw new FileWriteError(file, cause);
    });
    await writeFileAtomic(file, content);
  }

  /**
   * Records the plan and the conditions in the folder, or compares them with what is recorded.
   * @returns the conditions that hold here: the folder's where it has some
   * @throws FolderInUseError where `conditions` or another version of this package do not fit what is recorded
   */
  async claim(
    plan: SweepPlan,
    given: Partial<SweepConditions> & { readonly version: string },
    defaults: SweepConditions,
  ) {
    const record = await this.record();
    const conditions = { ...defaults, ...record?.conditions, ...defined(given) };
    if (record) {
      for (const name of ['version', 'engine', 'threads'] as const) {
        if (record.conditions[name] === conditions[name]) continue;
        throw new FolderInUseError(
          this.path,
          `was begun with ${name} ${record.conditions[name]}, this is ${name} ${conditions[name]}: bits may differ, take another folder`,
        );
      }
      if (canonicalJson(record.plan) === canonicalJson(plan)) return conditions;
    }
    await this.write(join(this.path, SWEEP_RECORD), `${JSON.stringify({ plan, conditions }, null, 2)}\n`);
    return conditions;
  }

  /**
   * The plan and the conditions; undefined where there is no sweep yet.
   * @throws FileFormatError where the file is damaged
   */
  async record(): Promise<{ readonly plan: SweepPlan; readonly conditions: SweepConditions } | undefined> {
    const file = join(this.path, SWEEP_RECORD);
    if (!existsSync(file)) return undefined;
    const value = parseJson(await readFile(file), 'the record of the sweep', { file });
    if (!isRecord(value) || !isRecord(value['conditions']))
      throw new FileFormatError('is no record of a sweep', { file });
    return { plan: checkPlan(value['plan']), conditions: value['conditions'] as unknown as SweepConditions };
  }

  /** How many runs are done and have failed, and how many groups have begun, from the names of files alone. */
  async count(): Promise<{ readonly done: number; readonly failed: number; readonly begun: number }> {
    const countIn = async (folder: string): Promise<number> => {
      let count = 0;
      for (const part of await names(folder)) {
        count += (await names(join(folder, part))).filter(
          name => name.endsWith('.json') && !name.startsWith('.'),
        ).length;
      }
      return count;
    };
    return {
      done: await countIn(join(this.path, 'results')),
      failed: await countIn(join(this.path, 'failures')),
      begun: (await names(join(this.path, 'checkpoints'))).length,
    };
  }

  /** All results, by name. */
  results(): AsyncGenerator<RunResult> {
    return this.#read<RunResult>('results');
  }

  /** All failures, by name. */
  failures(): AsyncGenerator<RunFailure> {
    return this.#read<RunFailure>('failures');
  }

  /** Forgets failures, so that their runs are tried again. */
  async forgetFailures(): Promise<void> {
    await rm(join(this.path, 'failures'), { recursive: true, force: true });
  }

  async *#read<T>(what: 'results' | 'failures'): AsyncGenerator<T> {
    const folder = join(this.path, what);
    for (const part of await names(folder)) {
      for (const name of await names(join(folder, part))) {
        if (!name.endsWith('.json') || name.startsWith('.')) continue;
        const file = join(folder, part, name);
        const value = parseJson(await readFile(file), 'the result', { file });
        if (!isRecord(value) || value['id'] !== name.slice(0, -5)) {
          throw new FileFormatError('expected the result of the run of that name', { file });
        }
        yield value as T;
      }
    }
  }
}

async function names(folder: string): Promise<string[]> {
  return existsSync(folder) ? (await readdir(folder)).sort() : [];
}

function defined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as T;
}
