/** `convert`: SAEs between this project's `.onnx`, SAELens folders, and what other projects publish. */

import { frozenSaeToOnnx } from '../../export/frozen-sae-onnx.ts';
import { loadSaeFolder, saveSaelensFolder } from '../../export/load-sae-folder.ts';
import { writeFileAtomic } from '../../files/write-atomic.ts';
import type { ReportOptions } from '../options.ts';
import { report } from '../report.ts';
import type { Terminal } from '../terminal.ts';

export interface ConvertOptions extends ReportOptions {
  readonly to?: 'onnx' | 'saelens';
  readonly normScalingFactor?: number;
  readonly ignoreOption?: readonly string[];
}

export async function convert(
  source: string,
  target: string,
  options: ConvertOptions,
  terminal: Terminal,
): Promise<void> {
  const { to = target.endsWith('.onnx') ? 'onnx' : 'saelens', normScalingFactor, ignoreOption } = options;
  const { sae, format, notes } = await loadSaeFolder(source, {
    normScalingFactor,
    ...(ignoreOption && { ignoreOptions: ignoreOption }),
  });
  if (to === 'onnx') await writeFileAtomic(target, frozenSaeToOnnx(sae));
  else await saveSaelensFolder(target, sae);
  const { architecture, dIn, dSae, k } = sae;
  report(
    { source, target, from: format, to, architecture, d_in: dIn, d_sae: dSae, ...(k !== undefined && { k }), notes },
    [
      `${target}: ${architecture} SAE, d_in ${dIn}, d_sae ${dSae}${k === undefined ? '' : `, k ${k}`} (${format} to ${to})`,
      ...notes.map(note => `note: ${note}`),
    ].join('\n'),
    options,
    terminal,
  );
}
