/**
 * Everything that this package throws on purpose. Each message names the value, what was expected and where it came
 * from. Names in a file can hold anything, so messages of the classes that tell of data and files are made harmless for
 * terminals and logs (`wording.ts`).
 */
import { message as harmless } from './wording.ts';

/** Thrown for a number or option outside its range. */
export class InvalidValueError extends RangeError {
  override readonly name = 'InvalidValueError';
  constructor(message: string, options?: ErrorOptions) {
    super(harmless(message), options);
  }
}

/** Thrown for an array whose shape or length is not the expected one. */
export class InvalidShapeError extends RangeError {
  override readonly name: string = 'InvalidShapeError';
  constructor(message: string, options?: ErrorOptions) {
    super(harmless(message), options);
  }
}

/** Thrown for a value of the wrong type. */
export class InvalidTypeError extends TypeError {
  override readonly name = 'InvalidTypeError';
}

/**
 * Thrown for a function that cannot be recorded as a graph: it uses an op without a rule, or reads a value while it is
 * recorded.
 */
export class RecordingError extends TypeError {
  override readonly name = 'RecordingError';
}

/**
 * Thrown for a file that is missing, damaged, foreign or of the wrong kind. `file` is its path, or `undefined` for
 * bytes.
 */
export class FileFormatError extends Error {
  override readonly name = 'FileFormatError';
  readonly file: string | undefined;
  constructor(message: string, options: { file?: string | undefined; cause?: unknown } = {}) {
    super(harmless(options.file === undefined ? message : `${options.file}: ${message}`), { cause: options.cause });
    this.file = options.file;
  }
}

/**
 * Thrown for a file that cannot be written: its folder is missing or not writable, the path is a folder, or the disk is
 * full.
 */
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

/**
 * Thrown for a folder that cannot be used now: a run is writing there, or has written there and no option says what is
 * to become of it.
 */
export class FolderInUseError extends Error {
  override readonly name = 'FolderInUseError';
  readonly folder: string;
  constructor(folder: string, reason: string) {
    super(harmless(`${folder}: ${reason}`));
    this.folder = folder;
  }
}

/**
 * Thrown for an engine, provider or device that this machine does not have. `reasons` holds why each candidate was
 * refused.
 */
export class EngineUnavailableError extends Error {
  override readonly name = 'EngineUnavailableError';
  readonly reasons: readonly string[];
  constructor(message: string, reasons: readonly string[] = [], cause?: unknown) {
    super(harmless(message), { cause });
    this.reasons = reasons;
  }
}

/**
 * Thrown where training produced a number that is not finite. The state that is kept is the last one without such a
 * number. Both fields count the steps of the call from 0: the first `step` steps are complete in the state, and the
 * number appeared in step `at`.
 */
export class DivergenceError extends Error {
  override readonly name = 'DivergenceError';
  readonly step: number;
  readonly at: number;
  /** Metrics of the complete steps, [step] each, where the state is one after some of the call's steps. */
  readonly metrics: Readonly<Record<string, Float32Array>>;
  constructor(message: string, step: number, at: number = step, metrics: Readonly<Record<string, Float32Array>> = {}) {
    super(message);
    this.step = step;
    this.at = at;
    this.metrics = metrics;
  }
}

/** Thrown for a queue's server that cannot be reached, or that refuses the login. */
export class QueueUnavailableError extends Error {
  override readonly name = 'QueueUnavailableError';
  readonly address: string;
  constructor(address: string, reason: string, cause?: unknown) {
    super(harmless(`${address}: ${reason}`), { cause });
    this.address = address;
  }
}

/** Thrown where runs of a sweep could not be done for a reason that does not lie in them: a worker died, say. */
export class SweepFailedError extends Error {
  override readonly name = 'SweepFailedError';
}

/** Thrown for work that another version of this package began. */
export class VersionMismatchError extends Error {
  override readonly name = 'VersionMismatchError';
}

/** Thrown for an optional package that is needed and not installed. The message holds the command that installs it. */
export class MissingPackageError extends Error {
  override readonly name = 'MissingPackageError';
}

/** Thrown for the use of an object after its `dispose`. */
export class DisposedError extends Error {
  override readonly name = 'DisposedError';
}

/**
 * Thrown where a worker has ended unasked (terminated, out of memory, its script could not be loaded), or an error in
 * it was caught by nothing there. `worker` says what ran in it.
 */
export class WorkerDiedError extends Error {
  override readonly name = 'WorkerDiedError';
  readonly worker: string;
  constructor(worker: string, reason: string, cause?: unknown) {
    super(`the worker of ${worker} died: ${reason}`, { cause });
    this.worker = worker;
  }
}

/** Thrown where a merged model was tried and does not compute what it should; no file is written. */
export class SpliceError extends Error {
  override readonly name = 'SpliceError';
}

/** Thrown for a command line that cannot be understood; the process then ends with status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/**
 * Asserts what holds unless this package has a bug.
 * @param message what does not hold
 * @throws Error where `condition` is falsy
 */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`monosemantic: internal error: ${message}`);
}
