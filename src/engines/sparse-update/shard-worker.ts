/** A worker thread that holds one shard: opens it, and steps it in time with the others. */
import { invariant } from '../../errors.ts';
import { loadNodeRuntime } from '../../sessions/node.ts';
import { ownNodePort } from '../../workers/node.ts';
import { transfer } from '../../workers/protocol.ts';
import { serve } from '../../workers/serve.ts';
import { Exchange } from './exchange.ts';
import type { SparsePlan } from './plan.ts';
import { type BiasCorrections, type EstimateCounts, Shard, type StepTimes } from './shard.ts';
import type { ShardState } from './state.ts';

/** What a worker needs to open a shard. */
export interface ShardRequest {
  readonly plan: SparsePlan;
  readonly shard: number;
  readonly exchange: SharedArrayBuffer;
  readonly state: ShardState;
  readonly corrections: BiasCorrections;
}

/** Steps to run, in memory that all shards share. */
export interface RunRequest {
  readonly steps: number;
  /** [steps, batch, d_in]. */
  readonly batches: Float32Array;
  /** [steps] each: see `stepNumbers`. */
  readonly numbers: Readonly<Record<string, Float32Array>>;
  /** [steps] each: written by shard 0. */
  readonly losses: Readonly<Record<string, Float32Array>>;
  readonly smallestSelected: Float32Array;
  readonly active: Float32Array;
  readonly dead: Float32Array;
  readonly gradientNorm: Float32Array;
}

interface Opened {
  readonly shard: Shard;
  readonly exchange: Exchange;
  readonly request: ShardRequest;
}

/** A shard of more bytes than this ends its thread: an idle thread gives memory back only when it collects garbage. */
const MOST_KEPT = 2 ** 24;

let opened: Opened | undefined;

function current(): Opened {
  invariant(opened, 'a shard is asked before it was opened');
  return opened;
}

const api = {
  async open(request: ShardRequest): Promise<void> {
    const { plan, shard: index, state, corrections } = request;
    const exchange = new Exchange(plan, request.exchange);
    const shard = await Shard.create(await loadNodeRuntime(), plan, index, exchange);
    shard.load(state, corrections);
    opened = { shard, exchange, request };
  },

  /**
   * Runs steps.
   * @returns the number of completed steps; fewer than asked for where a loss was not finite
   */
  async run(asked: RunRequest): Promise<number> {
    const { steps, batches, numbers, losses, smallestSelected, active, dead, gradientNorm } = asked;
    const { shard, exchange, request } = current();
    const length = request.plan.batchSize * request.plan.dIn;
    try {
      for (let step = 0; step < steps; step++) {
        const batch = batches.subarray(step * length, (step + 1) * length);
        const own = Object.fromEntries(Object.entries(numbers).map(([name, values]) => [name, values[step]!]));
        const result = await shard.step(batch, own);
        if (request.shard === 0) {
          for (const [name, values] of Object.entries(losses)) values[step] = result.losses[name]!;
          smallestSelected[step] = result.smallestSelected;
          active[step] = result.active;
          dead[step] = result.dead;
          gradientNorm[step] = result.gradientNorm ?? Number.NaN;
        }
        if (!Number.isFinite(result.losses.loss)) return step;
      }
      return steps;
    } catch (error) {
      // The other shards would wait for this one for ever.
      exchange.abort();
      throw error;
    }
  },

  read(): { readonly state: ShardState; readonly corrections: BiasCorrections } {
    return transfer(current().shard.read());
  },

  times(): StepTimes {
    return { ...current().shard.times };
  },

  estimated(): EstimateCounts {
    return { ...current().shard.estimated };
  },

  /** Lets go of the shard. Whether the thread can be used again: a large shard's memory is given back only by its end. */
  async close(): Promise<boolean> {
    const bytes = opened?.shard.bytes ?? 0;
    await opened?.shard.dispose();
    opened = undefined;
    return bytes <= MOST_KEPT;
  },
};

/** The calls that the worker answers. */
export type ShardApi = typeof api;

serve(ownNodePort(), api);
