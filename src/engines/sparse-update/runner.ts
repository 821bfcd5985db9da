/**
 * The accelerator for large sparse autoencoders: a StepRunner that divides the latents among worker threads.
 * Each worker multiplies with ONNX Runtime and updates its own latents in one SIMD pass (see shard.ts); the calling thread
 * stays free. For a given number of threads results repeat to the bit.
 */
import { availableParallelism } from 'node:os';
import { DivergenceError, InvalidShapeError, InvalidValueError } from '../../errors.ts';
import { Queue } from '../../sessions/queue.ts';
import { type HostTensor, type HostTensors, hostTensor, sameShape } from '../../tensor.ts';
import type { EngineDescription, StepProgram, StepRunner } from '../engine.ts';
import { acceptsSparseUpdate } from './accept.ts';
import { Exchange } from './exchange.ts';
import { planSparseUpdate, type SparsePlan } from './plan.ts';
import type { BiasCorrections, StepTimes } from './shard.ts';
import { SecondaryFailure, ShardClient } from './shard-client.ts';
import { divideState, joinStates, SILENT, stateNames } from './state.ts';
import { RunningThreshold } from './threshold.ts';

/** The step's input, and the scalar that carries a scheduled learning rate. */
const ACTIVATIONS = 'activations';
const LEARNING_RATE = 'learning_rate';

export interface SparseUpdateOptions {
  /** Workers among which the latents are divided. Default: one per core. More where 4 GiB each would not be enough. */
  readonly threads?: number | undefined;
  /** Accept steps that are too small to gain by it. Default false. */
  readonly anySize?: boolean;
}

/** A StepRunner that also tells where the time went. */
export interface SparseUpdateRunner extends StepRunner {
  /** Milliseconds in each part of all steps so far, per shard. */
  times(): Promise<readonly StepTimes[]>;
}

/**
 * Starts workers for `program`, whose descriptor acceptsSparseUpdate accepts.
 * InvalidValueError where it does not, or where the program has state, inputs or metrics that this step does not know.
 */
