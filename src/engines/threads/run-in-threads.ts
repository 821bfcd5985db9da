/** Decides how many threads a program takes, and which part of it each runs. */
import { availableParallelism } from 'node:os';
import { type BatchRecipe, partOf } from '../../data/batch-source.ts';
import { type CompiledStep, compileStep, instancesOf } from '../compiled-step.ts';
import type { EngineDescription, StepProgram, StepRunner } from '../engine.ts';
import { isSmall, multiplications } from '../step-size.ts';
import { DividedStep, type Part } from './divided-step.ts';
import { startStepThread } from './step-thread.ts';

/** How a program runs in threads. */
export interface ThreadedOptions {
  readonly maxSteps: number;
  /** The number of threads. Default: one per core. */
  readonly threads: number | undefined;
  readonly batches: BatchRecipe | undefined;
  readonly description: EngineDescription;
}

/**
 * Runs `program` on ONNX Runtime's provider cpu in threads of its own: in one, or, where it has small instances whose
 * batches can be drawn separately, in one for each core.
 */
export async function runInThreads(program: StepProgram, options: ThreadedOptions): Promise<StepRunner> {
  const { maxSteps, threads, batches, description } = options;
  const { instances } = program;
  const drawn = Object.keys(program.batch).filter(name => !program.scalars?.includes(name));
  const drawsAll = batches !== undefined && drawn.length === 1;
  const isDivisible = instances !== undefined && drawsAll && batches.readers.length === instances.count;
  const most = isDivisible ? Math.min(threads ?? availableParallelism(), instances.count) : 1;
  const size = multiplications(program);
  // Large instances run one after another, each on all cores.
  const shares = isSmall(size / most) ? most : 1;
  const within = shares > 1 || (threads === undefined && isSmall(size)) ? 1 : threads;
  const common = { maxSteps, threads: within, description };
  if (shares === 1) return startStepThread(compileStep(program, maxSteps > 1), { ...common, batches });

  const bounds = Array.from({ length: shares + 1 }, (_, i) => Math.round((i * instances!.count) / shares));
  // The program is recorded once for each number of instances, of which there are at most two; the parts differ in
  // their state.
  const compiled = new Map<number, CompiledStep>();
  const starting = bounds.slice(1).map(async (end, i): Promise<Part> => {
    const start = bounds[i]!;
    const own = instancesOf(program, start, end);
    const recorded = compiled.get(end - start) ?? compileStep(own, maxSteps > 1);
    compiled.set(end - start, recorded);
    const step = { ...recorded, state: own.state };
    const { read, part } = partOf(batches!, start, end);
    return { start, end, read, thread: await startStepThread(step, { ...common, batches: part }) };
  });
  const started = await Promise.allSettled(starting);
  const parts = started.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []));
  const failure = started.find(result => result.status === 'rejected');
  if (!failure) return new DividedStep(parts, program);
  await Promise.all(parts.map(({ thread }) => thread.dispose()));
  throw failure.reason;
}
