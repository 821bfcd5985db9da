/** The words that commands print when they are done, or JSON where asked. */
import type { Autoencoder } from '../inference/autoencoder.ts';
import type { Shape } from '../tensor.ts';
import { inOneCell } from '../wording.ts';
import type { ReportOptions } from './options.ts';
import type { Terminal } from './terminal.ts';

/** Prints `json` with --json, else `words`. */
export function report(json: unknown, words: string, { json: asJson }: ReportOptions, terminal: Terminal): void {
  terminal.print(asJson ? JSON.stringify(json, null, 2) : words);
}

/** The report of a command that writes an array. */
export interface RunReport {
  readonly model: Autoencoder;
  readonly output: string;
  readonly shape: Shape;
  /** A description of what was written. */
  readonly name: string;
  readonly seconds: number;
  /** The mean number of features that fire for a sample. */
  readonly activePerSample?: number;
}

/**
 * Reports what a model was run on and where the results are. Nothing is reported where the results themselves are on
 * stdout.
 */
export function reportRun(run: RunReport, options: ReportOptions, terminal: Terminal): void {
  const { model, output, shape, name, seconds, activePerSample } = run;
  if (output === '-') return;
  const { file, provider, attempts } = model.info;
  const active = activePerSample === undefined ? '' : `, ${activePerSample.toFixed(1)} active in each sample`;
  report(
    {
      output,
      shape,
      model: file,
      provider,
      attempts,
      seconds,
      ...(activePerSample !== undefined && { activePerSample }),
    },
    `${output}: ${name} [${shape.join(', ')}]${active}; ${provider}, ${seconds.toFixed(1)} s`,
    options,
    terminal,
  );
}

/**
 * Lays out rows of cells in columns, two spaces apart. All but the last cell of a row are padded, and line breaks within
 * a cell are replaced, so that each row is one line.
 */
export function inColumns(cells: readonly (readonly string[])[]): string[] {
  const rows = cells.map(row => row.map(inOneCell));
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  return rows.map(row => row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]!))).join('  '));
}
