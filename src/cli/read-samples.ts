/** Opens the samples that a command reads: a file, streamed where its format allows it, or stdin. */
import type { ByteSource } from '../files/byte-source.ts';
import { openScratchFile } from '../files/file-bytes.ts';
import {
  openRowSource,
  type RowSource,
  type RowSourceOptions,
  rowSourceFrom,
  rowSourceOf,
} from '../files/row-source.ts';
import { collectBuffers } from './collect-buffers.ts';
import type { Terminal } from './terminal.ts';

/** The most bytes of stdin that are kept in memory; more go to a scratch file. */
const KEPT_IN_MEMORY = 2 ** 23;

/**
 * Opens `path`, or all of stdin for `-`.
 * @throws FileFormatError for what is missing, damaged or of another kind
 */
export async function openSamples(path: string, terminal: Terminal, given: RowSourceOptions = {}): Promise<RowSource> {
  const onPart = (): void => {
    terminal.checkInterruption();
    collectBuffers();
  };
  const options = { ...given, onPart };
  if (path !== '-') return openRowSource(path, options);
  const chunks: Uint8Array[] = [];
  let size = 0;
  const rest = terminal.stdin[Symbol.asyncIterator]() as AsyncIterator<Uint8Array | string>;
  for (let next = await rest.next(); !next.done; next = await rest.next()) {
    const chunk = typeof next.value === 'string' ? Buffer.from(next.value) : next.value;
    chunks.push(chunk);
    size += chunk.byteLength;
    if (size > KEPT_IN_MEMORY) return rowSourceFrom(await onDisk(chunks, rest), options);
  }
  return rowSourceOf(Buffer.concat(chunks), 'stdin', options);
}

/** The chunks that have come and the rest of stdin, in a scratch file. */
async function onDisk(chunks: readonly Uint8Array[], rest: AsyncIterator<Uint8Array | string>): Promise<ByteSource> {
  const file = await openScratchFile();
  try {
    for (const chunk of chunks) await file.append(chunk);
    for (let next = await rest.next(); !next.done; next = await rest.next()) {
      await file.append(typeof next.value === 'string' ? Buffer.from(next.value) : next.value);
    }
  } catch (error) {
    await file.close();
    throw error;
  }
  return {
    name: 'stdin',
    size: file.length,
    read: (start, length) => file.read(start, length),
    close: () => file.close(),
  };
}
