/**
 * One shard of a sparse step: some of the latents, with their decoder and encoder rows and Adam's moments, in a WebAssembly
 * memory of its own that also backs ONNX Runtime's tensors, so that nothing is copied between them.
 * ONNX Runtime multiplies; the kernel chooses which latents are active, reconstructs from them and updates each latent's rows. Where it is
 * worth it, the product that finds them is one of bytes, and the kernel computes exactly what that cannot rule out (kernel/estimate.ts).
 * Shards meet over the choice (where it is one for all), the reconstruction, its gradient, and the gradient of b_dec; and three times
 * more where dead latents are revived.
 */
import type { Runtime } from '../../sessions/runtime.ts';
import { findByteReach } from './byte-reach.ts';
import { type Exchange, sumsOf } from './exchange.ts';
import {
  DEAD_BY_ENTRIES,
  DEAD_BY_PRODUCTS,
  type DeadForm,
  instantiateKernel,
  type Kernel,
  type KernelAddress,
  type KernelFactor,
  type KernelObjective,
  NO_DEAD,
} from './kernel.ts';
import {
  asksForNorms,
  depthsOf,
  isChosenTogether,
  largestShared,
  latentsAtOnce,
  latentsOf,
  mostDeadApart,
  paddedColumns,
  paddedDead,
  paddedWidth,
  poolSize,
  prefixTerm,
  rowsOf,
  type SparsePlan,
} from './plan.ts';
import {
  type ByteProduct,
  type DeadProducts,
  type DenseProducts,
  deadProductsAt,
  openByteProduct,
  openDeadProducts,
  openDenseProducts,
  openEncoderProduct,
  type Product,
} from './products.ts';
import { type Layout, ShardMemory } from './shard-memory.ts';
import { countsOf, type ShardEntry, type ShardState, shardEntries } from './state.ts';

/**
 * The search for a batch's threshold starts from this share of the last batch's. A wrong guess costs a second search.
 */
const THRESHOLD_MARGIN = 0.9;
/** An error with a variance below this counts as 0. */
const TINY = 1e-30;
/** A bound below all numbers, which excludes none. */
const NO_FLOOR = -3.4e38;
const ABOVE_ZERO = 0;
/** The smallest bound of a selection: the smallest float above zero, which is never selected. */
const SMALLEST_POSITIVE = 2 ** -149;

/** What a shard tells the others of the loss and the gradient, in Exchange.sums: squared errors of the whole, and of the longest shorter prefix and on. */
const SQUARES = 0;
const FEATURES = 1;
const ACTIVE = 2;
const DEAD_SQUARES = 3;
const GRADIENT = 4;
const DEAD = 5;
const SHORTER_SQUARES = 6;

/** Milliseconds that this shard spent in each part of its steps; `exchange` holds copies and waiting for other shards. */
export interface StepTimes {
  gemm: number;
  select: number;
  reconstruct: number;
  update: number;
  exchange: number;
}

/** The loss of a batch before the update, and the terms that it is the sum of, by the names of `lossTerms`. */
export type StepLosses = Readonly<Record<string, number>> & { readonly loss: number };

/** What products of bytes came to in a shard's steps so far. */
export interface EstimateCounts {
  /** Steps whose active latents they found; in the others all pre-activations were computed. */
  steps: number;
  /** Pre-activations that they could not rule out in those steps, and that were computed exactly. */
  candidates: number;
  /** The largest number that a byte stands for: 127, or 63 where this processor adds no larger ones exactly; 0 without estimates. */
  reach: number;
}

/** The result of a step. */
export interface StepResult {
  /** The losses; `loss` is not finite where the step was refused. */
  readonly losses: StepLosses;
  /** The smallest activation that BatchTopK selected in the whole batch; 0 where it selected none. */
  readonly smallestSelected: number;
  /** Active latents of the whole batch. */
  readonly active: number;
  /** Latents that were dead before the step; 0 where that is not reported. */
  readonly dead: number;
  /**
   * The norm of the gradient of all parameters together, before clipping; `undefined` without clipping, and where the
   * step was refused.
   */
  readonly gradientNorm?: number | undefined;
}

/** Adam's bias corrections 1 - βᵗ, moving averages of ones, as the state holds them. */
export interface BiasCorrections {
  c1: number;
  c2: number;
}

/** What dead latents come to in a step. */
interface Revived {
  readonly form: DeadForm;
  /** Of this shard: its dead latents, and how many entries they have. */
  readonly latents: number;
  readonly entries: number;
  readonly loss: number;
}

const NONE_REVIVED: Revived = { form: NO_DEAD, latents: 0, entries: 0, loss: 0 };

interface Selected {
  /** Entries of this shard. */
  readonly count: number;
  readonly smallestSelected: number;
  /** Whether all pre-activations were numbers. */
  readonly ordered: boolean;
}

