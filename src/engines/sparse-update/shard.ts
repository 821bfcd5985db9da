/**
 * One shard of a sparse step: some of the latents, with their decoder and encoder rows and Adam's moments, in a WebAssembly
 * memory of its own that also backs ONNX Runtime's tensors, so that nothing is copied between them.
 * ONNX Runtime multiplies; the kernel chooses which latents are active, reconstructs from them and updates each latent's rows.
 * Shards meet over the choice (where it is one for all), the reconstruction, its gradient, and the gradient of b_dec; and three times
 * more where dead latents are revived.
 */
import type { Runtime } from '../../sessions/runtime.ts';
import { type Exchange, SUMS } from './exchange.ts';
import {
  instantiateKernel,
  type Kernel,
  type KernelAddress,
  type KernelFactor,
  type KernelObjective,
} from './kernel.ts';
import {
  asksForNorms,
  isChosenTogether,
  largestShared,
  latentsOf,
  paddedColumns,
  paddedWidth,
  rowsOf,
  type SparsePlan,
} from './plan.ts';
import { type DenseProducts, openDenseProducts, openEncoderProduct, type Product } from './products.ts';
import { type Layout, ShardMemory } from './shard-memory.ts';
import { type ShardEntry, type ShardState, shardEntries } from './state.ts';

/**
 * The search for a batch's threshold starts from this share of the last batch's. A wrong guess costs a second search.
 */
const THRESHOLD_MARGIN = 0.9;
/** An error with a variance below this counts as 0. */
const TINY = 1e-30;
/** A bound below all numbers, which excludes none. */
const NO_FLOOR = -3.4e38;
const ABOVE_ZERO = 0;

/** The places in Exchange.sums of the numbers that a shard contributes. */
const SQUARES = 0;
const FEATURES = 1;
const ACTIVE = 2;
const DEAD_SQUARES = 3;
const GRADIENT = 4;
const DEAD = 5;

/** Milliseconds that this shard spent in each part of its steps; `exchange` holds copies and waiting for other shards. */
export interface StepTimes {
  gemm: number;
  select: number;
  reconstruct: number;
  update: number;
  exchange: number;
}

