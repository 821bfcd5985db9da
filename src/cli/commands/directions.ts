/** `directions`: each feature's direction, as the file holds them. ONNX Runtime opens the file, nothing is run. */
import { checkOutputPath, openArrayOutput } from '../array-output.ts';
import { openModelFile } from '../open-model.ts';
import type { NameOptions, ReportOptions } from '../options.ts';
import { report } from '../report.ts';
import type { Terminal } from '../terminal.ts';

/** Options of `monosemantic directions`. */
export interface DirectionsOptions extends NameOptions, ReportOptions {
  readonly output: string;
}

/** Runs `monosemantic directions`. */
export async function directions(file: string, options: DirectionsOptions, terminal: Terminal): Promise<void> {
  const { output } = options;
  checkOutputPath(output);
  const model = await openModelFile(file, { ...options, provider: 'cpu' });
  try {
    const { data, shape } = await model.featureDirections();
    const writer = await openArrayOutput(output, { shape, name: 'directions' }, terminal);
    try {
      await writer.append(data);
      await writer.finish();
    } finally {
      await writer.discard();
    }
    if (output === '-') return;
    report({ output, shape, model: file }, `${output}: directions [${shape.join(', ')}]`, options, terminal);
  } finally {
    await model.dispose();
  }
}
