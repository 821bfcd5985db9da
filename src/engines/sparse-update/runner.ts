/**
 * The accelerator for large sparse autoencoders: a StepRunner that divides the latents among worker threads.
 * Each worker multiplies with ONNX Runtime and updates its own latents in one SIMD pass (see shard.ts); the calling thread
 * stays free. For a given number of threads results repeat to the bit.
 */
import { availableParallelism } from 'node:os';
import { DivergenceError, InvalidShapeError, InvalidValueError } from '../../errors.ts';
import { Queue } from '../../sessions/queue.ts';
import { type HostTensor, type HostTensors, hostTensor, sameShape } from '../../tensor.ts';
import { IdleWorkers } from '../../workers/idle-workers.ts';
import { nodeWorkerPort, startModuleWorker } from '../../workers/node.ts';
import { transfer } from '../../workers/protocol.ts';
import { RemoteWorker } from '../../workers/remote-worker.ts';
import type { EngineDescription, StepDescriptor, StepProgram, StepRunner } from '../engine.ts';
import { acceptsSparseUpdate } from './accept.ts';
import { Exchange, isConsequence } from './exchange.ts';
import { lossTerms, planSparseUpdate, type SparsePlan, stepNumbers } from './plan.ts';
import type { BiasCorrections, EstimateCounts, StepTimes } from './shard.ts';
import type { ShardApi } from './shard-worker.ts';
import { divideState, joinStates, stateNames } from './state.ts';
import { RunningThreshold } from './threshold.ts';

/** Where each metric of the program is found among what a step reports: the loss and its terms, the gradient's norm where it is clipped, active and dead latents. */
function metricsOf(plan: SparsePlan): Readonly<Record<string, string>> {
  return {
    loss: 'loss',
    ...Object.fromEntries(lossTerms(plan).map(term => [`losses.${term}`, term])),
    ...(plan.clip !== undefined && { gradient_norm: 'gradient_norm' }),
    l0: 'active',
    ...(plan.reportedDeadAfter !== undefined && { dead: 'dead' }),
  };
}

/** The name of the step's input. */
const ACTIVATIONS = 'activations';

/** How a sparse update runs. */
export interface SparseUpdateOptions {
  /** Workers among which the latents are divided. Default: one per core, fewer for small steps. More where 4 GiB each would not be enough. */
  readonly threads?: number | undefined;
  /** Whether steps that are too small to gain by it are accepted. Default false. */
  readonly anySize?: boolean;
  /**
   * The share of active latents from which on a step multiplies whole matrices, for selections that fix no number; and the same of dead latents.
   * Default: as measured (see plan.ts).
   */
  readonly denseFrom?: number;
  /** Whether products of bytes tell which latents may be active. Default: where that saves time. */
  readonly estimates?: boolean;
}

/**
 * Multiplications of the batch with the encoder that a worker is worth. Measured on two cores, where others ran too: with 2²² in all a second worker takes 2.1
 * times the processor and saves no time, with 2²⁴ 1.5 to 2 times, with 2²⁵ and 2²⁷ 1.45 times, with 2²⁹ 1.1 times; where a core is free for it, half of that is the
 * time that is left.
 */
const PRODUCTS_PER_SHARD = 2 ** 24;

function usualThreads({ dIn, dSae, batchSize }: StepDescriptor): number {
  const worth = Math.floor((dIn * dSae * batchSize) / PRODUCTS_PER_SHARD);
  return Math.max(1, Math.min(availableParallelism(), worth));
}

type ShardThread = RemoteWorker<ShardApi>;

const threadsOfShards = new IdleWorkers<ShardApi>(
  () => new RemoteWorker(nodeWorkerPort(startModuleWorker('shard-worker', import.meta.url)), 'a sparse update'),
  4,
);

/** A StepRunner that also tells where the time went. */
export interface SparseUpdateRunner extends StepRunner {
  /** Milliseconds in each part of all steps so far, per shard. */
  times(): Promise<readonly StepTimes[]>;
  /** What products of bytes came to in all steps so far, per shard. */
  estimated(): Promise<readonly EstimateCounts[]>;
}

/**
 * Starts workers for `program`, whose descriptor acceptsSparseUpdate accepts.
 * @throws InvalidValueError where it does not, or where the program has state, inputs or metrics that this step does
 *   not know
 */
