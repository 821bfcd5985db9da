/**
 * Passes rows from a source through a model to an output, a batch at a time, so that none of them has to fit in memory.
 */
import { InvalidShapeError } from '../errors.ts';
import type { RowSource } from '../files/row-source.ts';
import { type HostTensor, type Shape, sizeOf } from '../tensor.ts';
import { collectBuffers } from './collect-buffers.ts';
import { startProgress } from './progress.ts';
import type { Terminal } from './terminal.ts';

/**
 * The most values that are read at once, inputs and results together, 64 MiB; and the most samples, as many as a model
 * runs at once.
 */
const VALUES_AT_ONCE = 2 ** 24;
const SAMPLES_AT_ONCE = 4096;

/** The number of samples in a file. */
export interface SampleCount {
  readonly samples: number;
  /** How many rows of the source make one sample: more than one for models side by side. */
  readonly rowsPerSample: number;
}

/**
 * How many samples of `sampleShape` the rows of `source` are.
 * @throws InvalidShapeError where they do not fit; `what` names them
 */
export function countSamples(source: RowSource, sampleShape: Shape, what: string): SampleCount {
  const rowsPerSample = sizeOf(sampleShape.slice(0, -1));
  if (source.width !== sampleShape.at(-1) || source.rows % rowsPerSample !== 0) {
    throw new InvalidShapeError(
      `${what}: ${source.rows} rows of ${source.width}; this model takes [n, ${sampleShape.join(', ')}]`,
    );
  }
  return { samples: source.rows / rowsPerSample, rowsPerSample };
}

/** Options of running a file's rows in batches. */
export interface BatchOptions {
  readonly source: RowSource;
  readonly sampleShape: Shape;
  /** How many values come out for each sample. */
  readonly resultSize: number;
  /** The source's name in errors. */
  readonly name: string;
  /** How many samples are run at once. Default: as many as fit 64 MiB, at most 4,096. */
  readonly batchSize?: number | undefined;
}

/**
 * Calls `run` with each batch [count, ...sampleShape] in turn; `start` is its first sample.
 * @throws InvalidShapeError as `countSamples`
 * @throws InterruptedError where the person ends it
 */
export async function forEachBatch(
  { source, sampleShape, resultSize, name, batchSize }: BatchOptions,
  run: (batch: HostTensor, start: number) => Promise<void>,
  terminal: Terminal,
): Promise<void> {
  const { samples, rowsPerSample } = countSamples(source, sampleShape, name);
  const fitting = Math.max(1, Math.floor(VALUES_AT_ONCE / (sizeOf(sampleShape) + resultSize)));
  const atOnce = batchSize ?? Math.min(SAMPLES_AT_ONCE, fitting);
  const progress = startProgress(samples, 'samples', terminal);
  try {
    for (let start = 0; start < samples; start += atOnce) {
      terminal.checkInterruption();
      const count = Math.min(atOnce, samples - start);
      const data = await source.read(start * rowsPerSample, count * rowsPerSample);
      await run({ data, shape: [count, ...sampleShape] }, start);
      progress.advance(count);
      collectBuffers();
    }
  } finally {
    progress.stop();
  }
}
