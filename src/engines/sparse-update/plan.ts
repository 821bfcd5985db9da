/** What a sparse update computes and how its latents are divided: plain data that every shard is given. */
import type { StepDescriptor } from '../engine.ts';

/** Floats that one memory access of the kernel spans. */
const SIMD_WIDTH = 4;
/** `columns` is a multiple of this: the kernel takes maxima over segments of 64 pre-activations. */
const SEGMENT = 64;
/** WebAssembly's 32-bit memories end at 4 GiB; a little stays free. */
const MEMORY_LIMIT = 2 ** 32 - 2 ** 26;

export interface SparsePlan {
  readonly dIn: number;
  readonly dSae: number;
  readonly batchSize: number;
  /** `topk`: `count` of each row; `batchtopk`: `count` of the batch. */
  readonly selection: { readonly kind: 'topk' | 'batchtopk'; readonly count: number };
  readonly decoder: 'reparametrise' | 'renormalise';
  readonly optimizer: {
    readonly learningRate: number;
    readonly betas: readonly [number, number];
    readonly eps: number;
    /** Decoupled (AdamW's); 0 for Adam. */
    readonly weightDecay: number;
  };
  /** Whether the state counts the samples since each latent last fired, `buffers.silent`. */
  readonly countsFiring: boolean;
  /** Workers among which the latents are divided. */
  readonly shards: number;
}

/** Latents from..to belong to one shard. */
export interface LatentRange {
  readonly from: number;
  readonly to: number;
}

/** Latents of shard `shard`: contiguous, and as even as can be. */
export function latentsOf({ dSae, shards }: SparsePlan, shard: number): LatentRange {
  return { from: Math.floor((dSae * shard) / shards), to: Math.floor((dSae * (shard + 1)) / shards) };
}

/** Batch rows whose error shard `shard` measures. */
export function rowsOf({ batchSize, shards }: SparsePlan, shard: number): { from: number; to: number } {
  return { from: Math.floor((batchSize * shard) / shards), to: Math.floor((batchSize * (shard + 1)) / shards) };
}

/** Floats from one row to the next: d_in rounded up to what SIMD needs. */
export function paddedWidth({ dIn }: SparsePlan): number {
  return Math.ceil(dIn / SIMD_WIDTH) * SIMD_WIDTH;
}

/** Columns of a shard's pre-activations: its latents rounded up to whole segments. */
export function paddedColumns(latents: number): number {
  return Math.ceil(latents / SEGMENT) * SEGMENT;
}

/** The most entries that a shard's selection can give. */
export function largestSelection(plan: SparsePlan): number {
  const latents = Math.ceil(plan.dSae / plan.shards);
  const { kind, count } = plan.selection;
  return kind === 'topk' ? plan.batchSize * Math.min(count, latents) : Math.min(count, plan.batchSize * latents);
}

/** Bytes that the largest shard needs, but for some small arrays. */
export function shardBytes(plan: SparsePlan): number {
  const columns = paddedColumns(Math.ceil(plan.dSae / plan.shards));
  const width = paddedWidth(plan);
  const perParameter = plan.optimizer.betas[0] === 0 ? 2 : 3;
  const state = 2 * perParameter * columns * width;
  const forward = plan.batchSize * (columns + 3 * width);
  const entries = largestSelection(plan) * (8 + 2 * plan.shards) + 16 * columns + 8 * plan.batchSize;
  return 4 * (state + forward + entries);
}

/**
 * The step that `descriptor` describes, for `threads` workers; more where a shard's arrays would not fit into one WebAssembly
 * memory of 4 GiB. Undefined where no division makes them fit. The descriptor is one that acceptsSparseUpdate accepts.
 */
export function planSparseUpdate(descriptor: StepDescriptor, threads: number): SparsePlan | undefined {
  const { dIn, dSae, batchSize, optimizer } = descriptor;
  const k = Number(descriptor.activation['k']);
  const kind = descriptor.activation['kind'] === 'batchtopk' ? 'batchtopk' : 'topk';
  const count = kind === 'topk' ? k : Math.min(Math.floor(k * batchSize), batchSize * dSae);
  for (let shards = Math.max(1, Math.min(threads, dSae)); shards <= Math.min(64, dSae); shards++) {
    const plan: SparsePlan = {
      dIn,
      dSae,
      batchSize,
      selection: { kind, count },
      decoder: descriptor.decoder === 'renormalise' ? 'renormalise' : 'reparametrise',
      optimizer: { ...optimizer, weightDecay: optimizer.name === 'adamw' ? optimizer.weightDecay : 0 },
      countsFiring: descriptor.countsFiring,
      shards,
    };
    if (shardBytes(plan) <= MEMORY_LIMIT) return plan;
  }
  return undefined;
}
