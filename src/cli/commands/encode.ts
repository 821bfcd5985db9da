/** `encode`: features of activations, or a toy model's hidden activations of features. */
import { UsageError } from '../../errors.ts';
import type { RowSource } from '../../files/row-source.ts';
import type { Autoencoder } from '../../inference/autoencoder.ts';
import { sizeOf } from '../../tensor.ts';
import { checkOutputPath, openArrayOutput } from '../array-output.ts';
import { openModelFile } from '../open-model.ts';
import type { ModelOptions, ReportOptions } from '../options.ts';
import { openSamples } from '../read-samples.ts';
import { reportRun } from '../report.ts';
import { countSamples, forEachBatch } from '../run-batches.ts';
import { openSparseOutput, SPARSE_EXTENSIONS } from '../sparse-output.ts';
import type { Terminal } from '../terminal.ts';

/** Options of `monosemantic encode`. */
export interface EncodeOptions extends ModelOptions, ReportOptions {
  readonly input: string;
  readonly output: string;
  readonly sparse?: boolean;
  readonly tensor?: string;
  readonly foldDecoderNorm?: boolean;
}

/** The result of one run of the encoder. */
interface Encoded {
  readonly samples: number;
  /** How many features fired, over all samples. */
  readonly active: number;
}

/** Runs `monosemantic encode`. */
export async function encode(file: string, options: EncodeOptions, terminal: Terminal): Promise<void> {
  const { input, output, sparse = false, tensor, foldDecoderNorm = false } = options;
  checkOutputPath(output, sparse ? SPARSE_EXTENSIONS : undefined);
  const started = performance.now();
  const model = await openModelFile(file, options);
  try {
    const norms = foldDecoderNorm ? await decoderNorms(model) : undefined;
    const source = await openSamples(input, terminal, { tensor });
    try {
      const run = sparse ? encodeSparse : encodeDense;
      const { samples, active } = await run(model, source, options, norms, terminal);
      const { codeShape } = model.info;
      reportRun(
        {
          model,
          output,
          shape: [samples, ...codeShape],
          name: model.info.kind === 'sparse-autoencoder' ? 'features' : 'hidden activations',
          seconds: (performance.now() - started) / 1000,
          ...(model.info.kind === 'sparse-autoencoder' && { activePerSample: samples === 0 ? 0 : active / samples }),
        },
        options,
        terminal,
      );
    } finally {
      await source.close();
    }
  } finally {
    await model.dispose();
  }
}

async function encodeDense(
  model: Autoencoder,
  source: RowSource,
  { input, output, batchSize }: EncodeOptions,
  norms: Float64Array | undefined,
  terminal: Terminal,
): Promise<Encoded> {
  const { inputShape, codeShape, kind } = model.info;
  const { samples } = countSamples(source, inputShape, input);
  const name = kind === 'sparse-autoencoder' ? 'features' : 'hidden';
  const writer = await openArrayOutput(output, { shape: [samples, ...codeShape], name }, terminal);
  let active = 0;
  try {
    await forEachBatch(
      { source, sampleShape: inputShape, resultSize: sizeOf(codeShape), name: input, batchSize },
      async batch => {
        const { data } = await model.encode(batch);
        for (const value of data) if (value !== 0) active++;
        if (norms) for (let i = 0; i < data.length; i++) data[i]! *= norms[i % norms.length]!;
        await writer.append(data);
      },
      terminal,
    );
    await writer.finish();
  } finally {
    await writer.discard();
  }
  return { samples, active };
}

async function encodeSparse(
  model: Autoencoder,
  source: RowSource,
  { input, output, batchSize }: EncodeOptions,
  norms: Float64Array | undefined,
  terminal: Terminal,
): Promise<Encoded> {
  const { inputShape, codeShape } = model.info;
  if (model.info.kind !== 'sparse-autoencoder')
    throw new UsageError("--sparse is for SAEs: a toy model's code is dense");
  countSamples(source, inputShape, input);
  const writer = await openSparseOutput(output, sizeOf(codeShape), terminal);
  try {
    await forEachBatch(
      { source, sampleShape: inputShape, resultSize: sizeOf(codeShape), name: input, batchSize },
      async batch => {
        const features = await model.encodeSparse(batch);
        const { indices, values } = features;
        if (norms) for (let i = 0; i < values.length; i++) values[i]! *= norms[indices[i]!]!;
        await writer.append(features);
      },
      terminal,
    );
    const { samples, entries } = await writer.finish();
    return { samples, active: entries };
  } finally {
    await writer.discard();
  }
}

/** The norm of a decoder row of zeros, as in SAELens. */
const LEAST_NORM = 1e-8;

/**
 * The norm of each decoder row. Multiplied by it, a feature is what SAELens's `fold_W_dec_norm` gives, whose decoder
 * rows have norm 1, and what Neuronpedia shows.
 */
async function decoderNorms(model: Autoencoder): Promise<Float64Array> {
  if (model.info.kind !== 'sparse-autoencoder') {
    throw new UsageError("--fold-decoder-norm is for SAEs: a toy model's code has no decoder rows");
  }
  const { data, shape } = await model.featureDirections();
  const [rows = 0, columns = 0] = shape;
  return Float64Array.from({ length: rows }, (_, row) => {
    let squares = 0;
    for (let i = row * columns; i < (row + 1) * columns; i++) squares += data[i]! ** 2;
    return Math.max(Math.sqrt(squares), LEAST_NORM);
  });
}