/** One shard of a sparse step. */
export class Shard {
  readonly times: StepTimes = { gemm: 0, select: 0, reconstruct: 0, update: 0, exchange: 0 };
  readonly estimated: EstimateCounts = { steps: 0, candidates: 0, reach: 0 };
  readonly #plan: SparsePlan;
  readonly #shard: number;
  readonly #exchange: Exchange;
  readonly #kernel: Kernel;
  readonly #memory: ShardMemory;
  readonly #layout: Layout;
  readonly #runtime: Runtime;
  #preActivations!: Product;
  /** Where bytes are multiplied first. */
  #estimates: ByteProduct | undefined;
  /** Opened when they are first needed. */
  #dead: Promise<DeadProducts> | undefined;
  #dense: Promise<DenseProducts> | undefined;
  readonly #latents: number;
  readonly #width: number;
  readonly #columns: number;
  #corrections: BiasCorrections = { c1: 0, c2: 0 };
  #weights = { l1: 0, l0: 0, auxK: 0 };
  #likelyThreshold = 0;
  /** Steps of the window in which firing is counted. */
  #windowSteps = 0;
  #steps = 0;
  #lapStart = 0;

  private constructor(
    plan: SparsePlan,
    shard: number,
    exchange: Exchange,
    parts: { readonly memory: ShardMemory; readonly kernel: Kernel; readonly runtime: Runtime },
  ) {
    this.#plan = plan;
    this.#shard = shard;
    this.#exchange = exchange;
    this.#kernel = parts.kernel;
    this.#runtime = parts.runtime;
    this.#memory = parts.memory;
    this.#layout = parts.memory.layout;
    const { from, to } = latentsOf(plan, shard);
    this.#latents = to - from;
    this.#width = paddedWidth(plan);
    this.#columns = paddedColumns(this.#latents);
    this.#setObjective();
  }

  /** Shard `shard` of `plan`, ready for `load`. Errors of ONNX Runtime and of allocation pass through. */
  static async create(runtime: Runtime, plan: SparsePlan, shard: number, exchange: Exchange): Promise<Shard> {
    const { from, to } = latentsOf(plan, shard);
    const columns = paddedColumns(to - from);
    const width = paddedWidth(plan);
    const memory = new ShardMemory(plan, to - from);
    const kernel = await instantiateKernel(memory.memory);
    const sizes = {
      batch: plan.batchSize,
      samples: memory.samples,
      latents: to - from,
      columns,
      width,
      prefixes: plan.prefixes.length,
      mergedCapacity: largestShared(plan),
    };
    const { received: _, zeros: __, byteProducts: ___, ...addresses } = memory.layout;
    for (const [name, value] of Object.entries({ ...sizes, ...addresses })) {
      kernel[name as keyof typeof sizes | KernelAddress].value = value;
    }
    const created = new Shard(plan, shard, exchange, { memory, kernel, runtime });
    created.#preActivations = await openEncoderProduct(runtime, memory);
    if (plan.estimates) await created.#openEstimates();
    return created;
  }

  async #openEstimates(): Promise<void> {
    const product = await openByteProduct(this.#runtime, this.#memory);
    const reach = await findByteReach(this.#memory, product, latentsAtOnce(this.#plan, this.#columns));
    if (reach === undefined) return product.dispose();
    this.#estimates = product;
    this.#kernel.byteReach.value = reach;
    this.estimated.reach = reach;
  }

  #deadProducts(): Promise<DeadProducts> {
    this.#dead ??= openDeadProducts(this.#runtime, this.#memory);
    return this.#dead;
  }

