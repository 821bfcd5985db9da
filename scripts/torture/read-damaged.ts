/**
 * The child that reads damaged files, so that a file which brings native code down, or never ends, is seen as such. It is told a kind and a
 * seed, and answers with what came of it; a list of numbers that was read goes to a file for Python.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { damagedFile, FILE_KINDS, type Reading, writeSet } from './file-kinds.ts';

/** Which damaged file the child is to read. */
export interface ReadCommand {
  readonly kind: string;
  readonly seed: number;
  /** Where the file and what was read from it are to be kept for Python, if it was read. */
  readonly keep: string;
}

/** The child's answer about a file. */
export interface ReadAnswer {
  readonly seed: number;
  /** `refused` with a typed error, `read`, or `untyped`: an error that nobody threw on purpose. */
  readonly outcome: 'refused' | 'read' | 'untyped';
  readonly problem?: string;
  readonly milliseconds: number;
}

const TYPED = ['FileFormatError', 'InvalidValueError', 'InvalidShapeError', 'InvalidTypeError'];

/** A reading as plain data: numbers as float64 in base64, which JSON's would not be for NaN. */
function asJson(reading: Reading): unknown {
  return Object.entries(reading).map(([name, { data, shape }]) => ({
    name,
    shape,
    data: Buffer.from(Float64Array.from(data).buffer).toString('base64'),
  }));
}

async function read({ kind: name, seed, keep }: ReadCommand): Promise<ReadAnswer> {
  const kind = FILE_KINDS.find(candidate => candidate.name === name)!;
  const { files } = await damagedFile(kind, seed);
  const folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
  await writeSet(folder, files);
  const started = performance.now();
  const since = () => Math.round(performance.now() - started);
  try {
    const { reading, extra } = await kind.read(folder, files);
    const milliseconds = since();
    if (kind.oracle !== undefined) {
      await writeSet(keep, files);
      await writeFile(join(keep, 'reading.json'), JSON.stringify({ reading: asJson(reading), extra }));
    }
    return { seed, outcome: 'read', milliseconds };
  } catch (error) {
    const { name, message, stack } = error as Error;
    const isTyped = TYPED.includes(name) && typeof message === 'string' && message.length > 0;
    return {
      seed,
      outcome: isTyped ? 'refused' : 'untyped',
      problem: isTyped ? message : (stack ?? String(error)),
      milliseconds: since(),
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

process.on('message', (command: ReadCommand) => {
  read(command).then(answer => process.send!(answer));
});
process.send!('ready');
