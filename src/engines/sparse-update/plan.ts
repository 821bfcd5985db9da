/** A plan says what a sparse update computes and how its latents are divided: plain data that every shard is given. */
import type { StepDescriptor } from '../engine.ts';

/** Floats that one memory access of the kernel spans. */
const SIMD_WIDTH = 4;
/** `columns` is a multiple of this: the kernel takes maxima over segments of 64 pre-activations. */
const SEGMENT = 64;
/** WebAssembly's 32-bit memories end at 4 GiB; a little stays free. */
const MEMORY_LIMIT = 2 ** 32 - 2 ** 26;

/** Samples that the kernel turns at once. */
const SAMPLES = 16;
/** Pools of latents for each of the active ones of a sample. */
const POOLS_PER_LATENT = 4;
/** Products of bytes that are computed before they are looked at: 1 MiB, which a core's second cache holds. */
const PRODUCTS_AT_ONCE = 2 ** 18;
/** Share of all pre-activations up to which candidates are computed one by one. */
const CANDIDATES = 1 / 16;
/** Share of a shard's latents up to which the dead ones are multiplied apart: two matrices of as many columns fit where all pre-activations do. */
const DEAD_APART = 1 / 2;

/**
 * Measured on one core at 256 × 2048 weights and batch 256: lists cost as much as products there. Of dead latents, on two cores at 512 × 4096 and batch
 * 1024, where other work ran too: with half of their matrix filled a step took 120 ms of processor with products and 218 with lists, with a quarter 140
 * and 233, with an eighth 249 and 273.
 */
const DENSE_FROM = 0.2;

/** What a sparse update computes, and how its latents are divided. */
export interface SparsePlan {
  readonly dIn: number;
  readonly dSae: number;
  readonly batchSize: number;
  readonly selection: Selection;
  readonly decoder: 'reparametrise' | 'renormalise' | 'free';
  /** Whether the squared error is averaged or summed over d_in. */
  readonly reconstruction: 'mean' | 'sum';
  /** Latents of each prefix that must reconstruct alone, in rising order. The last is d_sae: the whole, which is the only one but for Matryoshka. */
  readonly prefixes: readonly number[];
  /** Weight of each prefix's squared error in the loss. */
  readonly prefixWeight: number;
  /** Weight of mean over the batch of Σ f · ‖W_dec‖. */
  readonly l1: number;
  readonly auxK: AuxK | undefined;
  /**
   * How many samples a step adds to a silent latent's count in the state, `buffers.silent`; absent where the state has
   * none.
   */
  readonly silence: number | undefined;
  /** How many samples a latent is silent before it is reported as dead; absent where that is not reported. */
  readonly reportedDeadAfter: number | undefined;
  /** The norm to which the gradient of all parameters together is clipped. */
  readonly clip: number | undefined;
  /** Whether b_dec is not trained. */
  readonly holdsBias: boolean;
  readonly optimizer: {
    readonly learningRate: number;
    readonly betas: readonly [number, number];
    readonly eps: number;
    /** The decoupled weight decay of AdamW; 0 for Adam. */
    readonly weightDecay: number;
  };
  /** Whether products of bytes tell which latents may be active, and only those are computed exactly (kernel/estimate.ts). */
  readonly estimates: boolean;
  /** From which share of entries on a shard multiplies matrices: all latents', for choices that set no number, and dead latents'. */
  readonly denseFrom: number;
  /** Workers among which the latents are divided. */
  readonly shards: number;
}

/**
 * Which latents are active. `topk`: `count` of each row; `batchtopk`: `count` of the batch; by z · ‖W_dec‖ where `weighsByNorm`. `relu`: all
 * with z > 0. `jumprelu`: all with z > θ, θ trained with gradients estimated over `bandwidth`, beside `l0` · mean L0.
 */
