/**
 * A checkpoint holds all that a run needs to go on as if it had never stopped, in one safetensors file. Tensors:
 * `state.*` (parameters, buffers, optimizer), `metrics.*` (every step so far), `snapshot.STEP.*`. Metadata: the
 * experiment, the step, the batch source's position, and a checksum of all of it.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { FileFormatError, InvalidValueError } from '../errors.ts';
import { parseJson } from '../files/json-text.ts';
import { readSafetensors, writeSafetensors } from '../files/safetensors.ts';
import { writeFileAtomic } from '../files/write-atomic.ts';
import { type HostTensor, type HostTensors, sizeOf } from '../tensor.ts';
import { inWords } from '../wording.ts';

/** A training at one step: all that it needs to go on to the same bits. */
export interface Checkpoint {
  /** What was trained and how, as JSON. Only a run of the same experiment resumes the checkpoint. */
  readonly experiment: unknown;
  /** How many steps are complete. */
  readonly step: number;
  readonly state: HostTensors;
  /** Every metric of every completed step, [step, ...]. */
  readonly metrics: Readonly<Record<string, Float32Array>>;
  readonly snapshots: readonly Snapshot[];
  readonly batches: unknown;
}

/** What was looked at in one step, such as directions. */
export interface Snapshot {
  readonly step: number;
  readonly value: HostTensors;
}

/** Where and how often a training is kept. */
export interface CheckpointOptions {
  /** How many steps lie between two checkpoints, at least 1. */
  readonly every: number;
  /** What is trained and how, as JSON. */
  readonly experiment: unknown;
  /** Keeps a checkpoint (see checkpointFile). */
  readonly save: (checkpoint: Checkpoint) => Promise<void>;
  /** Where checkpoints are kept, for messages. */
  readonly where: string;
}

const FORMAT = 'monosemantic-checkpoint-2';
const STATE = 'state.';
const METRICS = 'metrics.';
const SNAPSHOT = 'snapshot.';
/** The largest number of bytes of a file that Node reads back in one call. */
const LARGEST_FILE = 2 ** 31 - 1;

/**
 * Keeps a run's checkpoints in one file.
 * @returns two of the settings that `train`'s option `checkpoint` takes; `every` and `experiment` are missing
 */
export function checkpointFile(file: string): Pick<CheckpointOptions, 'save' | 'where'> {
  return { where: file, save: checkpoint => saveCheckpoint(file, checkpoint) };
}

/**
 * Checks the size of a run's checkpoints before its first step.
 * @throws InvalidValueError where checkpoints of `state` would be larger than a file that can be read back
 */
export function requireCheckpointFits(state: HostTensors): void {
  const bytes = Object.values(state).reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0);
  if (bytes <= LARGEST_FILE) return;
  const gib = (bytes / 2 ** 30).toFixed(1);
  throw new InvalidValueError(`a checkpoint would take ${gib} GiB, more than 2 GiB, and could not be read back`);
}

/**
 * Writes a checkpoint whole or not at all.
 * @throws FileWriteError where it cannot be written
 */
export async function saveCheckpoint(file: string, checkpoint: Checkpoint): Promise<void> {
  const { experiment, step, state, metrics, snapshots, batches } = checkpoint;
  const tensors: Record<string, HostTensor> = {};
  for (const [name, tensor] of Object.entries(state)) tensors[STATE + name] = tensor;
  for (const [name, data] of Object.entries(metrics)) tensors[METRICS + name] = { data, shape: [data.length] };
  for (const { step: at, value } of snapshots) {
    for (const [name, tensor] of Object.entries(value)) tensors[`${SNAPSHOT}${at}.${name}`] = tensor;
  }
  const described = { experiment: JSON.stringify(experiment), step: String(step), batches: JSON.stringify(batches) };
  const checksum = checksumOf(described, tensors);
  await writeFileAtomic(file, writeSafetensors(tensors, { format: FORMAT, ...described, checksum }));
}

