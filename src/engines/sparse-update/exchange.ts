/**
 * The data that shards exchange, in one SharedArrayBuffer, and the barrier at which they meet. Each region has one
 * writer between two barriers, and is read only after the next barrier.
 */
import { largestShared, paddedSamples, paddedWidth, type SparsePlan } from './plan.ts';

const ARRIVED = 0;
const GENERATION = 1;
const ABORTED = 2;

/** Numbers that each shard gives of the loss, and of the gradient's norm, beside the squared error of each shorter prefix: see Shard. */
const SUMS = 6;

/** Numbers that each shard gives in `sums`. */
export function sumsOf({ prefixes }: SparsePlan): number {
  return SUMS + prefixes.length - 1;
}

type Shared<T> = readonly T[];
type Float32 = Float32Array<SharedArrayBuffer>;

/** Thrown in a shard that waits for another one which failed or died. */
class ExchangeAbortedError extends Error {
  override readonly name = 'ExchangeAbortedError';
}

/**
 * Whether a shard failed only because another one did. The error comes from another thread, so that its class is not
 * that of this one.
 */
export function isConsequence(failure: unknown): boolean {
  return failure instanceof Error && failure.name === 'ExchangeAbortedError';
}

/** Regions of the shared buffer; arrays of arrays have one entry per shard. */
export class Exchange {
  readonly buffer: SharedArrayBuffer;
  /** [batch + 1] starts of each row's entries. */
  readonly rowStarts: Shared<Int32Array<SharedArrayBuffer>>;
  /** [2, samples] each shard's bounds of the selection, shared and its own, from estimates and from exact values: both are told without a barrier between them. */
  readonly bounds: readonly [Shared<Float32>, Shared<Float32>];
  /** The entries' activations. */
  readonly values: Shared<Float32>;
  /** [prefixes, batch, width] part of the reconstruction, by depth. */
  readonly parts: Shared<Float32>;
  /** [prefixes, batch, width] gradient of the loss with respect to what latents of each depth give. */
  readonly gradients: Float32;
  /** [width] part of the gradient of b_dec. */
  readonly biasGradients: Shared<Float32>;
  /** [shards, sumsOf(plan)] each shard's parts of the loss. */
  readonly sums: Float64Array<SharedArrayBuffer>;
  /** [shards] each shard's dead latents. */
  readonly deadCounts: Int32Array<SharedArrayBuffer>;
  readonly #control: Int32Array<SharedArrayBuffer>;
  readonly #shards: number;

  /** Lays the regions of `plan` over `buffer`; a new one by default. */
  constructor(plan: SparsePlan, buffer?: SharedArrayBuffer) {
    const width = paddedWidth(plan);
    const { shards, batchSize, prefixes } = plan;
    const sumsOfShard = sumsOf(plan);
    const rows = prefixes.length * batchSize;
    let bytes = 0;
    const reserve = (length: number) => {
      const offset = bytes;
      bytes = Math.ceil((bytes + length) / 64) * 64;
      return offset;
    };
    const each = (length: number) => Array.from({ length: shards }, () => reserve(length));
    const shared = largestShared(plan);
    const control = reserve(64);
    const sums = reserve(8 * sumsOfShard * shards);
    const deadCounts = reserve(4 * shards);
    const rowStarts = each(4 * (batchSize + 1));
    const samples = plan.estimates ? paddedSamples(plan) : 0;
    const bounds = [each(8 * samples), each(8 * samples)] as const;
    const values = each(4 * shared);
    const parts = each(4 * rows * width);
    const gradients = reserve(4 * rows * width);
    const biasGradients = each(4 * width);

    this.buffer = buffer ?? new SharedArrayBuffer(bytes);
    this.#control = new Int32Array(this.buffer, control, 16);
    this.#shards = shards;
    this.sums = new Float64Array(this.buffer, sums, sumsOfShard * shards);
    this.deadCounts = new Int32Array(this.buffer, deadCounts, shards);
    this.rowStarts = rowStarts.map(offset => new Int32Array(this.buffer, offset, batchSize + 1));
    const boundsAt = (offset: number) => new Float32Array(this.buffer as SharedArrayBuffer, offset, 2 * samples);
    this.bounds = [bounds[0].map(boundsAt), bounds[1].map(boundsAt)];
    this.values = values.map(offset => new Float32Array(this.buffer, offset, shared));
    this.parts = parts.map(offset => new Float32Array(this.buffer, offset, rows * width));
    this.gradients = new Float32Array(this.buffer, gradients, rows * width);
    this.biasGradients = biasGradients.map(offset => new Float32Array(this.buffer, offset, width));
  }

  /**
   * Waits until every shard has come here. Blocks the thread: for workers only.
   * @throws ExchangeAbortedError after `abort`
   */
  barrier(): void {
    const control = this.#control;
    // The generation is read before the abort flag: an abort after this line changes the generation, and one before it
    // is seen in the next line.
    const generation = Atomics.load(control, GENERATION);
    this.#throwIfAborted();
    if (Atomics.add(control, ARRIVED, 1) === this.#shards - 1) {
      Atomics.store(control, ARRIVED, 0);
      Atomics.add(control, GENERATION, 1);
      Atomics.notify(control, GENERATION);
    } else {
      while (Atomics.load(control, GENERATION) === generation) Atomics.wait(control, GENERATION, generation);
    }
    this.#throwIfAborted();
  }

  /** Wakes every shard that waits, now and later, with an error. Any thread may call it, also one that holds no shard. */
  abort(): void {
    Atomics.store(this.#control, ABORTED, 1);
    Atomics.add(this.#control, GENERATION, 1);
    Atomics.notify(this.#control, GENERATION);
  }

  #throwIfAborted(): void {
    if (Atomics.load(this.#control, ABORTED) !== 0) throw new ExchangeAbortedError('another shard failed');
  }
}
