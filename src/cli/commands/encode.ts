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

export interface EncodeOptions extends ModelOptions, ReportOptions {
  readonly input: string;
  readonly output: string;
  readonly sparse?: boolean;
  readonly tensor?: string;
}

/** What one run of the encoder gave. */
interface Encoded {
  readonly samples: number;
  /** Features that fired, over all samples. */
  readonly active: number;
}

export async function encode(file: string, options: EncodeOptions, terminal: Terminal): Promise<void> {
  const { input, output, sparse = false, tensor } = options;
  checkOutputPath(output, sparse ? SPARSE_EXTENSIONS : undefined);
  const started = performance.now();
  const model = await openModelFile(file, options);
  try {
    const source = await openSamples(input, terminal, { tensor });
    try {
      const run = sparse ? encodeSparse : encodeDense;
      const { samples, active } = await run(model, source, options, terminal);
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
      async batch => writer.append(await model.encodeSparse(batch)),
      terminal,
    );
    const { samples, entries } = await writer.finish();
    return { samples, active: entries };
  } finally {
    await writer.discard();
  }
}
