/**
 * Reads activations of a hidden tensor as rows: the graph is cut after the tensor and run over the data in batches, and
 * the positions of each batch that count become rows. Each row comes with its token, its sample and its position.
 */

import { median } from '../data/median.ts';
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import { type HostTensor, rowNorms, rowsAt, sizeOf } from '../tensor.ts';
import type { HostModel, OpenVariant } from './host-model.ts';
import type { HostData, InputBatch } from './input-batches.ts';
import type { Layout } from './layout.ts';

/** Which tensor is read, and which of its positions become rows. */
export interface RowOptions {
  /** The name of the hidden tensor. */
  readonly tensor: string;
  /** The name of a second tensor with the same positions, for transcoders: its rows are the targets. */
  readonly target?: string | undefined;
  /** The axis that holds the channels; negative counts from the end. Default: see `layoutOf`. */
  readonly channelsAxis?: number | undefined;
  /** Samples that the model runs at once, at least 1. Default 16. */
  readonly batchSize?: number | undefined;
  /**
   * How many positions are left out at the start of every sample, counted among those that are not padding. Default 0.
   */
  readonly dropFirst?: number | undefined;
  /** Ids of tokens whose positions are left out, such as special tokens. Default: none. */
  readonly dropTokens?: ReadonlySet<number> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Rows of one batch. */
export interface ActivationBatch {
  /** [rows, d]. */
  readonly rows: HostTensor;
  /** [rows, d_out] of the target tensor. */
  readonly target?: HostTensor;
  /** The id of the token at each row, where the model reads tokens. */
  readonly tokens?: Int32Array;
  /** The index of each row's sample among all samples. */
  readonly samples: Int32Array;
  /** The position of each row in its sample; in images it is h · width + w. */
  readonly positions: Int32Array;
  /** How many samples the batch ran, with those that give no row. */
  readonly sampleCount: number;
  /** The `from` with which data go on after this batch: see `InputBatch`. */
  readonly resumeFrom?: number;
}

/** How many samples a host runs at once unless options say otherwise. */
export const DEFAULT_BATCH_SIZE = 16;

/**
 * Which positions of a batch become rows.
 * @returns [batch, positions]: 1 where a position counts
 * @throws InvalidShapeError where the mask or the tokens have another number of positions
 */
export function keptPositions(
  { mask, tokens }: Pick<InputBatch, 'mask' | 'tokens'>,
  { batch, positions }: { readonly batch: number; readonly positions: number },
  { tensor, dropFirst = 0, dropTokens }: Pick<RowOptions, 'tensor' | 'dropFirst' | 'dropTokens'>,
): Uint8Array {
  const kept = new Uint8Array(batch * positions).fill(1);
  if (mask) {
    if (mask.length === kept.length) kept.set(mask);
    // The tensor has one row for each sample, although the model reads masked sequences.
    else if (positions !== 1) {
      throw new InvalidShapeError(
        `the mask has ${mask.length / batch} positions for each sample; ${tensor} has ${positions}: expected as many`,
      );
    }
  }
  const hasTokens = tokens?.length === kept.length;
  if (dropTokens && dropTokens.size > 0 && !hasTokens) {
    throw new InvalidValueError(`${tensor} has no token at each position: special tokens cannot be left out`);
  }
  for (let row = 0; row < batch; row++) {
    let seen = 0;
    for (let at = row * positions; at < (row + 1) * positions; at++) {
      if (kept[at] === 0) continue;
      if (seen++ < dropFirst || (hasTokens && dropTokens?.has(tokens[at]!))) kept[at] = 0;
    }
  }
  return kept;
}

/** Reads rows of a tensor, and of a target tensor where there is one, batch by batch. */
export class ActivationReader {
  readonly #host: HostModel;
  readonly #variant: OpenVariant;
  readonly #options: RowOptions;
  readonly layout: Layout;
  readonly #hasTarget: boolean;

  private constructor(host: HostModel, variant: OpenVariant, options: RowOptions, layout: Layout) {
    this.#host = host;
    this.#variant = variant;
    this.#options = options;
    this.layout = layout;
    this.#hasTarget = options.target !== undefined;
  }

  /**
   * Cuts the model after the tensors.
   * @throws InvalidValueError as `HostModel.describe` and `layoutOf`
   */
  static async open(host: HostModel, options: RowOptions): Promise<ActivationReader> {
    const { tensor, target, channelsAxis } = options;
    const layout = await host.layout(tensor, channelsAxis);
    const outputs = [{ tensor, layout }];
    if (target !== undefined) outputs.push({ tensor: target, layout: await host.layout(target, channelsAxis) });
    return new ActivationReader(host, await host.openVariant({ outputs }), options, layout);
  }

  /** The whole tensors of a batch, channels last: [batch, …positions, d]. */
  async whole(batch: InputBatch): Promise<HostTensor[]> {
    const results = await this.#host.runVariant(this.#variant, batch.inputs);
    return results.map(({ data, shape }) => ({ data: data as Float32Array, shape }));
  }

