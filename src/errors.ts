/**
 * Everything that this package throws on purpose. Each message names the value, what was expected and where it came from. Messages of the
 * classes that tell of data and files are made harmless for terminals and logs (`wording.ts`): names in a file can hold anything.
 */
import { message as harmless } from './wording.ts';

/** A number or option outside its range. */
export class InvalidValueError extends RangeError {
  override readonly name = 'InvalidValueError';
  constructor(message: string, options?: ErrorOptions) {
    super(harmless(message), options);
  }
}

/** An array whose shape or length is not the expected one. */
export class InvalidShapeError extends RangeError {
  override readonly name: string = 'InvalidShapeError';
  constructor(message: string, options?: ErrorOptions) {
    super(harmless(message), options);
  }
}

/** A value of the wrong type. */
export class InvalidTypeError extends TypeError {
  override readonly name = 'InvalidTypeError';
}

/** A function that cannot be recorded as a graph: an op without a rule, or a value read while recording. */
export class RecordingError extends TypeError {
  override readonly name = 'RecordingError';
}

/** A file that is missing, damaged, foreign or of the wrong kind. `file` is its path, or `undefined` for bytes. */
export class FileFormatError extends Error {
  override readonly name = 'FileFormatError';
  readonly file: string | undefined;
  constructor(message: string, options: { file?: string | undefined; cause?: unknown } = {}) {
    super(harmless(options.file === undefined ? message : `${options.file}: ${message}`), { cause: options.cause });
    this.file = options.file;
  }
}

/** A file that cannot be written: its folder is missing or not writable, it is itself a folder, or the disk is full. */
export class FileWriteError extends Error {
  override readonly name = 'FileWriteError';
  readonly file: string;
  constructor(file: string, cause: unknown) {
    super(`${file}: cannot be written: ${writeFailure(cause)}`, { cause });
    this.file = file;
  }
}

function writeFailure(cause: unknown): string {
  const code = (cause as { code?: unknown } | undefined)?.code;
  if (code === 'ENOENT') return 'its folder does not exist';
  if (code === 'ENOTDIR') return 'a part of its path is a file, not a folder';
  if (code === 'EROFS') return 'its file system is read-only';
  if (code === 'EACCES' || code === 'EPERM') return 'its folder is not writable';
  if (code === 'EISDIR') return 'a folder has that name';
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'the disk is full';
  return cause instanceof Error ? cause.message : String(cause);
}

/** A folder that cannot be used now: a run is writing there, or one has, and nothing says what is to become of it. */
export class FolderInUseError extends Error {
  override readonly name = 'FolderInUseError';
  readonly folder: string;
  constructor(folder: string, reason: string) {
    super(harmless(`${folder}: ${reason}`));
    this.folder = folder;
  }
}

/** An engine, provider or device that this machine does not have; `reasons` holds why each candidate was refused. */
export class EngineUnavailableError extends Error {
  override readonly name = 'EngineUnavailableError';
  readonly reasons: readonly string[];
  constructor(message: string, reasons: readonly string[] = [], cause?: unknown) {
    super(harmless(message), { cause });
    this.reasons = reasons;
  }
}

/**
 * Training produced a number that is not finite; the state kept is the last good one. Counting the steps of the call from 0, `step` are
 * complete in the state and the bad number came at `at`.
 */
export class DivergenceError extends Error {
  override readonly name = 'DivergenceError';
  readonly step: number;
  readonly at: number;
  /** What the complete steps reported, [step] each, where the state is after some of the call's steps. */
  readonly metrics: Readonly<Record<string, Float32Array>>;
  constructor(message: string, step: number, at: number = step, metrics: Readonly<Record<string, Float32Array>> = {}) {
    super(message);
    this.step = step;
    this.at = at;
    this.metrics = metrics;
  }
}

/** A server of a queue that cannot be reached, or does not let us in. */
export class QueueUnavailableError extends Error {
  override readonly name = 'QueueUnavailableError';
  readonly address: string;
  constructor(address: string, reason: string, cause?: unknown) {
    super(harmless(`${address}: ${reason}`), { cause });
    this.address = address;
  }
}

/** Runs of a sweep that could not be done, for a reason that is not theirs. */
export class SweepFailedError extends Error {
  override readonly name = 'SweepFailedError';
}

/** Work of another version of this package. */
export class VersionMismatchError extends Error {
  override readonly name = 'VersionMismatchError';
}

/** An optional package that is not installed and is needed for what was asked. */
export class MissingPackageError extends Error {
  override readonly name = 'MissingPackageError';
}

/** Something used after its `dispose`. */
export class DisposedError extends Error {
  override readonly name = 'DisposedError';
}

/**
 * A worker that ended unasked, or that an error inside stopped which nothing there caught: terminated, out of memory, its script not to be
 * loaded. `worker` says what ran in it.
 */
export class WorkerDiedError extends Error {
  override readonly name = 'WorkerDiedError';
  readonly worker: string;
  constructor(worker: string, reason: string, cause?: unknown) {
    super(`the worker of ${worker} died: ${reason}`, { cause });
    this.worker = worker;
  }
}

/** A splice that was tried and does not do what it should: the model is not given away. */
export class SpliceError extends Error {
  override readonly name = 'SpliceError';
}

/** A command line that cannot be understood: exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Asserts what must hold if this package has no bug. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`monosemantic: internal error: ${message}`);
}