export async function createSparseUpdateRunner(
  program: StepProgram,
  { threads = availableParallelism(), anySize = false }: SparseUpdateOptions = {},
): Promise<SparseUpdateRunner> {
  const { descriptor } = program;
  if (!descriptor) throw new InvalidValueError('a sparse update needs a step with a descriptor');
  const { accepted, reason } = acceptsSparseUpdate(descriptor, { anySize });
  const plan = accepted ? planSparseUpdate(descriptor, threads) : undefined;
  if (!plan) throw new InvalidValueError(reason);
  checkInterface(plan, program);

  const exchange = new Exchange(plan);
  const corrections = {
    c1: plan.optimizer.betas[0] === 0 ? 1 : scalar(program.state, 'optimizer.c1'),
    c2: scalar(program.state, 'optimizer.c2'),
  };
  const starting = Array.from({ length: plan.shards }, (_, shard) =>
    ShardClient.start({
      plan,
      shard,
      exchange: exchange.buffer,
      state: divideState(plan, program.state, shard),
      corrections,
    }),
  );
  const shards = await Promise.all(starting).catch(async error => {
    const started = await Promise.allSettled(starting);
    await Promise.all(started.map(result => result.status === 'fulfilled' && result.value.terminate()));
    throw error;
  });
  const threshold =
    plan.selection.kind === 'batchtopk'
      ? new RunningThreshold(program.state, descriptor.activation['restartThresholdAt'] as number | undefined)
      : undefined;
  return new ShardedRunner(plan, shards, threshold, {
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

/** Refuses what would silently be left out. */
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
  refuse('input', Object.keys(batch), [ACTIVATIONS, LEARNING_RATE]);
  refuse('metric', metrics, ['loss']);
  const buffers = [
    ...(plan.selection.kind === 'batchtopk' ? ['buffers.threshold', 'buffers.steps'] : []),
    ...(plan.countsFiring ? [SILENT] : []),
  ];
  const corrections = plan.optimizer.betas[0] === 0 ? ['optimizer.c2'] : ['optimizer.c1', 'optimizer.c2'];
  refuse('state', Object.keys(state), [...stateNames(plan), ...buffers, ...corrections]);
}

function sharedFloats(length: number): Float32Array<SharedArrayBuffer> {
  return new Float32Array(new SharedArrayBuffer(4 * length));
}

class ShardedRunner implements SparseUpdateRunner {
  readonly description: EngineDescription;
  readonly #plan: SparsePlan;
  readonly #shards: readonly ShardClient[];
  readonly #threshold: RunningThreshold | undefined;
  /** Kept between calls; grows with the number of steps asked for. */
  #batches = sharedFloats(0);
  readonly #requests = new Queue();

  constructor(
    plan: SparsePlan,
    shards: readonly ShardClient[],
    threshold: RunningThreshold | undefined,
    description: EngineDescription,
  ) {
    this.#plan = plan;
    this.#shards = shards;
    this.#threshold = threshold;
    this.description = description;
  }

  run(steps: number, batches: Readonly<Record<string, Float32Array>>): Promise<Record<string, Float32Array>> {
    return this.#requests.add(() => this.#run(steps, batches));
  }

  async #run(steps: number, batches: Readonly<Record<string, Float32Array>>): Promise<Record<string, Float32Array>> {
    const { batchSize, dIn, optimizer } = this.#plan;
    const activations = batches[ACTIVATIONS];
    const length = steps * batchSize * dIn;
    if (activations?.length !== length) {
      const got = activations?.length ?? 'none';
      throw new InvalidShapeError(`${steps} steps of "${ACTIVATIONS}" take ${length} numbers, got ${got}`);
    }
    const rates = batches[LEARNING_RATE] ?? new Float32Array(steps).fill(optimizer.learningRate);
    if (rates.length !== steps) {
      throw new InvalidShapeError(`${steps} steps of "${LEARNING_RATE}" take ${steps} numbers, got ${rates.length}`);
    }
    if (this.#batches.length < length) this.#batches = sharedFloats(length);
    this.#batches.set(activations);
    const losses = sharedFloats(steps);
    const smallestSelected = sharedFloats(steps);
    const request = { kind: 'run', steps, batches: this.#batches, rates, losses, smallestSelected } as const;
    const [{ completed }] = await this.#ask(shard => shard.request(request, 'ran'));
    for (const smallest of smallestSelected.subarray(0, completed)) this.#threshold?.add(smallest);
    if (completed < steps) {
      const reported = { loss: Float32Array.from(losses.subarray(0, completed)) };
      throw new DivergenceError(`the loss is ${losses[completed]}`, completed, completed, reported);
    }
    return { loss: Float32Array.from(losses) };
  }

  read(): Promise<HostTensors> {
    return this.#requests.add(async () => {
      const replies = await this.#ask(shard => shard.request({ kind: 'read' }, 'state'));
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
    return this.#requests.add(async () => {
      const replies = await this.#ask(shard => shard.request({ kind: 'times' }, 'times'));
      return replies.map(({ times }) => times);
    });
  }

  async dispose(): Promise<void> {
    if (!(await this.#requests.close('this sparse update was disposed of'))) return;
    // A shard that failed cannot answer any more; its thread ends all the same.
    await Promise.allSettled(this.#shards.map(shard => shard.request({ kind: 'dispose' }, 'disposed')));
    await Promise.all(this.#shards.map(shard => shard.terminate()));
  }

  /** Asks every shard; rejects with the failure that came first, not with those that followed from it. */
  async #ask<Reply>(request: (shard: ShardClient) => Promise<Reply>): Promise<readonly [Reply, ...Reply[]]> {
    const results = await Promise.allSettled(this.#shards.map(request));
    const failures = results.flatMap(result => (result.status === 'rejected' ? [result.reason as unknown] : []));
    if (failures.length > 0) throw failures.find(failure => !(failure instanceof SecondaryFailure)) ?? failures[0];
    return results.map(result => (result as PromiseFulfilledResult<Reply>).value) as [Reply, ...Reply[]];
  }
}
