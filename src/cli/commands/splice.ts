/** `splice`: one model that gives its own outputs through an autoencoder, and the features. */
import { UsageError } from '../../errors.ts';
import type { HostInputs } from '../../host/feeds.ts';
import { splice as spliceModels } from '../../host/splice.ts';
import type { HostDataOptions } from '../host-options.ts';
import { openHostData, openHostFile } from '../open-host.ts';
import type { NameOptions, ReportOptions } from '../options.ts';
import { report } from '../report.ts';
import { saeNames } from '../sae-names.ts';
import type { Terminal } from '../terminal.ts';

/** Options of `monosemantic splice`. */
export interface SpliceOptions extends HostDataOptions, NameOptions, ReportOptions {
  readonly output: string;
  readonly steer?: boolean;
  readonly keepError?: boolean;
  /** The name of the mask input; false for none. */
  readonly maskInput?: string | false;
}

/** Runs `monosemantic splice`. */
export async function splice(model: string, sae: string, options: SpliceOptions, terminal: Terminal): Promise<void> {
  const { output, tensor, targetTensor, channelsAxis, steer, keepError, maskInput } = options;
  if (!output.endsWith('.onnx')) throw new UsageError(`--output ${output}: expected a name that ends in .onnx`);
  const opened = options.input || options.text ? await openHostData(model, options, terminal) : undefined;
  const host = opened?.host ?? (await openHostFile(model, options));
  try {
    let inputs: HostInputs | undefined;
    if (opened) {
      for await (const batch of opened.data.batches({ batchSize: options.batchSize ?? 4 })) {
        inputs = batch.inputs;
        break;
      }
    }
    const result = await spliceModels(host, sae, {
      ...saeNames(options),
      tensor,
      target: targetTensor,
      channelsAxis,
      steer,
      keepError,
      mask: maskInput,
      inputs,
    });
    const files = await result.write(output);
    const { check, features, delta, mask, notes, dSae } = result;
    const tried =
      `tried: the tensor replaced by itself changes ${check.identity.toPrecision(2)} of the outputs' range, ` +
      `the merged model differs from its parts by ${(check.merged ?? 0).toPrecision(2)}, the mean in its place changes ${check.meanEffect.toPrecision(2)}`;
    const words = [
      `${files.join(' and ')}: ${result.target} goes through ${sae}; output ${features} [batch…, ${dSae}]${delta ? `, input ${delta}` : ''}`,
      ...(mask ? [`positions where ${mask} is 0 keep their activations`] : []),
      ...notes,
      tried,
      ...(check.bypassed ? ['the outputs also depend on the input by ways that do not pass the tensor'] : []),
    ];
    const { bytes: _, write: __, ...rest } = result;
    report({ ...rest, output, files }, words.join('\n'), options, terminal);
  } finally {
    if (opened) await opened.close();
    else await host.dispose();
  }
}