export async function createSparseUpdateRunner(
  program: StepProgram,
  { threads, anySize = false, denseFrom, estimates }: SparseUpdateOptions = {},
): Promise<SparseUpdateRunner> {
  const { descriptor } = program;
  if (!descriptor) throw new InvalidValueError('a sparse update needs a step with a descriptor');
  const { accepted, reason } = acceptsSparseUpdate(descriptor, { anySize });
  const planned = accepted ? planSparseUpdate(descriptor, threads ?? usualThreads(descriptor), estimates) : undefined;
  if (!planned) throw new InvalidValueError(reason);
  const plan = { ...planned, ...(denseFrom !== undefined && { denseFrom }) };
  checkInterface(plan, program);

  const exchange = new Exchange(plan);
  const corrections = {
    c1: plan.optimizer.betas[0] === 0 ? 1 : scalar(program.state, 'optimizer.c1'),
    c2: scalar(program.state, 'optimizer.c2'),
  };
  // A thread that dies cannot free the threads that wait for it at a barrier.
  const shards = Array.from({ length: plan.shards }, (_, shard) =>
    threadsOfShards.take(`shard ${shard + 1} of ${plan.shards} of a sparse update`, () => exchange.abort()),
  );
  const opening = shards.map((thread, shard) => {
    const request = {
      plan,
      shard,
      exchange: exchange.buffer,
      state: divideState(plan, program.state, shard),
      corrections,
    };
    return thread.call('open', transfer(request));
  });
  try {
    await Promise.all(opening);
  } catch (error) {
    await Promise.allSettled(opening);
    await Promise.all(shards.map(thread => thread.dispose()));
    throw error;
  }
  const threshold =
    plan.selection.kind === 'batchtopk'
      ? new RunningThreshold(program.state, descriptor.activation['restartThresholdAt'] as number | undefined)
      : undefined;
  return new ShardedRunner(plan, program.metrics, shards, threshold, {
    engine: 'onnxruntime',
    provider: 'sparse-update',
    reason: `${reason}, ${plan.shards} thread${plan.shards === 1 ? '' : 's'}`,
  });
}

function scalar(state: HostTensors, name: string): number {
  const value = state[name]?.data[0];
  if (value === undefined) throw new InvalidValueError(`the step's state has no "${name}"`);
  return value;
}

/** Refuses a program with state, inputs or metrics that would silently be left out. */
function checkInterface(plan: SparsePlan, { state, batch, metrics }: StepProgram): void {
  const shape = [plan.batchSize, plan.dIn];
  if (!batch[ACTIVATIONS] || !sameShape(batch[ACTIVATIONS], shape)) {
    const got = batch[ACTIVATIONS] ? `[${batch[ACTIVATIONS].join(', ')}]` : 'none';
    throw new InvalidShapeError(`the step's input "${ACTIVATIONS}" must have shape [${shape.join(', ')}], got ${got}`);
  }
  const refuse = (what: string, names: readonly string[], known: readonly string[]): void => {
    const unknown = names.filter(name => !known.includes(name));
    if (unknown.length > 0) throw new InvalidValueError(`a sparse update has no ${what} "${unknown.join('", "')}"`);
  };
  refuse('input', Object.keys(batch), [ACTIVATIONS, ...Object.keys(stepNumbers(plan))]);
  refuse('metric', metrics, Object.keys(metricsOf(plan)));
  const buffers = plan.selection.kind === 'batchtopk' ? ['buffers.threshold', 'buffers.steps'] : [];
  const corrections = plan.optimizer.betas[0] === 0 ? ['optimizer.c2'] : ['optimizer.c1', 'optimizer.c2'];
  refuse('state', Object.keys(state), [...stateNames(plan), ...buffers, ...corrections]);
}

function sharedFloats(length: number): Float32Array<SharedArrayBuffer> {
  return new Float32Array(new SharedArrayBuffer(4 * length));
}

class ShardedRunner implements SparseUpdateRunner {
  readonly description: EngineDescription;
  readonly #plan: SparsePlan;
  readonly #metrics: readonly string[];
  readonly #shards: readonly ShardThread[];
  readonly #threshold: RunningThreshold | undefined;
  /** Memory for batches, kept between calls; it grows with the number of steps. */
  #batches = sharedFloats(0);
  readonly #requests = new Queue();
  /** The failure that ended the shards: each holds a part of the state, so none can go on without the others. */
  #failure: unknown;

  constructor(
    plan: SparsePlan,
    metrics: readonly string[],
    shards: readonly ShardThread[],
    threshold: RunningThreshold | undefined,
    description: EngineDescription,
  ) {
    this.#plan = plan;
    this.#metrics = metrics;
    this.#shards = shards;
    this.#threshold = threshold;
    this.description = description;
  }

  run(steps: number, batches: Readonly<Record<string, Float32Array>>): Promise<Record<string, Float32Array>> {
    return this.#requests.add(() => this.#run(steps, batches));
  }

