/**
 * One shard of a sparse step: some of the latents, with their decoder and encoder rows and Adam's moments, in a WebAssembly
 * memory of its own that also backs ONNX Runtime's tensors, so that nothing is copied between them.
 * ONNX Runtime multiplies; the kernel selects, reconstructs and updates each latent's rows in one pass.
 * Shards meet four times a step: over the selection, the reconstruction, its gradient, and the gradient of b_dec.
 */
import { encodeModel } from '../../onnx/write.ts';
import type { Runtime } from '../../sessions/runtime.ts';
import { type Feeds, openSession, type Session } from '../../sessions/session.ts';
import { encoderGraph } from './encoder-graph.ts';
import type { Exchange } from './exchange.ts';
import { instantiateKernel, type Kernel, type KernelAddress, type KernelFactor } from './kernel.ts';
import { largestSelection, latentsOf, paddedColumns, paddedWidth, rowsOf, type SparsePlan } from './plan.ts';
import { momentsOf, SHARD_ARRAYS, type ShardState } from './state.ts';

const PAGE = 65_536;
/** Below it lies what the compiler places. */
const FIRST_ADDRESS = 1_024;
/** The next batch's threshold is sought from this share of the last one's; a wrong guess costs a second look. */
const THRESHOLD_MARGIN = 0.9;

/** Milliseconds that this shard spent in each part of its steps; `exchange` holds copies and waiting for other shards. */
export interface StepTimes {
  gemm: number;
  select: number;
  reconstruct: number;
  update: number;
  exchange: number;
}

export interface StepResult {
  /** Mean squared error of the batch, before the update. Not finite where the step was refused. */
  readonly loss: number;
  /** Smallest activation that was selected in the whole batch; 0 where none was. */
  readonly smallestSelected: number;
}

/** Moving averages of ones: 1 - βᵗ, as the state holds them. */
export interface BiasCorrections {
  c1: number;
  c2: number;
}

interface Selection {
  /** Entries of this shard. */
  readonly count: number;
  readonly smallestSelected: number;
  /** False where a pre-activation was not a number. */
  readonly ordered: boolean;
}

/** Byte offset of each array of a shard. */
type Layout = Readonly<Record<KernelAddress | 'received', number>>;

interface ShardMemory {
  readonly layout: Layout;
  readonly memory: WebAssembly.Memory;
}

function allocate(plan: SparsePlan, latents: number, selection: number, capacity: number): ShardMemory {
  const width = paddedWidth(plan);
  const columns = paddedColumns(latents);
  const { batchSize, shards } = plan;
  const firstMoment = plan.optimizer.betas[0] === 0 ? 0 : 1;
  const matrix = columns * width;
  const lengths: Record<keyof Layout, number> = {
    centred: batchSize * width,
    preActivations: batchSize * columns,
    gradients: batchSize * width,
    decoder: matrix,
    decoderM: firstMoment * matrix,
    decoderV: matrix,
    inverseNorms: columns,
    encoder: matrix,
    encoderM: firstMoment * matrix,
    encoderV: matrix,
    encoderBias: columns,
    encoderBiasM: firstMoment * columns,
    encoderBiasV: columns,
    decoderBias: width,
    decoderBiasM: firstMoment * width,
    decoderBiasV: width,
    decoderBiasGradient: width,
    entryRows: capacity,
    entryLatents: capacity,
    entryValues: capacity,
    rowStarts: batchSize + 1,
    latentSteps: latents,
    latentStarts: latents + 1,
    latentEntries: selection,
    termRows: Math.max(batchSize, latents),
    termFactors: Math.max(batchSize, latents),
    termDots: Math.max(batchSize, latents),
    sumRow: width,
    maxima: columns / 16,
    ranked: Math.max(columns, capacity, shards * selection),
    mergedStarts: shards * (batchSize + 1),
    mergedValues: shards * selection,
    // Parts of the reconstruction of this shard's rows, then parts of the gradient of b_dec.
    received: shards === 1 ? 0 : shards * Math.ceil(batchSize / shards) * width,
  };
  let end = FIRST_ADDRESS;
  const layout = Object.fromEntries(
    Object.entries(lengths).map(([name, length]) => {
      const offset = Math.ceil(end / 64) * 64;
      end = offset + 4 * length;
      return [name, offset];
    }),
  ) as Layout;
  return { layout, memory: new WebAssembly.Memory({ initial: Math.ceil(end / PAGE) }) };
}

