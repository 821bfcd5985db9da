/** One file cut into pieces of a largest size, each with its SHA-256, while it is being written. */
import { createHash } from 'node:crypto';
import { createWriteStream, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';

/** A piece of a file, and its SHA-256. */
export interface Piece {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Writes `source` into `folder` as NAME.001, NAME.002, …, each of `pieceBytes` but the last. */
export async function writePieces(
  source: Readable,
  folder: string,
  name: string,
  pieceBytes: number,
): Promise<Piece[]> {
  const pieces: Piece[] = [];
  let current: { file: WriteStream; hash: ReturnType<typeof createHash>; bytes: number; name: string } | undefined;
  const close = async (): Promise<void> => {
    if (!current) return;
    current.file.end();
    await finished(current.file);
    pieces.push({ name: current.name, bytes: current.bytes, sha256: current.hash.digest('hex') });
    current = undefined;
  };
  for await (const chunk of source as AsyncIterable<Buffer>) {
    for (let at = 0; at < chunk.length; ) {
      if (!current) {
        const piece = `${name}.${String(pieces.length + 1).padStart(3, '0')}`;
        current = { file: createWriteStream(join(folder, piece)), hash: createHash('sha256'), bytes: 0, name: piece };
      }
      const part = chunk.subarray(at, at + pieceBytes - current.bytes);
      current.hash.update(part);
      const { file } = current;
      if (!file.write(part)) await new Promise<void>(resolve => file.once('drain', () => resolve()));
      current.bytes += part.length;
      at += part.length;
      if (current.bytes === pieceBytes) await close();
    }
  }
  await close();
  return pieces;
}
