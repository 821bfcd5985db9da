/** The layout of a tensor: the axis of its channels, and which of its other dimensions are samples and positions. */
import { InvalidValueError } from '../errors.ts';
import type { Dimension } from '../onnx/graph.ts';

/** How a tensor becomes rows of activations: [batch, ...positions] rows of the channels' width. */
export interface Layout {
  readonly rank: number;
  /** The axis of the channels, from 0. */
  readonly channelsAxis: number;
  /** The number of channels, where the model states it. */
  readonly width: number | undefined;
}

/**
 * The layout of a tensor of `shape`.
 * @param channelsAxis the axis that holds the channels; negative counts from the end. Default: the last one, or, in
 *   four dimensions and more, the only one beside the batch whose size is fixed
 * @throws InvalidValueError where the tensor has no batch and channels, or where four dimensions leave open which one
 *   holds the channels
 */
export function layoutOf(tensor: string, shape: readonly Dimension[], channelsAxis?: number): Layout {
  const rank = shape.length;
  const words = `${tensor} [${shape.join(', ')}]`;
  if (rank < 2) throw new InvalidValueError(`${words}: expected [batch, d], [batch, seq, d] or [batch, d, h, w]`);
  let axis = channelsAxis ?? rank - 1;
  if (channelsAxis === undefined && rank >= 4) {
    const fixed = shape.flatMap((size, i) => (i > 0 && typeof size === 'number' ? [i] : []));
    if (fixed.length !== 1) {
      throw new InvalidValueError(
        `${words}: which axis holds the channels? Name it: channelsAxis (--channels-axis 1 for [batch, d, h, w])`,
      );
    }
    axis = fixed[0]!;
  }
  if (axis < 0) axis += rank;
  if (!Number.isInteger(axis) || axis < 1 || axis >= rank) {
    throw new InvalidValueError(
      `channels axis ${channelsAxis} of ${words}: expected 1 to ${rank - 1}; axis 0 is the batch`,
    );
  }
  const width = shape[axis];
  return { rank, channelsAxis: axis, width: typeof width === 'number' ? width : undefined };
}

/** The permutation that moves the channels to the last axis; `undefined` where they are there. */
export function channelsLast({ rank, channelsAxis }: Layout): number[] | undefined {
  if (channelsAxis === rank - 1) return undefined;
  return [...Array.from({ length: rank }, (_, i) => i).filter(i => i !== channelsAxis), channelsAxis];
}

/** The permutation that undoes `permutation`. */
export function inverse(permutation: readonly number[]): number[] {
  const result = new Array<number>(permutation.length);
  permutation.forEach((from, to) => {
    result[from] = to;
  });
  return result;
}