  /** The rows of a batch that count. */
  async read(batch: InputBatch): Promise<ActivationBatch> {
    const [source, target] = await this.whole(batch);
    const { shape } = source!;
    const count = shape[0]!;
    if (count !== batch.samples.length) {
      throw new InvalidShapeError(
        `${this.#options.tensor} is [${shape.join(', ')}] for ${batch.samples.length} samples: axis 0 is not the batch`,
      );
    }
    const positions = sizeOf(shape.slice(1, -1));
    const kept = keptPositions(batch, { batch: count, positions }, this.#options);
    const indices: number[] = [];
    for (let at = 0; at < kept.length; at++) if (kept[at] !== 0) indices.push(at);
    const hasTokens = batch.tokens?.length === kept.length;
    if (this.#hasTarget && sizeOf(target!.shape.slice(0, -1)) !== kept.length) {
      throw new InvalidShapeError(
        `${this.#options.target} is [${target!.shape.join(', ')}], ${this.#options.tensor} [${shape.join(', ')}]: expected the same positions`,
      );
    }
    return {
      rows: gathered(source!, indices),
      ...(target && { target: gathered(target, indices) }),
      ...(hasTokens && { tokens: Int32Array.from(indices, at => batch.tokens![at]!) }),
      samples: Int32Array.from(indices, at => batch.samples[Math.floor(at / positions)]!),
      positions: Int32Array.from(indices, at => at % positions),
      sampleCount: count,
      ...(batch.resumeFrom !== undefined && { resumeFrom: batch.resumeFrom }),
    };
  }

  dispose(): Promise<void> {
    return this.#variant.session.dispose();
  }
}

/** Rows `indices`, which are in ascending order, of a tensor [..., d]. */
export function gathered(tensor: HostTensor, indices: readonly number[]): HostTensor {
  const width = tensor.shape.at(-1)!;
  // All rows in order need no copy.
  if (indices.length * width === tensor.data.length) return { data: tensor.data, shape: [indices.length, width] };
  return rowsAt(tensor, indices);
}

/**
 * Rows of all data, batch by batch.
 * @throws InvalidValueError or InvalidShapeError as `ActivationReader`
 */
export async function* activationBatches(
  host: HostModel,
  data: HostData,
  options: RowOptions & { readonly from?: number },
): AsyncGenerator<ActivationBatch> {
  const reader = await ActivationReader.open(host, options);
  try {
    const { batchSize = DEFAULT_BATCH_SIZE, from = 0, signal } = options;
    for await (const batch of data.batches({ batchSize, from })) {
      signal?.throwIfAborted();
      yield await reader.read(batch);
    }
  } finally {
    await reader.dispose();
  }
}

/** Rows of activations in memory. */
export interface HostActivations extends HostTensor {
  /** [rows, d_out] of the target tensor. */
  readonly target?: HostTensor;
  readonly tokens?: Int32Array;
  readonly samples: Int32Array;
  readonly positions: Int32Array;
  /** How many rows were left out because their norm was too large. */
  readonly droppedByNorm: number;
}

/** The norm of each row as float32, which limits are compared with. */
export const float32Norms = (rows: HostTensor): Float32Array => Float32Array.from(rowNorms(rows));

/** Reads all rows into memory. `dropNormAbove` leaves out rows whose norm is above that many times the median norm. */
export async function collectActivations(
  host: HostModel,
  data: HostData,
  options: RowOptions & { readonly dropNormAbove?: number | undefined },
): Promise<HostActivations> {
  const parts: ActivationBatch[] = [];
  for await (const batch of activationBatches(host, data, options)) parts.push(batch);
  const joined = (pick: (part: ActivationBatch) => HostTensor): HostTensor => {
    const width = parts[0] ? pick(parts[0]).shape[1]! : 0;
    return joinRows(parts.map(pick), width);
  };
  let rows = joined(part => part.rows);
  let target = options.target === undefined ? undefined : joined(part => part.target!);
  let tokens =
    parts.every(part => part.tokens) && parts.length > 0 ? joinIntegers(parts.map(part => part.tokens!)) : undefined;
  let samples = joinIntegers(parts.map(part => part.samples));
  let positions = joinIntegers(parts.map(part => part.positions));
  let droppedByNorm = 0;
  if (options.dropNormAbove !== undefined) {
    const norms = float32Norms(rows);
    const limit = options.dropNormAbove * median(norms);
    const indices = Array.from(norms.keys()).filter(row => norms[row]! <= limit);
    droppedByNorm = norms.length - indices.length;
    const pick = (values: Int32Array) => Int32Array.from(indices, row => values[row]!);
    rows = gathered(rows, indices);
    if (target) target = gathered(target, indices);
    if (tokens) tokens = pick(tokens);
    samples = pick(samples);
    positions = pick(positions);
  }
  return { ...rows, ...(target && { target }), ...(tokens && { tokens }), samples, positions, droppedByNorm };
}

function joinRows(parts: readonly HostTensor[], width: number): HostTensor {
  const data = new Float32Array(parts.reduce((sum, part) => sum + part.data.length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
  }
  return { data, shape: [width === 0 ? 0 : data.length / width, width] };
}

function joinIntegers(parts: readonly Int32Array[]): Int32Array {
  const data = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part, at);
    at += part.length;
  }
  return data;
}