/** SHA-256 over the metadata and over every tensor's name and numbers, in the order of the names. */
function checksumOf(described: Readonly<Record<string, string>>, tensors: HostTensors): string {
  const hash = createHash('sha256');
  for (const [name, text] of Object.entries(described)) hash.update(`${name}=${text}\n`);
  for (const name of Object.keys(tensors).sort()) {
    const { data, shape } = tensors[name]!;
    hash.update(`${name} [${shape.join(', ')}]\n`);
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}

/**
 * Reads a checkpoint of `experiment`.
 * @throws FileFormatError where the file is missing or damaged, holds metrics of another number of steps than it says,
 *   or is of another experiment: the message names the settings that differ
 */
export async function loadCheckpoint(file: string, experiment: unknown): Promise<Checkpoint> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new FileFormatError(`cannot be read: ${(cause as Error).message}`, { file, cause });
  });
  const { tensors, metadata } = readSafetensors(bytes, { file });
  if (metadata['format'] !== FORMAT) throw new FileFormatError(`is no checkpoint of ours (format ${FORMAT})`, { file });
  const described = Object.fromEntries(['experiment', 'step', 'batches'].map(name => [name, metadata[name] ?? '']));
  const all: Record<string, HostTensor> = {};
  for (const [name, { data, shape }] of tensors) all[name] = { data: Float32Array.from(data), shape };
  if (metadata['checksum'] !== checksumOf(described, all)) {
    throw new FileFormatError('its checksum is not that of its contents: the file is damaged', { file });
  }
  const saved = parse(metadata['experiment'], file);
  const differing = differences(saved, JSON.parse(JSON.stringify(experiment)));
  if (differing.length > 0) {
    throw new FileFormatError(`is a checkpoint of another experiment: ${differing.join('; ')}`, { file });
  }
  const step = Number(metadata['step']);
  if (!Number.isSafeInteger(step) || step < 0) throw new FileFormatError(`has no step count`, { file });
  const metrics = Object.fromEntries(namesUnder(METRICS, all).map(name => [name, all[METRICS + name]!.data]));
  requireLengths(metrics, step, file);
  return {
    experiment: saved,
    step,
    state: Object.fromEntries(namesUnder(STATE, all).map(name => [name, all[STATE + name]!])),
    metrics,
    snapshots: snapshotsIn(all, step, file),
    batches: parse(metadata['batches'], file),
  };
}

function namesUnder(prefix: string, tensors: HostTensors): string[] {
  return Object.keys(tensors)
    .filter(name => name.startsWith(prefix))
    .map(name => name.slice(prefix.length));
}

/** Checks that the metrics are of all the checkpoint's steps and of no more. */
function requireLengths(metrics: Readonly<Record<string, Float32Array>>, step: number, file: string): void {
  for (const [name, { length }] of Object.entries(metrics)) {
    const isWhole = name === 'loss' ? length === step : step === 0 ? length === 0 : length % step === 0 && length > 0;
    if (isWhole) continue;
    throw new FileFormatError(`counts ${step} steps and holds ${length} numbers of its metric ${name}`, { file });
  }
  if (!metrics['loss']) throw new FileFormatError('holds no losses', { file });
}

function snapshotsIn(tensors: HostTensors, last: number, file: string): Snapshot[] {
  const bySteps = new Map<number, Record<string, HostTensor>>();
  for (const name of namesUnder(SNAPSHOT, tensors)) {
    const [at, ...rest] = name.split('.');
    const step = Number(at);
    if (!Number.isSafeInteger(step) || step < 0 || step > last) {
      throw new FileFormatError(`holds a snapshot of step ${at}, and ${last} steps`, { file });
    }
    const value = bySteps.get(step) ?? {};
    value[rest.join('.')] = tensors[SNAPSHOT + name]!;
    bySteps.set(step, value);
  }
  return Array.from(bySteps, ([step, value]) => ({ step, value })).sort((a, b) => a.step - b.step);
}

function parse(text: string | undefined, file: string): unknown {
  return parseJson(text ?? '', 'its metadata', { file });
}

/**
 * Settings that differ, as "name is a there and b here", each as deep as the difference lies; only the first of many.
 */
function differences(saved: unknown, wanted: unknown): string[] {
  const all = differencesUnder('', saved, wanted);
  return all.length <= NAMED ? all : [...all.slice(0, NAMED), `and ${all.length - NAMED} more`];
}

const NAMED = 4;

function differencesUnder(path: string, there: unknown, here: unknown): string[] {
  if (isDeepStrictEqual(there, here)) return [];
  if (!isRecord(there) || !isRecord(here)) {
    return [`${path || 'the experiment'} is ${inWords(there)} there and ${inWords(here)} here`];
  }
  const names = new Set([...Object.keys(there), ...Object.keys(here)]);
  return [...names].flatMap(name => differencesUnder(path ? `${path}.${name}` : name, there[name], here[name]));
}

/** Whether a value is an object or an array. */
function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
