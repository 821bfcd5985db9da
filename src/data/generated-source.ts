/** Activations that a generator draws: endless, and the same for a seed on every machine. */
import { type HostTensor, sizeOf } from '../tensor.ts';
import {
  type ActivationSource,
  type HeldOutRows,
  type OpenOptions,
  type OpenSource,
  readOpenOptions,
  requireHeldOut,
  requireRows,
} from './activation-source.ts';
import { generatedBatches } from './batch-source.ts';
import type { RandomSource } from './random-source.ts';
import type { SampleGenerator } from './sample-generator.ts';
import { batchStream, randomStream, type StreamName } from './streams.ts';

/** An activation source whose rows a generator draws. */
export interface GeneratedSource extends ActivationSource {
  /** Numbers of one row. */
  readonly width: number;
  /** A generator of rows that draws from `random`, in batches of `batchSize` rows where it draws batches. */
  generator(random: RandomSource, batchSize: number): SampleGenerator;
}

/** What makes a generated source. */
export interface GeneratedSourceParts {
  /** What the rows are, as JSON: sources that differ must differ in it. */
  readonly description: Readonly<Record<string, unknown>>;
  /** Numbers of one row. */
  readonly width: number;
  /** Builds a generator of rows [width]; called anew for each stream and where a run is resumed. */
  readonly generator: (random: RandomSource, batchSize: number) => SampleGenerator;
  /** The stream of a seed from which training batches are drawn. Default `batches`. */
  readonly stream?: StreamName;
}

/**
 * A source of activations that your own generator draws.
 * @example
 * const noise = generatedSource({
 *   description: { kind: 'noise' },
 *   width: 8,
 *   generator: random => ({ fill: into => { for (let i = 0; i < into.length; i++) into[i] = random.normal(); } }),
 * });
 */
export function generatedSource({ description, width, generator, stream }: GeneratedSourceParts): GeneratedSource {
  requireRows('width', width);
  return {
    description,
    width,
    generator,
    async open(options) {
      return openGenerated({ description, width, generator }, options, stream);
    },
  };
}

/** True where a generator draws the rows of `source`. */
export function isGenerated(source: ActivationSource): source is GeneratedSource {
  return 'generator' in source;
}

function openGenerated(
  { description, width, generator }: Omit<GeneratedSourceParts, 'stream'>,
  options: OpenOptions,
  stream: StreamName = 'batches',
): OpenSource {
  const { seed, batchSize, restart } = readOpenOptions(options);
  const make = (random: RandomSource): SampleGenerator => generator(random, batchSize);
  const draw = (from: SampleGenerator, rows: number): HostTensor => {
    const shape = [rows, width];
    const data = new Float32Array(sizeOf(shape));
    from.fill(data);
    return { data, shape };
  };
  return {
    width,
    identity: { ...description, seed, batchSize, ...(restart !== undefined && { restart }) },
    batches: generatedBatches('activations', batchStream(seed, restart, stream), make),
    async sample(rows) {
      requireRows('rows', rows);
      return draw(make(randomStream(seed, 'sample')), rows);
    },
    async *heldOut(rows, size): AsyncGenerator<HeldOutRows> {
      requireHeldOut(rows, size);
      const generator = make(randomStream(seed, 'heldOut'));
      for (let left = rows; left > 0; left -= size) yield { input: draw(generator, Math.min(size, left)) };
    },
    async [Symbol.asyncDispose]() {},
  };
}