/** The loss of a batch before the update, and the terms that it is the sum of. */
export interface StepLosses {
  readonly loss: number;
  readonly mse: number;
  readonly l1: number;
  readonly l0: number;
  readonly aux_k: number;
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
  readonly #plan: SparsePlan;
  readonly #shard: number;
  readonly #exchange: Exchange;
  readonly #kernel: Kernel;
  readonly #memory: ShardMemory;
  readonly #layout: Layout;
  readonly #runtime: Runtime;
  #preActivations!: Product;
  /** The dense products, opened when they are first needed. */
  #dense: Promise<DenseProducts> | undefined;
  readonly #latents: number;
  readonly #width: number;
  readonly #columns: number;
  #corrections: BiasCorrections = { c1: 0, c2: 0 };
  #weights = { l1: 0, l0: 0, auxK: 0 };
  #likelyThreshold = 0;
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
      latents: to - from,
      columns,
      width,
      mergedCapacity: largestShared(plan),
    };
    const { received: _, zeros: __, ...addresses } = memory.layout;
    for (const [name, value] of Object.entries({ ...sizes, ...addresses })) {
      kernel[name as keyof typeof sizes | KernelAddress].value = value;
    }
    const created = new Shard(plan, shard, exchange, { memory, kernel, runtime });
    created.#preActivations = await openEncoderProduct(runtime, memory);
    return created;
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
    };
    for (const [name, value] of Object.entries(objective)) this.#kernel[name as KernelObjective].value = value;
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
    if (state.silent) this.#memory.floats('silent', this.#latents).set(state.silent);
    // A column without a latent has zero weights; with a negative bias it is never selected.
    this.#memory.floats('encoderBias', this.#columns).fill(-1, this.#latents);
    if (!isChosenTogether(this.#plan)) this.#memory.floats('lowest', this.#columns).fill(Number.POSITIVE_INFINITY);
    this.#memory.floats('inverseNorms', this.#columns).fill(1);
    if (asksForNorms(this.#plan)) this.#memory.floats('norms', this.#columns).fill(1);
    this.#kernel.measureNorms();
    this.#memory.integers('latentSteps', this.#latents).fill(this.#steps);
    this.#corrections = { ...corrections };
  }

  /** A copy of the state. */
  read(): { state: ShardState; corrections: BiasCorrections } {
    this.#kernel.makeUpLatents();
    const state: ShardState = {};
    for (const entry of shardEntries(this.#plan)) state[entry.key] = this.#take(entry);
    if (this.#plan.silence !== undefined) state.silent = this.#memory.floats('silent', this.#latents).slice();
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
    await this.#preActivations.run();
    this.#lap('gemm');
    const { count, smallestSelected, ordered } = this.#select();
    this.#lap('select');
    const dense = this.#isDense(count) ? await this.#denseProducts() : undefined;
    if (dense) {
      kernel.spreadValues();
      await dense.reconstruction.run();
    } else kernel.reconstruct(this.#layout.gradients);
    this.#lap('reconstruct');
    const measured = this.#measure(count, ordered);
    this.#lap('exchange');
    const dead = Number.isFinite(measured.losses.loss) ? this.#reviveDead() : { count: 0, loss: 0 };
    const losses = { ...measured.losses, loss: measured.losses.loss + dead.loss, aux_k: dead.loss };
    const result = { losses, smallestSelected, active: measured.active, dead: measured.dead };
    if (!Number.isFinite(losses.loss)) return result;
    this.#setAdam(numbers['learning_rate']!);
    const { entryLatents, latentStarts, latentEntries, deadLatents, deadLatentStarts, deadLatentEntries } =
      this.#layout;
    kernel.sortByLatent(count, entryLatents, latentStarts, latentEntries);
    const hasDead = dead.count > 0 ? 1 : 0;
    if (hasDead) kernel.sortByLatent(dead.count, deadLatents, deadLatentStarts, deadLatentEntries);
    const gradientNorm = await this.#update(hasDead, dense);
    if (this.#plan.silence !== undefined) kernel.countSilence(this.#plan.silence);
    this.#lap('update');
    return { ...result, gradientNorm };
  }

  /** The size of its memory, in bytes. */
  get bytes(): number {
    return this.#memory.memory.buffer.byteLength;
  }

  async dispose(): Promise<void> {
    await this.#preActivations.dispose();
    const dense = await this.#dense;
    if (dense) await Promise.all(Object.values(dense).map(product => product.dispose()));
  }

  /**
   * Whether so many latents are active that products of whole matrices are cheaper than lists: an L1 or JumpReLU run begins so. It is
   * decided anew in each step, from the step alone, so that a resumed run decides alike.
   */
  #isDense(count: number): boolean {
    if (isChosenTogether(this.#plan)) return false;
    return count > this.#plan.denseFrom * this.#plan.batchSize * this.#latents;
  }

  #select(): Selected {
    const kernel = this.#kernel;
    const { selection } = this.#plan;
    switch (selection.kind) {
      case 'relu':
      case 'jumprelu': {
        kernel.prepareThresholds();
        const count = kernel.selectAbove();
        return { count: Math.max(count, 0), smallestSelected: 0, ordered: count >= 0 };
      }
      case 'topk':
      case 'batchtopk': {
        if (selection.weighsByNorm) kernel.weighScores();
        const selected =
          selection.kind === 'topk' ? this.#selectTopK(selection.count) : this.#selectBatchTopK(selection.count);
        if (selection.weighsByNorm) kernel.unweighEntries(selected.count);
        return selected;
      }
    }
  }

  #selectTopK(k: number): Selected {
    const selected = this.#kernel.selectTopK(Math.min(k, this.#columns));
    if (this.#plan.shards > 1) {
      this.#shareSelection(selected);
      const count = this.#kernel.mergeTopK(this.#plan.shards, this.#shard, k, ABOVE_ZERO);
      return { count, smallestSelected: 0, ordered: selected >= 0 };
    }
    return { count: Math.max(selected, 0), smallestSelected: 0, ordered: selected >= 0 };
  }

  /**
   * Selects the batch's largest entries from a guessed threshold. Where all shards together find too few, it selects
   * again without a guess.
   */
  #selectBatchTopK(total: number): Selected {
    const { shards } = this.#plan;
    for (let bound = this.#likelyThreshold; ; bound = 0) {
      const selected = this.#kernel.selectBatchTopK(total, bound, this.#memory.capacity);
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

  /**
   * Shares this shard's selection with the others, from the arrays that the kernel uses now, and copies theirs.
   * @returns the number of all entries
   */
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

  /** The weight of one element's squared error, and the factor of its derivative: the same for every element. */
  get #errorWeight(): number {
    const { batchSize, dIn, reconstruction } = this.#plan;
    return 1 / (reconstruction === 'sum' ? batchSize : batchSize * dIn);
  }

  /** Adds up the reconstruction and leaves its gradient in `gradients`; the loss, but for what dead latents add. */
  #measure(count: number, ordered: boolean): Pick<StepResult, 'losses' | 'active' | 'dead'> {
    const { batchSize, shards } = this.#plan;
    const weight = this.#errorWeight;
    const { from, to } = rowsOf(this.#plan, this.#shard);
    const received = this.#gatherRows(this.#layout.gradients);
    const sums = this.#exchange.sums;
    const own = this.#shard * SUMS;
    const squares = this.#kernel.measure(from, to, received, shards, 2 * weight);
    sums[own + SQUARES] = ordered ? squares : Number.NaN;
    sums[own + FEATURES] = this.#weights.l1 === 0 ? 0 : this.#kernel.sumOfFeatures(count);
    sums[own + ACTIVE] = this.#kernel.countActive(count);
    sums[own + DEAD] = this.#countDead();
    this.#shareRows(this.#layout.gradients);
    const mse = this.#total(SQUARES) * weight;
    const l1 = (this.#weights.l1 * this.#total(FEATURES)) / batchSize;
    const active = this.#total(ACTIVE);
    const l0 = (this.#weights.l0 * active) / batchSize;
    return { losses: { loss: mse + l1 + l0, mse, l1, l0, aux_k: 0 }, active, dead: this.#total(DEAD) };
  }

  /** This shard's latents that are reported as dead. */
  #countDead(): number {
    const { reportedDeadAfter } = this.#plan;
    if (reportedDeadAfter === undefined) return 0;
    let dead = 0;
    for (const samples of this.#memory.floats('silent', this.#latents)) if (samples >= reportedDeadAfter) dead++;
    return dead;
  }

  /** All shards' parts of this shard's rows of a sum [batch, width]: the address of [shards, rows, width]. */
  #gatherRows(address: number): number {
    const { batchSize, shards } = this.#plan;
    const { from, to } = rowsOf(this.#plan, this.#shard);
    const width = this.#width;
    if (shards === 1) return address;
    this.#exchange.parts[this.#shard]!.set(this.#memory.floatsAt(address, batchSize * width));
    this.#exchange.barrier();
    const length = (to - from) * width;
    const received = this.#memory.floats('received', shards * length);
    for (let shard = 0; shard < shards; shard++) {
      received.set(this.#exchange.parts[shard]!.subarray(from * width, to * width), shard * length);
    }
    return this.#layout.received;
  }

  /** Shares this shard's rows of an array [batch, width] with the others, and copies theirs. */
  #shareRows(address: number): void {
    const { batchSize, shards } = this.#plan;
    if (shards === 1) return;
    const { from, to } = rowsOf(this.#plan, this.#shard);
    const width = this.#width;
    const rows = this.#memory.floatsAt(address, batchSize * width);
    this.#exchange.gradients.set(rows.subarray(from * width, to * width), from * width);
    this.#exchange.barrier();
    rows.set(this.#exchange.gradients);
  }

  /** The shards' sum of one of the numbers in Exchange.sums, in one order for all. */
  #total(which: number): number {
    let total = 0;
    for (let shard = 0; shard < this.#plan.shards; shard++) total += this.#exchange.sums[shard * SUMS + which]!;
    return total;
  }

  /**
   * Computes the auxiliary loss: dead latents reconstruct the error, which `gradients` still holds. Afterwards their
   * entries and the gradient of their reconstruction are in memory.
   */
  #reviveDead(): { readonly count: number; readonly loss: number } {
    const { auxK, shards, batchSize, dIn } = this.#plan;
    if (!auxK) return { count: 0, loss: 0 };
    const kernel = this.#kernel;
    const own = kernel.listDead(auxK.deadAfter);
    this.#exchange.deadCounts[this.#shard] = own;
    if (shards > 1) this.#exchange.barrier();
    const all = this.#exchange.deadCounts.reduce((sum, count) => sum + count, 0);
    if (all === 0) return { count: 0, loss: 0 };

    const count = this.#withDeadEntries(() => this.#selectDead(own, all));
    const weight = this.#errorWeight;
    const { from, to } = rowsOf(this.#plan, this.#shard);
    const { gradients, deadGradients, centred, sumRow } = this.#layout;
    const received = this.#gatherRows(deadGradients);
    let share: number;
    if (auxK.form === 'saelens') {
      share = Math.min(all / auxK.k, 1);
    } else {
      // Every shard holds the whole batch and its whole error. The variance of the error follows from that of its
      // gradient.
      const elements = batchSize * dIn;
      const ofInput = kernel.scatter(centred, sumRow) / elements;
      const ofError = kernel.scatter(gradients, sumRow) / elements / (2 * weight) ** 2;
      share = ofInput / Math.max(ofError, TINY);
    }
    const factor = this.#weights.auxK * share * weight;
    const squares = kernel.measureDead(from, to, received, shards, 2 * weight, 2 * factor, deadGradients);
    this.#exchange.sums[this.#shard * SUMS + DEAD_SQUARES] = squares;
    this.#shareRows(deadGradients);
    return { count, loss: factor * this.#total(DEAD_SQUARES) };
  }

  /** Enters the dead latents' largest pre-activations and reconstructs from them. */
  #selectDead(own: number, all: number): number {
    const { shards } = this.#plan;
    const { form, k } = this.#plan.auxK!;
    const kernel = this.#kernel;
    const floor = form === 'openai' ? ABOVE_ZERO : NO_FLOOR;
    let count = kernel.selectDead(own, k, floor);
    if (shards > 1 && all > k) {
      this.#shareSelection(count);
      count = kernel.mergeTopK(shards, this.#shard, k, floor);
    }
    const { selection } = this.#plan;
    if ('weighsByNorm' in selection && selection.weighsByNorm) kernel.unweighEntries(count);
    kernel.reconstruct(this.#layout.deadGradients);
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
  async #update(hasDead: 0 | 1, dense: DenseProducts | undefined): Promise<number | undefined> {
    const kernel = this.#kernel;
    const { clip, holdsBias } = this.#plan;
    let squares = 0;
    if (dense) squares = await this.#gatherDense(dense);
    else if (clip !== undefined) squares = kernel.gatherLatents(hasDead);
    else kernel.updateLatents(hasDead);
    this.#exchange.sums[this.#shard * SUMS + GRADIENT] = squares;
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