export class Shard {
  readonly times: StepTimes = { gemm: 0, select: 0, reconstruct: 0, update: 0, exchange: 0 };
  readonly #plan: SparsePlan;
  readonly #shard: number;
  readonly #exchange: Exchange;
  readonly #kernel: Kernel;
  readonly #memory: WebAssembly.Memory;
  readonly #layout: Layout;
  readonly #session: Session;
  readonly #feeds: Feeds;
  readonly #fetches: Feeds;
  readonly #capacity: number;
  readonly #latents: number;
  readonly #width: number;
  readonly #columns: number;
  #corrections: BiasCorrections = { c1: 0, c2: 0 };
  #likelyThreshold = 0;
  /** Samples since each latent last fired; absent where nobody asks. */
  #silent: Float32Array<ArrayBuffer> | undefined;
  #steps = 0;
  #lapStart = 0;

  private constructor(
    plan: SparsePlan,
    shard: number,
    exchange: Exchange,
    {
      kernel,
      session,
      runtime,
      capacity,
      layout,
      memory,
    }: ShardMemory & {
      kernel: Kernel;
      session: Session;
      runtime: Runtime;
      capacity: number;
    },
  ) {
    this.#plan = plan;
    this.#shard = shard;
    this.#exchange = exchange;
    this.#kernel = kernel;
    this.#session = session;
    this.#capacity = capacity;
    this.#layout = layout;
    this.#memory = memory;
    const { from, to } = latentsOf(plan, shard);
    this.#latents = to - from;
    this.#width = paddedWidth(plan);
    this.#columns = paddedColumns(this.#latents);
    const tensor = (name: KernelAddress, shape: readonly number[]) =>
      new runtime.ort.Tensor('float32', this.#floats(name, shape[0]! * shape[1]!), shape);
    this.#feeds = {
      centred: tensor('centred', [plan.batchSize, this.#width]),
      encoder: tensor('encoder', [this.#columns, this.#width]),
    };
    this.#fetches = { preActivations: tensor('preActivations', [plan.batchSize, this.#columns]) };
  }

  /** Shard `shard` of `plan`, ready for `load`. Errors of ONNX Runtime and of allocation pass through. */
  static async create(runtime: Runtime, plan: SparsePlan, shard: number, exchange: Exchange): Promise<Shard> {
    const { from, to } = latentsOf(plan, shard);
    const columns = paddedColumns(to - from);
    const width = paddedWidth(plan);
    const selection = largestSelection(plan);
    // Room for twice the batch's selection lets BatchTopK drop what lost only now and then.
    const capacity = (plan.selection.kind === 'topk' ? 1 : 2) * selection + columns;
    const { layout, memory } = allocate(plan, to - from, selection, capacity);
    const kernel = await instantiateKernel(memory);
    const sizes = { batch: plan.batchSize, latents: to - from, columns, width, mergedCapacity: selection };
    const { received: _, ...addresses } = layout;
    for (const [name, value] of Object.entries({ ...sizes, ...addresses })) {
      kernel[name as keyof typeof sizes | KernelAddress].value = value;
    }
    const { session } = await openSession(runtime, encodeModel(encoderGraph(plan.batchSize, width, columns)), {
      provider: 'cpu',
      threads: 1,
      // Its only tensors of any size are ours.
      sessionOptions: { interOpNumThreads: 1, enableCpuMemArena: false },
    });
    return new Shard(plan, shard, exchange, { kernel, session, runtime, capacity, layout, memory });
  }

  /** Takes over a state; the arrays are copied. */
  load(state: ShardState, corrections: BiasCorrections): void {
    for (const array of SHARD_ARRAYS) {
      for (const moment of momentsOf(this.#plan)) {
        const name = `${array}${moment}` as const;
        if (array === 'decoder' || array === 'encoder') this.#placeRows(name, state[name]!);
        else this.#floats(name, state[name]!.length).set(state[name]!);
      }
    }
    // A column without a latent has zero weights; with a negative bias it is never selected.
    this.#floats('encoderBias', this.#columns).fill(-1, this.#latents);
    if (this.#plan.decoder === 'renormalise') this.#floats('inverseNorms', this.#columns).fill(1);
    else this.#kernel.measureNorms();
    this.#integers('latentSteps', this.#latents).fill(this.#steps);
    this.#silent = state.silent?.slice();
    this.#corrections = { ...corrections };
  }

  /** A copy of the state. */
  read(): { state: ShardState; corrections: BiasCorrections } {
    this.#kernel.makeUpLatents();
    const state: ShardState = {};
    for (const array of SHARD_ARRAYS) {
      for (const moment of momentsOf(this.#plan)) {
        const name = `${array}${moment}` as const;
        if (array === 'decoder' || array === 'encoder') state[name] = this.#takeRows(name);
        else state[name] = this.#floats(name, array === 'encoderBias' ? this.#latents : this.#plan.dIn).slice();
      }
    }
    if (this.#silent) state.silent = this.#silent.slice();
    return { state, corrections: { ...this.#corrections } };
  }

  /**
   * One step on `batch` [batch, d_in]. Where the loss is not finite nothing of the state has changed.
   * All shards take the same step at the same time and give the same result.
   */
  async step(batch: Float32Array, learningRate: number): Promise<StepResult> {
    this.#lapStart = performance.now();
    this.#placeRows('centred', batch);
    this.#kernel.centre();
    this.#lap('exchange');
    await this.#session.run(this.#feeds, this.#fetches);
    this.#lap('gemm');
    const { count, smallestSelected, ordered } =
      this.#plan.selection.kind === 'topk' ? this.#selectTopK() : this.#selectBatchTopK();
    this.#lap('select');
    this.#kernel.reconstruct();
    this.#lap('reconstruct');
    const loss = this.#measure(ordered);
    this.#lap('exchange');
    if (!Number.isFinite(loss)) return { loss, smallestSelected };
    this.#setAdam(learningRate);
    this.#kernel.sortByLatent(count);
    this.#kernel.updateLatents(this.#plan.decoder === 'renormalise' ? 1 : 0);
    this.#countSilence();
    this.#lap('update');
    this.#updateDecoderBias();
    this.#lap('exchange');
    return { loss, smallestSelected };
  }

  /** A latent with an entry in this batch has fired; the others are silent for as many samples more. */
  #countSilence(): void {
    const silent = this.#silent;
    if (!silent) return;
    const starts = this.#integers('latentStarts', this.#latents + 1);
    const { batchSize } = this.#plan;
    for (let latent = 0; latent < silent.length; latent++) {
      silent[latent] = starts[latent + 1]! > starts[latent]! ? 0 : silent[latent]! + batchSize;
    }
  }

  async dispose(): Promise<void> {
    await this.#session.dispose();
  }

  #selectTopK(): Selection {
    const { count: k } = this.#plan.selection;
    const selected = this.#kernel.selectTopK(Math.min(k, this.#columns));
    if (this.#plan.shards > 1) {
      this.#shareSelection(selected);
      const count = this.#kernel.mergeTopK(this.#plan.shards, this.#shard, k);
      return { count, smallestSelected: 0, ordered: selected >= 0 };
    }
    return { count: Math.max(selected, 0), smallestSelected: 0, ordered: selected >= 0 };
  }

  /** Starts from a guess; where that finds too few in all shards together, looks again without one. */
  #selectBatchTopK(): Selection {
    const { count: total } = this.#plan.selection;
    const { shards } = this.#plan;
    for (let bound = this.#likelyThreshold; ; bound = 0) {
      const selected = this.#kernel.selectBatchTopK(total, bound, this.#capacity);
      const ordered = selected >= 0;
      let count = Math.max(selected, 0);
      let found = count;
      if (shards > 1) found = this.#shareSelection(selected);
      if (found < total && bound > 0) {
        // Nobody may write its next selection before all have read this one.
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

  /** Tells every shard what this one selected and copies what they did; the number of all entries. */
  #shareSelection(selected: number): number {
    const { batchSize, shards } = this.#plan;
    const count = Math.max(selected, 0);
    const starts = this.#integers('rowStarts', batchSize + 1);
    if (selected < 0) starts.fill(0);
    this.#exchange.rowStarts[this.#shard]!.set(starts);
    this.#exchange.values[this.#shard]!.set(this.#floats('entryValues', count));
    this.#exchange.barrier();
    const mergedStarts = this.#integers('mergedStarts', shards * (batchSize + 1));
    const capacity = largestSelection(this.#plan);
    const mergedValues = this.#floats('mergedValues', shards * capacity);
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

  /** Adds up the reconstruction and leaves its gradient in `gradients`; the mean squared error. */
  #measure(ordered: boolean): number {
    const { batchSize, dIn, shards } = this.#plan;
    const scale = 2 / (batchSize * dIn);
    const width = this.#width;
    const { from, to } = rowsOf(this.#plan, this.#shard);
    let squares: number;
    if (shards === 1) {
      squares = this.#kernel.measure(from, to, this.#layout.gradients, 1, scale);
      return ordered ? squares / (batchSize * dIn) : Number.NaN;
    }
    this.#exchange.parts[this.#shard]!.set(this.#floats('gradients', batchSize * width));
    this.#exchange.barrier();
    const length = (to - from) * width;
    const received = this.#floats('received', shards * length);
    for (let shard = 0; shard < shards; shard++) {
      received.set(this.#exchange.parts[shard]!.subarray(from * width, to * width), shard * length);
    }
    squares = this.#kernel.measure(from, to, this.#layout.received, shards, scale);
    this.#exchange.losses[this.#shard] = ordered ? squares : Number.NaN;
    const gradients = this.#floats('gradients', batchSize * width);
    this.#exchange.gradients.set(gradients.subarray(from * width, to * width), from * width);
    this.#exchange.barrier();
    gradients.set(this.#exchange.gradients);
    return this.#exchange.losses.reduce((sum, part) => sum + part, 0) / (batchSize * dIn);
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

  /** Every shard adds up the same parts in the same order, and so keeps the same b_dec. */
  #updateDecoderBias(): void {
    const { shards } = this.#plan;
    if (shards === 1) {
      this.#kernel.updateDecoderBias(this.#layout.decoderBiasGradient, 1);
      return;
    }
    this.#exchange.biasGradients[this.#shard]!.set(this.#floats('decoderBiasGradient', this.#width));
    this.#exchange.barrier();
    const received = this.#floats('received', shards * this.#width);
    for (let shard = 0; shard < shards; shard++) {
      received.set(this.#exchange.biasGradients[shard]!, shard * this.#width);
    }
    this.#kernel.updateDecoderBias(this.#layout.received, shards);
  }

  /** Copies rows of d_in floats into an array of rows of `width`; the padding stays zero. */
  #placeRows(name: KernelAddress, rows: Float32Array): void {
    const { dIn } = this.#plan;
    const count = rows.length / dIn;
    const out = this.#floats(name, count * this.#width);
    if (dIn === this.#width) out.set(rows);
    else for (let row = 0; row < count; row++) out.set(rows.subarray(row * dIn, (row + 1) * dIn), row * this.#width);
  }

  /** The latents' rows of an array, without padding. */
  #takeRows(name: KernelAddress): Float32Array<ArrayBuffer> {
    const { dIn } = this.#plan;
    const padded = this.#floats(name, this.#latents * this.#width);
    if (dIn === this.#width) return padded.slice();
    const rows = new Float32Array(this.#latents * dIn);
    for (let row = 0; row < this.#latents; row++) {
      rows.set(padded.subarray(row * this.#width, row * this.#width + dIn), row * dIn);
    }
    return rows;
  }

  #floats(name: keyof Layout, length: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.#memory.buffer as ArrayBuffer, this.#layout[name], length);
  }

  #integers(name: keyof Layout, length: number): Int32Array<ArrayBuffer> {
    return new Int32Array(this.#memory.buffer as ArrayBuffer, this.#layout[name], length);
  }

  /** Books the time since the last call to a part of the step. */
  #lap(part: keyof StepTimes): void {
    const now = performance.now();
    this.times[part] += now - this.#lapStart;
    this.#lapStart = now;
  }
}
