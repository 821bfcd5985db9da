/** What training needs of where it runs: an engine, files, checkpoints. Node has all of it (node.ts), a browser the engine alone (browser.ts). */
import type { Engine } from '../engines/engine.ts';
import type { SaeMetadata } from '../export/frozen-sae-onnx.ts';
import type { FrozenSae } from '../models/frozen-sae.ts';
import type { HostTensors } from '../tensor.ts';
import type { Checkpoint, CheckpointOptions } from './checkpoint.ts';
import type { RecordSink } from './metrics/run-monitor.ts';
import type { StartWork } from './start/start-work.ts';

export interface TrainingPlatform {
  /** The engine where none is given. */
  defaultEngine(): Promise<Engine>;
  /** Writes a file whole or not at all. */
  writeFile(path: string, bytes: Uint8Array): Promise<void>;
  /** Writes a frozen autoencoder as .onnx; beyond 2 GiB with its weights beside it. */
  saveSae(path: string, sae: FrozenSae, metadata: SaeMetadata): Promise<unknown>;
  /** Who computes b_dec and directions before the first step; `signal` ends it with its reason. */
  startWork(signal: AbortSignal | undefined): StartWork;
  /** Where a run's checkpoints are kept, `folder`/NAME.checkpoint.safetensors, and the one to go on from where `resume` is set and it exists. */
  checkpoints(request: CheckpointRequest): Promise<KeptCheckpoints>;
  /** Files that a run's records go to, in the order in which they begin. */
  recordSinks(request: RecordFiles): Promise<readonly RecordSink[]>;
}

export interface RecordFiles {
  readonly metricsFile?: string | undefined;
  readonly tensorboard?: string | undefined;
}

/** Where a run is kept, for it alone until it is disposed of. */
export interface KeptCheckpoints extends AsyncDisposable {
  readonly checkpoint: CheckpointOptions;
  readonly resume?: Checkpoint | undefined;
}

export interface CheckpointRequest {
  readonly folder: string;
  readonly name: string;
  readonly every: number;
  readonly experiment: unknown;
  readonly resume: boolean;
  /** Whether a checkpoint that is there and not resumed may be replaced. */
  readonly overwrite: boolean;
  readonly signal?: AbortSignal | undefined;
  /** The state that is to be kept: its size is checked before the first step. */
  readonly state: HostTensors;
}
