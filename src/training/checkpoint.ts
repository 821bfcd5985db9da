/**
 * Checkpoints: all that a run needs to go on as if it had never stopped, in one safetensors file. Tensors: `state.*` (parameters, buffers,
 * optimizer), `metrics.*` (every step so far), `snapshots`; metadata: the experiment, the step, the batch source's position.
 */
import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { FileFormatError } from '../errors.ts';
import { parseJson } from '../files/json-text.ts';
import { readSafetensors, writeSafetensors } from '../files/safetensors.ts';
import { writeFileAtomic } from '../files/write-atomic.ts';
import type { HostTensor, HostTensors } from '../tensor.ts';
import { inWords } from '../wording.ts';

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
  readonly value: HostTensor;
}

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

const FORMAT = 'monosemantic-checkpoint-1';
const STATE = 'state.';
const METRICS = 'metrics.';
const SNAPSHOT = 'snapshot.';

/** Keeps a run's checkpoints in one file: what train's `checkpoint` option takes, beside how often. */
export function checkpointFile(file: string): Pick<CheckpointOptions, 'save' | 'where'> {
  return { where: file, save: checkpoint => saveCheckpoint(file, checkpoint) };
}

/** Writes a checkpoint whole or not at all. */
export async function saveCheckpoint(file: string, checkpoint: Checkpoint): Promise<void> {
  const { experiment, step, state, metrics, snapshots, batches } = checkpoint;
  const tensors: Record<string, HostTensor> = {};
  for (const [name, tensor] of Object.entries(state)) tensors[STATE + name] = tensor;
  for (const [name, data] of Object.entries(metrics)) tensors[METRICS + name] = { data, shape: [data.length] };
  for (const { step: at, value } of snapshots) tensors[SNAPSHOT + at] = value;
  const metadata = {
    format: FORMAT,
    experiment: JSON.stringify(experiment),
    step: String(step),
    batches: JSON.stringify(batches),
  };
  await writeFileAtomic(file, writeSafetensors(tensors, metadata));
}

/**
 * Reads a checkpoint of `experiment`.
 * FileFormatError where the file is missing, damaged, or of another experiment: it names the settings that differ.
 */
export async function loadCheckpoint(file: string, experiment: unknown): Promise<Checkpoint> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new FileFormatError(`cannot be read: ${(cause as Error).message}`, { file, cause });
  });
  const { tensors, metadata } = readSafetensors(bytes, { file });
  if (metadata['format'] !== FORMAT) throw new FileFormatError(`is no checkpoint of ours (format ${FORMAT})`, { file });
  const saved = parse(metadata['experiment'], file);
  const differing = differences(saved, JSON.parse(JSON.stringify(experiment)));
  if (differing.length > 0) {
    throw new FileFormatError(`is a checkpoint of another experiment: ${differing.join('; ')}`, { file });
  }
  const state: Record<string, HostTensor> = {};
  const metrics: Record<string, Float32Array> = {};
  const snapshots: Snapshot[] = [];
  for (const [name, { data, shape }] of tensors) {
    if (name.startsWith(STATE)) state[name.slice(STATE.length)] = { data: Float32Array.from(data), shape };
    if (name.startsWith(METRICS)) metrics[name.slice(METRICS.length)] = Float32Array.from(data);
    if (name.startsWith(SNAPSHOT)) {
      snapshots.push({ step: Number(name.slice(SNAPSHOT.length)), value: { data: Float32Array.from(data), shape } });
    }
  }
  snapshots.sort((a, b) => a.step - b.step);
  const step = Number(metadata['step']);
  if (!Number.isSafeInteger(step) || step < 0) throw new FileFormatError(`has no step count`, { file });
  return { experiment: saved, step, state, metrics, snapshots, batches: parse(metadata['batches'], file) };
}

function parse(text: string | undefined, file: string): unknown {
  return parseJson(text ?? '', 'its metadata', { file });
}

/** Settings that differ, as "name is a there, b here". */
function differences(saved: unknown, wanted: unknown): string[] {
  const entries = (value: unknown): Record<string, unknown> =>
    typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : { experiment: value };
  const [there, here] = [entries(saved), entries(wanted)];
  const names = new Set([...Object.keys(there), ...Object.keys(here)]);
  return [...names]
    .filter(name => !isDeepStrictEqual(there[name], here[name]))
    .map(name => `${name} is ${inWords(there[name])} there and ${inWords(here[name])} here`);
}
