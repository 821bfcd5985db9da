/**
 * Checkpoints: all that a run needs to go on as if it had never stopped, in one safetensors file. Tensors: `state.*` (parameters, buffers,
 * optimizer), `metrics.*` (every step so far), `snapshot.STEP.*`; metadata: the experiment, the step, the batch source's position, and a checksum of
 * all of it.
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
  /** What was trained and how, as JSON: a run is resumed only by the same experiment. */
  readonly experiment: unknown;
  /** Completed steps. */
  readonly step: number;
  readonly state: HostTensors;
  /** Every metric of every completed step, [step, ...]. */
  readonly metrics: Readonly<Record<string, Float32Array>>;
  readonly snapshots: readonly Snapshot[];
  readonly batches: unknown;
}

/** What was watched at one step, such as directions. */
export interface Snapshot {
  readonly step: number;
  readonly value: HostTensors;
}

/** Where and how often a training is kept. */
export interface CheckpointOptions {
  /** Steps between checkpoints. */
  readonly every: number;
  /** JSON that says what is trained and how. */
  readonly experiment: unknown;
  /** Keeps a checkpoint (see checkpointFile). */
  readonly save: (checkpoint: Checkpoint) => Promise<void>;
  /** Where it is kept, for messages. */
  readonly where: string;
}

const FORMAT = 'monosemantic-checkpoint-2';
const STATE = 'state.';
const METRICS = 'metrics.';
const SNAPSHOT = 'snapshot.';
/** Above this a file cannot be read back at once. */
const LARGEST_FILE = 2 ** 31 - 1;

/** Keeps a run's checkpoints in one file: what train's `checkpoint` option takes, beside how often. */
export function checkpointFile(file: string): Pick<CheckpointOptions, 'save' | 'where'> {
  return { where: file, save: checkpoint => saveCheckpoint(file, checkpoint) };
}

/** @throws InvalidValueError where checkpoints of `state` would be larger than a file that can be read back. */
export function requireCheckpointFits(state: HostTensors): void {
  const bytes = Object.values(state).reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0);
  if (bytes <= LARGEST_FILE) return;
  const gib = (bytes / 2 ** 30).toFixed(1);
  throw new InvalidValueError(`a checkpoint would take ${gib} GiB, more than 2 GiB, and could not be read back`);
}

/** Writes a checkpoint whole or not at all. */
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

/** SHA-256 over what is described and over every tensor's name and numbers, by name. */
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
 * @throws FileFormatError where the file is missing, damaged, not as long as its step count says, or of another experiment: it names the settings
 *   that differ.
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

/** A checkpoint's metrics are of all its steps, and of no more. */
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

/** Settings that differ, as "name is a there and b here", at the depth where they do; the first few of many. */
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

/** An object or an array, by its keys. */
function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