export type Selection =
  | { readonly kind: 'topk' | 'batchtopk'; readonly count: number; readonly weighsByNorm: boolean }
  | { readonly kind: 'relu' }
  | {
      readonly kind: 'jumprelu';
      readonly bandwidth: number;
      readonly gradientToInput: boolean;
      readonly l0: number;
    };

/** The auxiliary loss of dead latents; see AuxKOptions in models/architectures/aux-k.ts. */
export interface AuxK {
  readonly form: 'openai' | 'saelens';
  readonly coefficient: number;
  /** Dead latents of a sample that are revived: no more than there are latents. */
  readonly k: number;
  /** From so many dead latents on SAELens's form counts in full: half of d_in, whatever k is. */
  readonly fullFrom: number;
  /** In the unit of `silence`. */
  readonly deadAfter: number;
  /** Where dead is instead what fired on less than the share `below` of samples in the last whole window of so many steps. */
  readonly byRate?: { readonly below: number; readonly window: number };
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

/** Samples for which there is room where they lie side by side. */
export function paddedSamples({ batchSize }: SparsePlan): number {
  return Math.ceil(batchSize / SAMPLES) * SAMPLES;
}

/** Active latents that each shard finds of a sample's, where all find as many. */
export function shareOfSample({ batchSize, selection, shards }: SparsePlan): number {
  if (selection.kind === 'topk') return Math.ceil(selection.count / shards);
  return selection.kind === 'batchtopk' ? Math.ceil(selection.count / (batchSize * shards)) : 0;
}

/** Latents of a pool: few enough that pools seldom hold two of the largest. */
export function poolSize(plan: SparsePlan, columns: number): number {
  return Math.max(1, Math.floor(columns / (POOLS_PER_LATENT * Math.max(1, shareOfSample(plan)))));
}

/** Latents whose products of bytes are computed before they are looked at: whole pools. */
export function latentsAtOnce(plan: SparsePlan, columns: number): number {
  const pool = poolSize(plan, columns);
  return Math.min(columns, pool * Math.max(1, Math.floor(PRODUCTS_AT_ONCE / (pool * paddedSamples(plan)))));
}

/** Candidates that a shard has room for; where there are more, whole matrices are multiplied. */
export function mostCandidates(plan: SparsePlan, columns: number): number {
  return plan.estimates ? paddedSamples(plan) * (Math.ceil(columns * CANDIDATES) + 1) : 0;
}

/** Dead latents of a shard that are multiplied apart from the others: a multiple of SIMD_WIDTH, as `columns` is one of SEGMENT. */
export function mostDeadApart({ auxK }: SparsePlan, columns: number): number {
  return auxK ? columns * DEAD_APART : 0;
}

/** Columns of a matrix of `count` dead latents: whole vectors. */
export function paddedDead(count: number): number {
  return Math.ceil(count / SIMD_WIDTH) * SIMD_WIDTH;
}

/** Latents of the largest shard. */
function mostLatents({ dSae, shards }: SparsePlan): number {
  return Math.ceil(dSae / shards);
}

/** The most entries that a shard's selection can give. */
export function largestSelection(plan: SparsePlan): number {
  const latents = mostLatents(plan);
  const { batchSize, selection } = plan;
  if (selection.kind === 'topk') return batchSize * Math.min(selection.count, latents);
  if (selection.kind === 'batchtopk') return Math.min(selection.count, batchSize * latents);
  return batchSize * latents;
}

/** The most entries of dead latents in a shard. */
export function largestDeadSelection(plan: SparsePlan): number {
  return plan.auxK ? plan.batchSize * Math.min(plan.auxK.k, mostLatents(plan)) : 0;
}

/** The most entries that a shard shares with the others. Where each shard chooses by itself, nothing is shared. */
export function largestShared(plan: SparsePlan): number {
  return Math.max(isChosenTogether(plan) ? largestSelection(plan) : 0, largestDeadSelection(plan));
}

/**
 * Of each of a shard's latents, how many prefixes shorter than the whole hold it too. So the loss's gradient with respect to what a latent of depth
 * p gives is the sum of those of the whole and of the p longest shorter prefixes.
 */
export function depthsOf(plan: SparsePlan, shard: number): Int32Array {
  const { from, to } = latentsOf(plan, shard);
  const shorter = plan.prefixes.slice(0, -1);
  return Int32Array.from({ length: to - from }, (_, latent) => shorter.filter(width => from + latent < width).length);
}

/** The terms of the loss, by the names under which steps report them. */
export function lossTerms({ prefixes }: SparsePlan): readonly string[] {
  return ['mse', ...prefixes.slice(0, -1).map(prefixTerm), 'l1', 'l0', 'aux_k'];
}

/** The name of the squared error of the first `width` latents. */
export function prefixTerm(width: number): string {
  return `mse_${width}`;
}

/** Whether it depends on the other shards' latents which ones of a shard are active. */
export function isChosenTogether({ selection: { kind } }: SparsePlan): boolean {
  return kind === 'topk' || kind === 'batchtopk';
}

/** Whether the norms of the decoder's rows are needed for more than making them unit rows. */
export function asksForNorms({ decoder, l1, selection }: SparsePlan): boolean {
  return decoder === 'free' && (l1 !== 0 || ('weighsByNorm' in selection && selection.weighsByNorm));
}

/** Whether there is room for the gradients of all latents at once. */
export function keepsGradients(plan: SparsePlan): boolean {
  return plan.clip !== undefined || !isChosenTogether(plan);
}

/** The bytes that the largest shard needs, without some small arrays. */
export function shardBytes(plan: SparsePlan): number {
  const columns = paddedColumns(mostLatents(plan));
  const width = paddedWidth(plan);
  const perParameter = (plan.optimizer.betas[0] === 0 ? 2 : 3) + (keepsGradients(plan) ? 1 : 0);
  const state = 2 * perParameter * columns * width;
  // Centred activations, and for each prefix a gradient and other shards' parts of it.
  const rows = (plan.auxK ? 2 : 1) + 2 * plan.prefixes.length;
  const forward = plan.batchSize * ((isChosenTogether(plan) ? 1 : 2) * columns + rows * width);
  const perEntry = isChosenTogether(plan) ? 8 : 4;
  const entries = largestSelection(plan) * perEntry + largestDeadSelection(plan) * 4;
  const shared = 2 * plan.shards * largestShared(plan);
  const estimates = plan.estimates
    ? (columns + paddedSamples(plan)) * (width / 4 + 3) +
      7 * mostCandidates(plan, columns) +
      2 * POOLS_PER_LATENT * shareOfSample(plan) * paddedSamples(plan)
    : 0;
  const dead = 2 * mostDeadApart(plan, columns) * width;
  return 4 * (state + dead + forward + entries + shared + estimates + 20 * columns + 8 * plan.batchSize);
}

/**
 * The step that `descriptor` describes, for `threads` workers; more where a shard's arrays would not fit into one WebAssembly
 * memory of 4 GiB. Undefined where no division makes them fit. The descriptor is one that acceptsSparseUpdate accepts.
 */
export function planSparseUpdate(
  descriptor: StepDescriptor,
  threads: number,
  estimates = isWorthEstimating(descriptor),
): SparsePlan | undefined {
  const { dIn, dSae, batchSize, optimizer, activation, held } = descriptor;
  for (let shards = Math.max(1, Math.min(threads, dSae)); shards <= Math.min(64, dSae); shards++) {
    const plan: SparsePlan = {
      dIn,
      dSae,
      batchSize,
      selection: selectionOf(descriptor),
      decoder: descriptor.decoder as SparsePlan['decoder'],
      reconstruction: descriptor.reconstructionLoss,
      ...prefixesOf(descriptor),
      l1: activation['kind'] === 'relu' ? Number(activation['l1']) : 0,
      auxK: auxKOf(descriptor),
      silence: descriptor.countsFiring ? batchSize : undefined,
      reportedDeadAfter: descriptor.countsFiring ? descriptor.reports?.deadAfter : undefined,
      clip: descriptor.clip,
      holdsBias: held.includes('b_dec'),
      optimizer: { ...optimizer, weightDecay: optimizer.name === 'adamw' ? optimizer.weightDecay : 0 },
      denseFrom: DENSE_FROM,
      estimates,
      shards,
    };
    if (shardBytes(plan) <= MEMORY_LIMIT) return plan;
  }
  return undefined;
}

function prefixesOf({ activation, dSae }: StepDescriptor): Pick<SparsePlan, 'prefixes' | 'prefixWeight'> {
  if (activation['kind'] !== 'matryoshka') return { prefixes: [dSae], prefixWeight: 1 };
  const prefixes = activation['widths'] as readonly number[];
  return { prefixes, prefixWeight: activation['prefixLosses'] === 'mean' ? 1 / prefixes.length : 1 };
}

/**
 * Whether products of bytes save time. Measured on two cores with VNNI: nothing at d_in = 128, a tenth of a step at 512 × 4,096, a third and more at
 * 768 × 16,384. The bound of an estimate is a share of the norms, and pre-activations are as large as the norms over √d_in: the wider the rows,
 * the more candidates; the more active latents, too.
 */
function isWorthEstimating({ activation, dIn, dSae, batchSize }: StepDescriptor): boolean {
  const k = Number(activation['k'] ?? 0);
  return dIn >= 256 && dIn <= 1536 && batchSize * dIn * dSae >= 2 ** 28 && k <= dSae / 64;
}

function selectionOf({ activation, batchSize, dSae }: StepDescriptor): Selection {
  const {
    kind,
    k,
    rescaleByDecoderNorm: weighsByNorm = false,
    bandwidth,
    gradientToInput,
    l0,
  } = activation as {
    readonly kind: Selection['kind'] | 'matryoshka';
    readonly k: number;
    readonly rescaleByDecoderNorm?: boolean;
    readonly bandwidth: number;
    readonly gradientToInput: boolean;
    readonly l0: number;
  };
  switch (kind) {
    case 'topk':
      return { kind, count: k, weighsByNorm };
    case 'batchtopk':
    case 'matryoshka':
      return { kind: 'batchtopk', count: Math.min(Math.floor(k * batchSize), batchSize * dSae), weighsByNorm };
    case 'relu':
      return { kind };
    case 'jumprelu':
      return { kind, bandwidth, gradientToInput, l0 };
  }
}

function auxKOf({ activation, batchSize, dIn, dSae }: StepDescriptor): AuxK | undefined {
  const auxK = activation['auxK'] as (Partial<AuxK> & { readonly deadBelow?: number }) | undefined;
  if (!auxK) return undefined;
  const fullFrom = Math.max(1, Math.floor(dIn / 2));
  const { form = 'openai', coefficient = 1 / 32, k = fullFrom, deadAfter = 100, deadBelow: below = 0 } = auxK;
  return {
    form,
    coefficient,
    k: Math.min(k, dSae),
    fullFrom,
    deadAfter: deadAfter * batchSize,
    ...(below > 0 && { byRate: { below, window: deadAfter } }),
  };
}

/**
 * The numbers that may change from step to step, with their values where they are no inputs of the step: the learning
 * rate, and those of the objective that the plan has.
 */
export function stepNumbers({ optimizer, selection, l1, auxK }: SparsePlan): Readonly<Record<string, number>> {
  return {
    learning_rate: optimizer.learningRate,
    ...(selection.kind === 'relu' && l1 > 0 && { l1 }),
    ...(selection.kind === 'jumprelu' && { l0: selection.l0 }),
    ...(auxK && { aux_k: auxK.coefficient }),
  };
}
