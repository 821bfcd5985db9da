/** `convert`: SAEs between this project's `.onnx`, SAELens folders, and what other projects publish. */

import { loadSaeFolder, saveSaelensFolder } from '../../export/load-sae-folder.ts';
import { saveSae } from '../../export/save-sae.ts';
import type { ReportOptions } from '../options.ts';
import { report } from '../report.ts';
import type { Terminal } from '../terminal.ts';

/** Options of `monosemantic convert`. */
export interface ConvertOptions extends ReportOptions {
  readonly to?: 'onnx' | 'saelens';
  readonly normScalingFactor?: number;
  readonly ignoreOption?: readonly string[];
  readonly externalData?: boolean;
}

/** Runs `monosemantic convert`. */
export async function convert(
  source: string,
  target: string,
  options: ConvertOptions,
  terminal: Terminal,
): Promise<void> {
  const { to = target.endsWith('.onnx') ? 'onnx' : 'saelens', normScalingFactor, ignoreOption, externalData } = options;
  const { sae, format, notes } = await loadSaeFolder(source, {
    normScalingFactor,
    ...(ignoreOption && { ignoreOptions: ignoreOption }),
  });
  const files =
    to === 'onnx'
      ? await saveSae(target, sae, {}, { externalData: externalData ? 'always' : 'auto' })
      : await saveSaelensFolder(target, sae);
  const { architecture, dIn, dSae, k } = sae;
  report(
    {
      source,
      target,
      from: format,
      to,
      architecture,
      d_in: dIn,
      d_sae: dSae,
      ...(k !== undefined && { k }),
      files,
      notes,
    },
    [
      `${target}: ${architecture} SAE, d_in ${dIn}, d_sae ${dSae}${k === undefined ? '' : `, k ${k}`} (${format} to ${to})`,
      ...(to === 'onnx' && files.length > 1
        ? [`its weights are beside it, in ${files[1]}: keep the two together`]
        : []),
      ...notes.map(note => `note: ${note}`),
    ].join('\n'),
    options,
    terminal,
  );
}
