/** `decode`: reconstructions of features, dense or sparse. */
import { readFile } from 'node:fs/promises';
import { FileFormatError, InvalidShapeError, UsageError } from '../../errors.ts';
import type { RowSource } from '../../files/row-source.ts';
import type { Autoencoder } from '../../inference/autoencoder.ts';
import { toDense } from '../../inference/sparse-features.ts';
import { type HostTensors, sizeOf } from '../../tensor.ts';
import { checkOutputPath, openArrayOutput } from '../array-output.ts';
import { openModelFile } from '../open-model.ts';
import type { ModelOptions, ReportOptions } from '../options.ts';
import { openSamples } from '../read-samples.ts';
import { reportRun } from '../report.ts';
import { countSamples, forEachBatch } from '../run-batches.ts';
import { decodeSparseFile } from '../sparse-file.ts';
import { readStdin, type Terminal } from '../terminal.ts';

/** Options of `monosemantic decode`. */
export interface DecodeOptions extends ModelOptions, ReportOptions {
  readonly input: string;
  readonly output: string;
  readonly sparse?: boolean;
  readonly activations?: string;
  readonly tensor?: string;
}

/** Runs `monosemantic decode`. */
export async function decode(file: string, options: DecodeOptions, terminal: Terminal): Promise<void> {
  const { input, output, sparse = false, activations: activationsFile, tensor, batchSize } = options;
  checkOutputPath(output);
  if (input === '-' && activationsFile === '-')
    throw new UsageError('--input and --activations cannot both read stdin');
  const started = performance.now();
  const model = await openModelFile(file, options);
  try {
    const { inputShape, codeShape, reconstructionShape, decoderInputs } = model.info;
    if (decoderInputs.length > 0 && activationsFile === undefined) {
      throw new UsageError(`the decoder of ${file} needs ${decoderInputs.join(', ')}: give --activations FILE as well`);
    }
    const source = sparse ? await openSparse(input, model, terminal) : await openSamples(input, terminal, { tensor });
    const activations = decoderInputs.length > 0 ? await openSamples(activationsFile!, terminal) : undefined;
    try {
      const { samples } = countSamples(source, codeShape, input);
      const beside = activations && countSamples(activations, inputShape, activationsFile!);
      if (beside && beside.samples !== samples) {
        throw new InvalidShapeError(`${activationsFile} has ${beside.samples} samples, ${input} ${samples}`);
      }
      const shape = [samples, ...reconstructionShape];
      const writer = await openArrayOutput(output, { shape, name: 'reconstruction' }, terminal);
      try {
        await forEachBatch(
          { source, sampleShape: codeShape, resultSize: sizeOf(reconstructionShape), name: input, batchSize },
          async (batch, start) => {
            const inputs = activations && (await statistics(model, activations, start, batch.shape[0]!));
            await writer.append((await model.decode(batch, undefined, inputs)).data);
          },
          terminal,
        );
        await writer.finish();
      } finally {
        await writer.discard();
      }
      const seconds = (performance.now() - started) / 1000;
      reportRun({ model, output, shape, name: 'reconstructions', seconds }, options, terminal);
    } finally {
      await source.close();
      await activations?.close();
    }
  } finally {
    await model.dispose();
  }
}

/** The further inputs of the decoder for samples `start` to `start + count`. */
async function statistics(model: Autoencoder, source: RowSource, start: number, count: number): Promise<HostTensors> {
  const data = await source.read(start, count);
  return model.decoderInputs({ data, shape: [count, ...model.info.inputShape] });
}

/** Sparse features as dense rows, made a batch at a time. */
async function openSparse(path: string, model: Autoencoder, terminal: Terminal): Promise<RowSource> {
  const name = path === '-' ? 'stdin' : path;
  const bytes =
    path === '-'
      ? await readStdin(terminal)
      : await readFile(path).catch((cause: NodeJS.ErrnoException) => {
          const problem = cause.code === 'ENOENT' ? 'there is no such file' : `cannot be read: ${cause.message}`;
          throw new FileFormatError(problem, { file: path, cause });
        });
  const features = decodeSparseFile(bytes, name);
  const { shape, offsets } = features;
  const dSae = sizeOf(model.info.codeShape);
  if (shape.length !== 2 || shape[1] !== dSae || offsets.length !== shape[0]! + 1) {
    throw new InvalidShapeError(
      `${name}: sparse features of the shape [${shape.join(', ')}] with ${offsets.length} offsets; expected [n, ${dSae}] with n + 1`,
    );
  }
  return {
    rows: shape[0]!,
    width: dSae,
    read: async (start, count) => toDense(features, start, start + count),
    close: async () => {},
  };
}
