/** Samples that a command was told to read: a file, streamed where its format allows it, or stdin. */
import { openRowSource, type RowSource, type RowSourceOptions, rowSourceOf } from '../files/row-source.ts';
import { readStdin, type Terminal } from './terminal.ts';

/** Opens `path`, or all of stdin for `-`. FileFormatError for what is missing, damaged or of another kind. */
export async function openSamples(
  path: string,
  terminal: Terminal,
  options: RowSourceOptions = {},
): Promise<RowSource> {
  return path === '-' ? rowSourceOf(await readStdin(terminal), 'stdin', options) : openRowSource(path, options);
}
