/** A worker thread that holds one shard: loads it, steps it in time with the others, and answers the runner's requests. */
import { parentPort, workerData } from 'node:worker_threads';
import { loadNodeRuntime } from '../../sessions/node.ts';
import { Exchange, ExchangeAbortedError } from './exchange.ts';
import type { SparsePlan } from './plan.ts';
import { type BiasCorrections, Shard, type StepTimes } from './shard.ts';
import type { ShardState } from './state.ts';

export interface ShardWorkerData {
  readonly plan: SparsePlan;
  readonly shard: number;
  readonly exchange: SharedArrayBuffer;
  readonly state: ShardState;
  readonly corrections: BiasCorrections;
}

export type ShardRequest =
  | {
      readonly kind: 'run';
      readonly steps: number;
      /** [steps, batch, d_in], shared by all shards. */
      readonly batches: Float32Array;
      /** [steps] learning rates. */
      readonly rates: Float32Array;
      /** [steps] each: written by shard 0. */
      readonly losses: Float32Array;
      readonly smallestSelected: Float32Array;
    }
  | { readonly kind: 'read' }
  | { readonly kind: 'times' }
  | { readonly kind: 'dispose' };

export type ShardReply =
  | { readonly kind: 'ready' }
  /** Steps that were completed; fewer than asked for where a loss was not finite. */
  | { readonly kind: 'ran'; readonly completed: number }
  | { readonly kind: 'state'; readonly state: ShardState; readonly corrections: BiasCorrections }
  | { readonly kind: 'times'; readonly times: StepTimes }
  | { readonly kind: 'disposed' }
  | { readonly kind: 'failed'; readonly error: unknown; readonly secondary: boolean };

const port = parentPort!;
const { plan, shard: index, exchange: buffer, state, corrections } = workerData as ShardWorkerData;
const exchange = new Exchange(plan, buffer);

async function serve(shard: Shard, request: ShardRequest): Promise<void> {
  switch (request.kind) {
    case 'run':
      return reply({ kind: 'ran', completed: await run(shard, request) });
    case 'read': {
      const read = shard.read();
      const arrays = Object.values(read.state).map(array => array.buffer);
      return port.postMessage({ kind: 'state', ...read } satisfies ShardReply, arrays);
    }
    case 'times':
      return reply({ kind: 'times', times: { ...shard.times } });
    case 'dispose':
      await shard.dispose();
      reply({ kind: 'disposed' });
      return port.close();
  }
}

async function run(shard: Shard, request: Extract<ShardRequest, { kind: 'run' }>): Promise<number> {
  const length = plan.batchSize * plan.dIn;
  for (let step = 0; step < request.steps; step++) {
    const result = await shard.step(request.batches.subarray(step * length, (step + 1) * length), request.rates[step]!);
    if (index === 0) {
      request.losses[step] = result.loss;
      request.smallestSelected[step] = result.smallestSelected;
    }
    if (!Number.isFinite(result.loss)) return step;
  }
  return request.steps;
}

function reply(message: ShardReply): void {
  port.postMessage(message);
}

function fail(error: unknown): void {
  exchange.abort();
  reply({ kind: 'failed', error, secondary: error instanceof ExchangeAbortedError });
}

try {
  const shard = await Shard.create(await loadNodeRuntime(), plan, index, exchange);
  shard.load(state, corrections);
  port.on('message', (request: ShardRequest) => void serve(shard, request).catch(fail));
  reply({ kind: 'ready' });
} catch (error) {
  fail(error);
}