  async #run(steps: number, batches: Readonly<Record<string, Float32Array>>): Promise<Record<string, Float32Array>> {
    const { batchSize, dIn } = this.#plan;
    const activations = batches[ACTIVATIONS];
    const length = steps * batchSize * dIn;
    if (activations?.length !== length) {
      const got = activations?.length ?? 'none';
      throw new InvalidShapeError(`${steps} steps of "${ACTIVATIONS}" take ${length} numbers, got ${got}`);
    }
    const numbers = Object.fromEntries(
      Object.entries(stepNumbers(this.#plan)).map(([name, value]) => {
        const given = batches[name] ?? new Float32Array(steps).fill(value);
        if (given.length === steps) return [name, given];
        throw new InvalidShapeError(`${steps} steps of "${name}" take ${steps} numbers, got ${given.length}`);
      }),
    );
    if (this.#batches.length < length) this.#batches = sharedFloats(length);
    this.#batches.set(activations);
    const each = (): Float32Array<SharedArrayBuffer> => sharedFloats(steps);
    const losses: Readonly<Record<string, Float32Array>> = Object.fromEntries(
      ['loss', ...lossTerms(this.#plan)].map(name => [name, each()]),
    );
    const smallestSelected = each();
    const active = each();
    const dead = each();
    const gradientNorm = each();
    const request = { steps, batches: this.#batches, numbers, losses, smallestSelected, active, dead, gradientNorm };
    const metrics = { ...losses, gradient_norm: gradientNorm, active, dead };
    const [completed] = await this.#ask(shard => shard.call('run', request));
    for (const smallest of smallestSelected.subarray(0, completed)) this.#threshold?.add(smallest);
    for (let step = 0; step < completed!; step++) active[step]! /= batchSize;
    if (completed < steps) {
      const reported = this.#reported(metrics, completed);
      throw new DivergenceError(`the loss is ${losses['loss']![completed]}`, completed, completed, reported);
    }
    return this.#reported(metrics, steps);
  }

  /** The program's metrics of the first `steps` steps. */
  #reported(metrics: Readonly<Record<string, Float32Array>>, steps: number): Record<string, Float32Array> {
    const places = metricsOf(this.#plan);
    return Object.fromEntries(
      this.#metrics.map(name => [name, Float32Array.from(metrics[places[name]!]!.subarray(0, steps))]),
    );
  }

  read(): Promise<HostTensors> {
    return this.#requests.add(async () => {
      const replies = await this.#ask(shard => shard.call('read'));
      const joined = joinStates(
        this.#plan,
        replies.map(({ state }) => state),
      );
      return { ...joined, ...this.#correctionTensors(replies[0].corrections), ...this.#threshold?.read() };
    });
  }

  #correctionTensors({ c1, c2 }: BiasCorrections): Record<string, HostTensor> {
    return {
      ...(this.#plan.optimizer.betas[0] !== 0 && { 'optimizer.c1': hostTensor([c1], []) }),
      'optimizer.c2': hostTensor([c2], []),
    };
  }

  times(): Promise<readonly StepTimes[]> {
    return this.#requests.add(() => this.#ask(shard => shard.call('times')));
  }

  estimated(): Promise<readonly EstimateCounts[]> {
    return this.#requests.add(() => this.#ask(shard => shard.call('estimated')));
  }

  async dispose(): Promise<void> {
    if (!(await this.#requests.close('this sparse update was disposed of'))) return;
    await Promise.all(this.#shards.map(shard => this.#release(shard)));
  }

  /** A shard that died cannot answer any more, and one that failed is not to be trusted. */
  async #release(shard: ShardThread): Promise<void> {
    const canGoOn = this.#failure === undefined && (await shard.call('close').catch(() => false));
    if (canGoOn) await threadsOfShards.giveBack(shard);
    else await shard.dispose();
  }

  /** Asks every shard; rejects with the failure that came first, not with those that followed from it. */
  async #ask<Reply>(request: (shard: ShardThread) => Promise<Reply>): Promise<readonly [Reply, ...Reply[]]> {
    if (this.#failure !== undefined) throw this.#failure;
    const results = await Promise.allSettled(this.#shards.map(request));
    const failures = results.flatMap(result => (result.status === 'rejected' ? [result.reason as unknown] : []));
    if (failures.length > 0) {
      this.#failure = failures.find(failure => !isConsequence(failure)) ?? failures[0];
      throw this.#failure;
    }
    return results.map(result => (result as PromiseFulfilledResult<Reply>).value) as [Reply, ...Reply[]];
  }
}
