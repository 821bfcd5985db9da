/** What callers pass as activations or features, checked and brought to one form. */
import { InvalidShapeError, InvalidTypeError, InvalidValueError } from '../errors.ts';
import { fromNested, type HostTensor, type NestedArray, type Shape, sameShape, sizeOf } from '../tensor.ts';

/**
 * Samples of one shape: a host tensor, nested arrays of numbers, or a Float32Array whose shape is given beside it.
 * The last dimensions are one sample's; any before them count samples, and come back in the results.
 */
export type Samples = HostTensor<ArrayLike<number>> | NestedArray | Float32Array;

/** Samples one after another, row-major. */
export interface SampleRows {
  readonly data: Float32Array;
  readonly count: number;
  /** The dimensions before a sample's own: [] for a single sample. */
  readonly leading: Shape;
}

const isHostTensor = (value: object): value is HostTensor<ArrayLike<number>> => 'data' in value && 'shape' in value;

function toTensor(samples: Samples, shape: Shape | undefined, what: string): HostTensor<ArrayLike<number>> {
  if (samples instanceof Float32Array) {
    if (!shape) {
      throw new InvalidShapeError(`${what}: a Float32Array needs its shape beside it, as { shape: [samples, width] }`);
    }
    return { data: samples, shape };
  }
  if (Array.isArray(samples)) return fromNested(samples as NestedArray);
  if (typeof samples === 'object' && samples !== null && isHostTensor(samples)) return samples;
  throw new InvalidTypeError(
    `${what}: expected { data, shape }, arrays of numbers or a Float32Array, got ${samples === null ? 'null' : typeof samples}`,
  );
}

/** The position of the flat index `at` in `shape`, as `3, 0`. */
function positionOf(at: number, shape: Shape): string {
  const position: number[] = [];
  for (const dimension of shape.toReversed()) {
    position.unshift(at % dimension);
    at = Math.floor(at / dimension);
  }
  return position.join(', ');
}

/**
 * Checks `samples` against the shape of one sample, and brings them to one form.
 * @param what what the samples are, for messages
 * @param shape the shape of a Float32Array that is given without one
 * @throws InvalidShapeError where the last dimensions are not `sampleShape`, or data and shape disagree
 * @throws InvalidValueError for a number that is NaN or infinite
 * @throws InvalidTypeError for anything that is not numbers
 */
export function readSamples(samples: Samples, sampleShape: Shape, what: string, shape?: Shape): SampleRows {
  const tensor = toTensor(samples, shape, what);
  const rank = tensor.shape.length - sampleShape.length;
  if (rank < 0 || !sameShape(tensor.shape.slice(rank), sampleShape)) {
    throw new InvalidShapeError(
      `${what} have the shape [${tensor.shape.join(', ')}]; expected [..., ${sampleShape.join(', ')}]`,
    );
  }
  if (tensor.data.length !== sizeOf(tensor.shape)) {
    throw new InvalidShapeError(
      `${what}: ${tensor.data.length} values do not fill the shape [${tensor.shape.join(', ')}]`,
    );
  }

  const data = tensor.data instanceof Float32Array ? tensor.data : Float32Array.from(tensor.data);
  for (let i = 0; i < data.length; i++) {
    // Subtracting a number from itself gives 0 unless it is NaN or infinite.
    if (data[i]! - data[i]! !== 0) {
      throw new InvalidValueError(
        `${what} hold ${tensor.data[i]} at [${positionOf(i, tensor.shape)}]; expected finite numbers`,
      );
    }
  }
  const leading = tensor.shape.slice(0, rank);
  return { data, count: sizeOf(leading), leading };
}