  #denseProducts(): Promise<DenseProducts> {
    this.#dense ??= openDenseProducts(this.#runtime, this.#memory);
    return this.#dense;
  }

  #setObjective(): void {
    const { selection, decoder } = this.#plan;
    const isJump = selection.kind === 'jumprelu';
    const objective: Record<KernelObjective, number> = {
      projects: decoder === 'free' ? 0 : 1,
      renormalises: decoder === 'renormalise' ? 1 : 0,
      keepsNorms: asksForNorms(this.#plan) ? 1 : 0,
      l1: 0,
      l0: 0,
      bandwidth: isJump ? selection.bandwidth : 0,
      reachesInput: isJump && selection.gradientToInput ? 1 : 0,
      weighsByNorm: this.#weighsByNorm ? 1 : 0,
      byteReach: 0,
    };
    for (const [name, value] of Object.entries(objective)) this.#kernel[name as KernelObjective].value = value;
  }

  get #weighsByNorm(): boolean {
    const { selection } = this.#plan;
    return 'weighsByNorm' in selection && selection.weighsByNorm;
  }

  /** The weights of this step's loss. */
  #setWeights({ l1 = 0, l0 = 0, aux_k: auxK = 0 }: Readonly<Record<string, number>>): void {
    const { batchSize } = this.#plan;
    this.#weights = { l1, l0, auxK };
    this.#kernel.l1.value = l1 / batchSize;
    this.#kernel.l0.value = l0 / batchSize;
  }

  /** Takes over a state; the arrays are copied. */
  load(state: ShardState, corrections: BiasCorrections): void {
    for (const { array, key } of shardEntries(this.#plan)) {
      if (array === 'decoder' || array === 'encoder') this.#memory.placeRows(key, state[key]!);
      else this.#memory.floats(key, state[key]!.length).set(state[key]!);
    }
    for (const { key } of countsOf(this.#plan)) this.#memory.floats(key, this.#latents).set(state[key]!);
    this.#windowSteps = state.windowSteps?.[0] ?? 0;
    // A column without a latent has zero weights; with a negative bias it is never selected.
    this.#memory.floats('encoderBias', this.#columns).fill(-1, this.#latents);
    if (!isChosenTogether(this.#plan)) this.#memory.floats('lowest', this.#columns).fill(Number.POSITIVE_INFINITY);
    this.#memory.floats('inverseNorms', this.#columns).fill(1);
    if (asksForNorms(this.#plan)) this.#memory.floats('norms', this.#columns).fill(1);
    if (this.#plan.prefixes.length > 1) {
      this.#memory.integers('depths', this.#latents).set(depthsOf(this.#plan, this.#shard));
    }
    this.#kernel.measureNorms();
    if (this.#estimates) this.#kernel.writeEncoderBytes();
    this.#memory.integers('latentSteps', this.#latents).fill(this.#steps);
    this.#corrections = { ...corrections };
  }

  /** A copy of the state. */
  read(): { state: ShardState; corrections: BiasCorrections } {
    this.#kernel.makeUpLatents();
    const state: ShardState = {};
    for (const entry of shardEntries(this.#plan)) state[entry.key] = this.#take(entry);
    for (const { key } of countsOf(this.#plan)) state[key] = this.#memory.floats(key, this.#latents).slice();
    if (this.#plan.auxK?.byRate) state.windowSteps = Float32Array.of(this.#windowSteps);
    return { state, corrections: { ...this.#corrections } };
  }

  #take({ array, key }: ShardEntry): Float32Array<ArrayBuffer> {
    if (array === 'decoder' || array === 'encoder') return this.#memory.takeRows(key);
    return this.#memory.floats(key, array === 'decoderBias' ? this.#plan.dIn : this.#latents).slice();
  }

  /**
   * One step on `batch` [batch, d_in] with the numbers of `stepNumbers`. A step whose loss is not finite leaves the
   * state unchanged. All shards take the same step at the same time and give the same result.
   */
  async step(batch: Float32Array, numbers: Readonly<Record<string, number>>): Promise<StepResult> {
    this.#lapStart = performance.now();
    this.#setWeights(numbers);
    const kernel = this.#kernel;
    this.#memory.placeRows('centred', batch);
    kernel.centre();
    this.#lap('exchange');
    const candidates = await this.#enterCandidates();
    if (candidates === undefined) await this.#multiplyAll();
    const { count, smallestSelected, ordered } = this.#select(candidates);
    this.#lap('select');
    const isDense = !isChosenTogether(this.#plan) && this.#isDense(count, this.#latents);
    const dense = isDense ? await this.#denseProducts() : undefined;
    if (dense) {
      kernel.spreadValues();
      await dense.reconstruction.run();
    } else this.#reconstruct();
    this.#lap('reconstruct');
    const measured = this.#measure(count, ordered);
    this.#lap('exchange');
    const canGoOn = Number.isFinite(measured.losses.loss);
    const dead = canGoOn ? await this.#reviveDead(candidates === undefined) : NONE_REVIVED;
    const losses: StepLosses = { ...measured.losses, loss: measured.losses.loss + dead.loss, aux_k: dead.loss };
    const result = { losses, smallestSelected, active: measured.active, dead: measured.dead };
    if (!Number.isFinite(losses.loss)) return result;
    this.#setAdam(numbers['learning_rate']!);
    const { entryLatents, latentStarts, latentEntries, deadLatents, deadLatentStarts, deadLatentEntries } =
      this.#layout;
    kernel.sortByLatent(count, entryLatents, latentStarts, latentEntries);
    if (dead.form === DEAD_BY_PRODUCTS) await this.#multiplyDead(dead.latents);
    else if (dead.form === DEAD_BY_ENTRIES) {
      kernel.sortByLatent(dead.entries, deadLatents, deadLatentStarts, deadLatentEntries);
    }
    const gradientNorm = await this.#update(dead.form, dense);
    this.#countFiring();
    this.#lap('update');
    return { ...result, gradientNorm };
  }

  /** The size of its memory, in bytes. */
  get bytes(): number {
    return this.#memory.memory.buffer.byteLength;
  }

  async dispose(): Promise<void> {
    await this.#preActivations.dispose();
    await this.#estimates?.dispose();
    await (await this.#dead)?.dispose();
    const dense = await this.#dense;
    if (dense) await Promise.all(Object.values(dense).map(product => product.dispose()));
  }

  /**
   * Whether `entries` fill so much of [batch, latents] that products of whole matrices are cheaper than lists: an L1 or JumpReLU run begins so, and
   * dead latents that are to be revived are few for each of which there are many entries. It is decided anew in each step, from the step alone, so
   * that a resumed run decides alike.
   */
  #isDense(entries: number, latents: number): boolean {
    return entries > this.#plan.denseFrom * this.#plan.batchSize * latents;
  }

  /** Leaves all pre-activations in memory, by which latents are chosen. */
  async #multiplyAll(): Promise<void> {
    await this.#preActivations.run();
    if (this.#weighsByNorm) this.#kernel.weighScores();
    this.#lap('gemm');
  }

  /**
   * Enters, with their exact values, all that can be among the active, found by products of bytes. Their number; undefined where all
   * pre-activations are to be computed: without bytes, where too many cannot be ruled out, and where a number is not finite.
   */
  async #enterCandidates(): Promise<number | undefined> {
    if (!this.#estimates) return undefined;
    const kernel = this.#kernel;
    const allFinite = kernel.writeBatchBytes() === 1;
    const together = isChosenTogether(this.#plan);
    if (allFinite) await this.#estimate(this.#estimates);
    if (together) this.#findBounds(allFinite);
    else kernel.prepareThresholds();
    const byLatent = together ? 0 : 1;
    const listed = allFinite ? kernel.listCandidates(this.#memory.candidates, byLatent) : -1;
    if (together) {
      if (listed >= 0) this.#raiseBounds(listed);
      this.#agreeOnBounds(1);
    }
    let kept: number | undefined;
    if (listed >= 0) {
      kept = kernel.computeCandidates(listed, byLatent);
      kernel.enterCandidates(kept);
      this.estimated.steps++;
      this.estimated.candidates += kernel.computed.value;
    }
    this.#lap('select');
    return kept;
  }

  /** Multiplies bytes, so many latents at a time that their products are still in a cache when they are looked at. */
  async #estimate(product: ByteProduct): Promise<void> {
    const pool = poolSize(this.#plan, this.#columns);
    const atOnce = latentsAtOnce(this.#plan, this.#columns);
    this.#kernel.scaleSamples();
    for (let from = 0; from < this.#columns; from += atOnce) {
      const to = Math.min(from + atOnce, this.#columns);
      this.#lap('select');
      await product.run(from, to);
      this.#lap('gemm');
      this.#kernel.boundProducts(this.#layout.byteProducts, pool, from, to);
    }
  }

  /** Leaves in `bounds` what no active latent of a sample lies below, by the estimates of all shards. */
  #findBounds(allFinite: boolean): void {
    const { selection } = this.#plan;
    const kernel = this.#kernel;
    const pools = Math.ceil(this.#columns / poolSize(this.#plan, this.#columns));
    const { shared, own } = this.#asked();
    if (!allFinite) {
      for (const name of ['bounds', 'ownBounds'] as const) {
        this.#memory.floats(name, this.#memory.samples).fill(SMALLEST_POSITIVE);
      }
    } else if (selection.kind === 'topk') kernel.boundSamples(shared, own, pools);
    else kernel.boundBatch(shared, own, pools);
    this.#agreeOnBounds(0);
  }

  /** The same from exact values of what is sure to reach those bounds. */
  #raiseBounds(listed: number): void {
    const { shared, own } = this.#asked();
    this.#kernel.raiseBounds(listed, shared, own, this.#plan.selection.kind === 'topk' ? 0 : 1);
  }

  /**
   * How many values a shard must have at a bound, of a sample or of the batch, for it to hold: `shared`, its share of what is chosen, where each
   * shard has as many; `own`, all of it, where the others may have none.
   */
  #asked(): { readonly shared: number; readonly own: number } {
    const { selection, shards } = this.#plan;
    const own = 'count' in selection ? selection.count : 0;
    return { shared: Math.ceil(own / shards), own };
  }

  /** The bound of all: the least of those that shards share, or the largest of their own. Of the two times in a step, the first or the second. */
  #agreeOnBounds(time: 0 | 1): void {
    if (this.#plan.shards === 1) return;
    const { samples } = this.#memory;
    const bounds = this.#memory.floats('bounds', samples);
    const told = this.#exchange.bounds[time];
    told[this.#shard]!.set(bounds);
    told[this.#shard]!.set(this.#memory.floats('ownBounds', samples), samples);
    this.#exchange.barrier();
    for (let sample = 0; sample < samples; sample++) {
      let shared = bounds[sample]!;
      let own = 0;
      for (const theirs of told) {
        shared = Math.min(shared, theirs[sample]!);
        own = Math.max(own, theirs[samples + sample]!);
      }
      bounds[sample] = Math.max(shared, own);
    }
  }

  /** From the candidates that are entered, or from all pre-activations. */
  #select(candidates: number | undefined): Selected {
    const kernel = this.#kernel;
    const { selection } = this.#plan;
    switch (selection.kind) {
      case 'relu':
      case 'jumprelu': {
        if (candidates !== undefined) {
          if (selection.kind === 'jumprelu') kernel.close(0, candidates);
          return { count: candidates, smallestSelected: 0, ordered: true };
        }
        kernel.prepareThresholds();
        const count = kernel.selectAbove();
        return { count: Math.max(count, 0), smallestSelected: 0, ordered: count >= 0 };
      }
      case 'topk':
      case 'batchtopk': {
        const { kind, count, weighsByNorm } = selection;
        const selected =
          kind === 'topk' ? this.#selectTopK(count, candidates) : this.#selectBatchTopK(count, candidates);
        if (weighsByNorm) kernel.unweighEntries(selected.count);
        return selected;
      }
    }
  }

  #selectTopK(k: number, candidates: number | undefined): Selected {
    const most = Math.min(k, this.#columns);
    const selected = candidates === undefined ? this.#kernel.selectTopK(most) : this.#kernel.keepTopOfRows(most);
    if (this.#plan.shards > 1) {
      this.#shareSelection(selected);
      const count = this.#kernel.mergeTopK(this.#plan.shards, this.#shard, k, ABOVE_ZERO);
      return { count, smallestSelected: 0, ordered: selected >= 0 };
    }
    return { count: Math.max(selected, 0), smallestSelected: 0, ordered: selected >= 0 };
  }

  /** Starts from a guess where there are no estimates; where it finds too few in all shards together, looks again without one. */
  #selectBatchTopK(total: number, candidates: number | undefined): Selected {
    const { shards } = this.#plan;
    for (let bound = this.#estimates ? 0 : this.#likelyThreshold; ; bound = 0) {
      const selected =
        candidates === undefined
          ? this.#kernel.selectBatchTopK(total, bound, this.#memory.capacity)
          : this.#keepLargest(total, candidates);
      const ordered = selected >= 0;
      let count = Math.max(selected, 0);
      let found = count;
      if (shards > 1) found = this.#shareSelection(selected);
      if (found < total && bound > 0) {
        // No shard may write its next selection before all have read this one.
        if (shards > 1) this.#exchange.barrier();
        continue;
      }
      let smallestSelected: number;
      if (shards > 1) {
        count = this.#kernel.mergeBatchTopK(shards, this.#shard, total);
        smallestSelected = this.#kernel.smallestSelected.value;
      } else {
        smallestSelected = this.#kernel.smallest(0, count);
      }
      this.#likelyThreshold = THRESHOLD_MARGIN * smallestSelected;
      return { count, smallestSelected, ordered };
    }
  }

  #keepLargest(total: number, candidates: number): number {
    const count = this.#kernel.keepLargest(0, candidates, total);
    this.#kernel.indexRows(count);
    return count;
  }

  /** Tells every shard what this one selected, in the arrays that the kernel uses now, and copies what they did; the number of all entries. */
  #shareSelection(selected: number): number {
    const { batchSize, shards } = this.#plan;
    const kernel = this.#kernel;
    const count = Math.max(selected, 0);
    const starts = this.#memory.integersAt(kernel.rowStarts.value, batchSize + 1);
    if (selected < 0) starts.fill(0);
    this.#exchange.rowStarts[this.#shard]!.set(starts);
    this.#exchange.values[this.#shard]!.set(this.#memory.floatsAt(kernel.entryValues.value, count));
    this.#exchange.barrier();
    const mergedStarts = this.#memory.integers('mergedStarts', shards * (batchSize + 1));
    const capacity = largestShared(this.#plan);
    const mergedValues = this.#memory.floats('mergedValues', shards * capacity);
    let found = 0;
    for (let shard = 0; shard < shards; shard++) {
      const theirs = this.#exchange.rowStarts[shard]!;
      const length = theirs[batchSize]!;
      mergedStarts.set(theirs, shard * (batchSize + 1));
      mergedValues.set(this.#exchange.values[shard]!.subarray(0, length), shard * capacity);
      found += length;
    }
    return found;
  }

  /** This shard's part of the reconstruction, of each depth apart. */
  #reconstruct(): void {
    const { prefixes, batchSize } = this.#plan;
    const { gradients } = this.#layout;
    if (prefixes.length === 1) this.#kernel.reconstruct(gradients, -1);
    else
      for (let depth = 0; depth < prefixes.length; depth++) {
        this.#kernel.reconstruct(gradients + 4 * depth * batchSize * this.#width, depth);
      }
  }

  /** What the squared error of one element counts in the loss's unit. */
  get #unit(): number {
    const { batchSize, dIn, reconstruction } = this.#plan;
    return 1 / (reconstruction === 'sum' ? batchSize : batchSize * dIn);
  }

  /** What the squared error of one element of a prefix's reconstruction counts, and half its derivative's factor. */
  get #errorWeight(): number {
    return this.#unit * this.#plan.prefixWeight;
  }

  /** Adds up the reconstruction and leaves its gradient in `gradients`; the loss, but for what dead latents add. */
  #measure(count: number, ordered: boolean): Pick<StepResult, 'losses' | 'active' | 'dead'> {
    const { batchSize, shards, prefixes } = this.#plan;
    const weight = this.#errorWeight;
    const { from, to } = rowsOf(this.#plan, this.#shard);
    const received = this.#gatherRows(this.#layout.gradients, prefixes.length);
    const sums = this.#exchange.sums;
    const own = this.#shard * sumsOf(this.#plan);
    this.#kernel.measure(from, to, received, shards, 2 * weight);
    const [squares, ...shorter] = this.#memory.doubles('squaredErrors', prefixes.length);
    sums[own + SQUARES] = ordered ? squares! : Number.NaN;
    for (const [i, value] of shorter.entries()) sums[own + SHORTER_SQUARES + i] = value;
    sums[own + FEATURES] = this.#weights.l1 === 0 ? 0 : this.#kernel.sumOfFeatures(count);
    sums[own + ACTIVE] = this.#kernel.countActive(count);
    sums[own + DEAD] = this.#countDead();
    this.#shareRows(this.#layout.gradients, prefixes.length);
    const mse = this.#total(SQUARES) * weight;
    // From the shortest on, as the terms go.
    const inner = prefixes
      .slice(0, -1)
      .map((width, i): [string, number] => [
        prefixTerm(width),
        this.#total(SHORTER_SQUARES + prefixes.length - 2 - i) * weight,
      ]);
    const ofPrefixes = inner.reduce((sum, [, value]) => sum + value, mse);
    const l1 = (this.#weights.l1 * this.#total(FEATURES)) / batchSize;
    const active = this.#total(ACTIVE);
    const l0 = (this.#weights.l0 * active) / batchSize;
    const losses = { loss: ofPrefixes + l1 + l0, mse, ...Object.fromEntries(inner), l1, l0, aux_k: 0 };
    return { losses, active, dead: this.#total(DEAD) };
  }

  /** Counts on which samples latents fired in the batch, whose entries are sorted. */
  #countFiring(): void {
    const { silence, auxK, batchSize } = this.#plan;
    if (silence !== undefined) this.#kernel.countSilence(silence);
    if (!auxK?.byRate) return;
    this.#kernel.countFired();
    if (++this.#windowSteps < auxK.byRate.window) return;
    this.#kernel.endFiringWindow(auxK.byRate.window * batchSize);
    this.#windowSteps = 0;
  }

  /** This shard's latents that are reported as dead. */
  #countDead(): number {
    const { reportedDeadAfter } = this.#plan;
    if (reportedDeadAfter === undefined) return 0;
    let dead = 0;
    for (const samples of this.#memory.floats('silent', this.#latents)) if (samples >= reportedDeadAfter) dead++;
    return dead;
  }

  /** All shards' parts of this shard's rows of `matrices` sums [matrices, batch, width]: the address of [shards, matrices, rows, width]. */
  #gatherRows(address: number, matrices: number): number {
    const { batchSize, shards } = this.#plan;
    const { from, to } = rowsOf(this.#plan, this.#shard);
    const width = this.#width;
    if (shards === 1) return address;
    this.#exchange.parts[this.#shard]!.set(this.#memory.floatsAt(address, matrices * batchSize * width));
    this.#exchange.barrier();
    const length = (to - from) * width;
    const received = this.#memory.floats('received', shards * matrices * length);
    for (let shard = 0; shard < shards; shard++) {
      for (let matrix = 0; matrix < matrices; matrix++) {
        const first = matrix * batchSize;
        const part = this.#exchange.parts[shard]!.subarray((first + from) * width, (first + to) * width);
        received.set(part, (shard * matrices + matrix) * length);
      }
    }
    return this.#layout.received;
  }

  /** Gives the others this shard's rows of `matrices` arrays [matrices, batch, width], and takes theirs. */
  #shareRows(address: number, matrices: number): void {
    const { batchSize, shards } = this.#plan;
    if (shards === 1) return;
    const { from, to } = rowsOf(this.#plan, this.#shard);
    const width = this.#width;
    const rows = this.#memory.floatsAt(address, matrices * batchSize * width);
    for (let matrix = 0; matrix < matrices; matrix++) {
      const [first, end] = [(matrix * batchSize + from) * width, (matrix * batchSize + to) * width];
      this.#exchange.gradients.set(rows.subarray(first, end), first);
    }
    this.#exchange.barrier();
    rows.set(this.#exchange.gradients.subarray(0, rows.length));
  }

  /** The shards' sum of one of the numbers in Exchange.sums, in one order for all. */
  #total(which: number): number {
    let total = 0;
    const sums = sumsOf(this.#plan);
    for (let shard = 0; shard < this.#plan.shards; shard++) total += this.#exchange.sums[shard * sums + which]!;
    return total;
  }

  /**
   * The auxiliary loss: dead latents reconstruct the error, which the gradients still say. Their entries, as a list or as a matrix, and the gradient
   * of their reconstruction are then in memory. `hasAll`: whether all pre-activations are.
   */
  async #reviveDead(hasAll: boolean): Promise<Revived> {
    const { auxK, shards, batchSize, dIn } = this.#plan;
    if (!auxK) return NONE_REVIVED;
    const kernel = this.#kernel;
    const own = auxK.byRate ? kernel.listRare(auxK.byRate.below) : kernel.listDead(auxK.deadAfter);
    this.#exchange.deadCounts[this.#shard] = own;
    if (shards > 1) this.#exchange.barrier();
    const all = this.#exchange.deadCounts.reduce((sum, count) => sum + count, 0);
    if (all === 0) return NONE_REVIVED;

    const areFew = own > 0 && own <= mostDeadApart(this.#plan, this.#columns);
    const isGathered = areFew && !hasAll;
    const { encoder, deadEncoder } = this.#layout;
    if (isGathered) {
      kernel.gatherDead(own, encoder, deadEncoder);
      await (await this.#deadProducts()).scores(paddedDead(own));
    } else if (!hasAll && own > 0) await this.#multiplyAll();
    const entries = this.#withDeadEntries(() => this.#selectDead(own, all, isGathered ? 1 : 0));
    const form = areFew && this.#isDense(entries, own) ? DEAD_BY_PRODUCTS : entries > 0 ? DEAD_BY_ENTRIES : NO_DEAD;
    await this.#reconstructDead(form, own);
    const weight = this.#errorWeight;
    const { from, to } = rowsOf(this.#plan, this.#shard);
    const { gradients, deadGradients, centred, sumRow } = this.#layout;
    const received = this.#gatherRows(deadGradients, 1);
    let share: number;
    if (auxK.form === 'saelens') {
      share = Math.min(all / auxK.fullFrom, 1);
    } else {
      // Every shard holds the whole batch and its whole error. The variance of the error follows from that of its
      // gradient.
      const elements = batchSize * dIn;
      const ofInput = kernel.scatter(centred, sumRow) / elements;
      const ofError = kernel.scatter(gradients, sumRow) / elements / (2 * weight) ** 2;
      share = ofInput / Math.max(ofError, TINY);
    }
    const factor = this.#weights.auxK * share * this.#unit;
    const squares = kernel.measureDead(from, to, received, shards, 2 * weight, 2 * factor, deadGradients);
    this.#exchange.sums[this.#shard * sumsOf(this.#plan) + DEAD_SQUARES] = squares;
    this.#shareRows(deadGradients, 1);
    return { form, latents: own, entries, loss: factor * this.#total(DEAD_SQUARES) };
  }

  /** What `latents` dead latents give of the error, in `deadGradients`. */
  async #reconstructDead(form: DeadForm, latents: number): Promise<void> {
    const { decoder, deadDecoder, deadGradients } = this.#layout;
    if (form !== DEAD_BY_PRODUCTS) {
      this.#withDeadEntries(() => this.#kernel.reconstruct(deadGradients, -1));
      return;
    }
    this.#withDeadEntries(() => this.#kernel.spreadDead(latents));
    this.#kernel.gatherDead(latents, decoder, deadDecoder);
    await (await this.#deadProducts()).reconstruction(paddedDead(latents));
  }

  /** Leaves the gradients of `latents` dead latents in the places of their rows. */
  async #multiplyDead(latents: number): Promise<void> {
    const products = await this.#deadProducts();
    const count = paddedDead(latents);
    await products.byFeature(count);
    await products.byDecoder(count);
    this.#kernel.scoreDead(latents, deadProductsAt(this.#memory, count));
    await products.byEncoder(count);
  }

  /** Enters the dead latents' largest pre-activations. */
  #selectDead(own: number, all: number, isGathered: 0 | 1): number {
    const { shards } = this.#plan;
    const { form, k } = this.#plan.auxK!;
    const kernel = this.#kernel;
    const floor = form === 'openai' ? ABOVE_ZERO : NO_FLOOR;
    let count = kernel.selectDead(own, k, floor, isGathered);
    if (shards > 1 && all > k) {
      this.#shareSelection(count);
      count = kernel.mergeTopK(shards, this.#shard, k, floor);
    }
    if (this.#weighsByNorm) kernel.unweighEntries(count);
    return count;
  }

  /** Runs `task` with the kernel's entries being those of dead latents. */
  #withDeadEntries<Result>(task: () => Result): Result {
    const kernel = this.#kernel;
    const layout = this.#layout;
    const use = (rows: number, latents: number, values: number, starts: number): void => {
      kernel.entryRows.value = rows;
      kernel.entryLatents.value = latents;
      kernel.entryValues.value = values;
      kernel.rowStarts.value = starts;
    };
    use(layout.deadRows, layout.deadLatents, layout.deadValues, layout.deadRowStarts);
    try {
      return task();
    } finally {
      use(layout.entryRows, layout.entryLatents, layout.entryValues, layout.rowStarts);
    }
  }

  /**
   * Updates all parameters: each latent's at once, or, where gradients are clipped or come from products, all when all
   * gradients are known.
   * @returns the gradient's norm where it is clipped
   */
  async #update(dead: DeadForm, dense: DenseProducts | undefined): Promise<number | undefined> {
    const kernel = this.#kernel;
    const { clip, holdsBias } = this.#plan;
    let squares = 0;
    if (dense) squares = await this.#gatherDense(dense);
    else if (clip !== undefined) squares = kernel.gatherLatents(dead);
    else kernel.updateLatents(dead);
    this.#exchange.sums[this.#shard * sumsOf(this.#plan) + GRADIENT] = squares;
    this.#lap('update');
    let scale = 1;
    let gradientNorm: number | undefined;
    if (clip !== undefined || !holdsBias) {
      const ofBias = this.#sumDecoderBias();
      const norm = Math.sqrt(this.#total(GRADIENT) + (holdsBias ? 0 : ofBias));
      // As torch.nn.utils.clip_grad_norm_ has it.
      if (clip !== undefined) {
        scale = Math.min(1, clip / (norm + 1e-6));
        gradientNorm = norm;
      }
    }
    if (dense || clip !== undefined) kernel.applyLatents(scale);
    if (!holdsBias) kernel.updateDecoderBias(scale);
    this.#lap('exchange');
    return gradientNorm;
  }

  /** Leaves all gradients of this shard's latents in memory, from products of whole matrices; their sum of squares. */
  async #gatherDense({ byFeature, byDecoder, byEncoder }: DenseProducts): Promise<number> {
    await byFeature.run();
    await byDecoder.run();
    this.#kernel.scoreGradients();
    await byEncoder.run();
    return this.#kernel.finishGradients();
  }

  /** Leaves b_dec's gradient in `sumRow`. Every shard adds up the same parts in the same order, and so keeps the same b_dec. */
  #sumDecoderBias(): number {
    const { shards } = this.#plan;
    if (shards === 1) return this.#kernel.sumDecoderBias(this.#layout.decoderBiasGradient, 1);
    this.#exchange.biasGradients[this.#shard]!.set(this.#memory.floats('decoderBiasGradient', this.#width));
    this.#exchange.barrier();
    const received = this.#memory.floats('received', shards * this.#width);
    for (let shard = 0; shard < shards; shard++) {
      received.set(this.#exchange.biasGradients[shard]!, shard * this.#width);
    }
    return this.#kernel.sumDecoderBias(this.#layout.received, shards);
  }

  /** Advances 1 - βᵗ and folds the bias corrections into Adam's step size and eps. */
  #setAdam(learningRate: number): void {
    const { betas, eps, weightDecay } = this.#plan.optimizer;
    const [beta1, beta2] = betas;
    const corrections = this.#corrections;
    corrections.c1 = Math.fround(corrections.c1 * beta1 + (1 - beta1));
    corrections.c2 = Math.fround(corrections.c2 * beta2 + (1 - beta2));
    const root = Math.sqrt(corrections.c2);
    const factors: Record<KernelFactor, number> = {
      beta1,
      beta2,
      rest1: 1 - beta1,
      rest2: 1 - beta2,
      stepSize: (learningRate * root) / corrections.c1,
      epsilon: eps * root,
      decay: 1 - learningRate * weightDecay,
      step: ++this.#steps,
    };
    for (const [name, value] of Object.entries(factors)) this.#kernel[name as KernelFactor].value = value;
  }

  /** Books the time since the last call to a part of the step. */
  #lap(part: keyof StepTimes): void {
    const now = performance.now();
    this.times[part] += now - this.#lapStart;
    this.#lapStart = now;
  }
}
