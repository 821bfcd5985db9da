/**
 * What training needs from the platform: an engine, files and checkpoints. Node has all of it (node.ts), a browser only
 * the engine (browser.ts).
 */
import type { Engine } from '../engines/engine.ts';
import type { SaeMetadata } from '../export/frozen-sae-onnx.ts';
import type { FrozenSae } from '../models/frozen-sae.ts';
import type { HostTensors } from '../tensor.ts';
import type { Checkpoint, CheckpointOptions } from './checkpoint.ts';
import type { RecordSink } from './metrics/run-monitor.ts';
import type { StartWork } from './start/start-work.ts';

/** What training needs from the platform on which it runs. */
export interface TrainingPlatform {
  /**
   * The number of multiplications of a batch with the weights of one autoencoder, below which several train side by
   * side.
   */
  readonly sideBySideBelow: number;
  /** Starts the engine that is used where the caller gives none. */
  defaultEngine(): Promise<Engine>;
  /** Writes a file whole or not at all. */
  writeFile(path: string, bytes: Uint8Array): Promise<void>;
  /** Writes a frozen autoencoder as `.onnx`; beyond 2 GiB its weights lie in a file beside it. */
  saveSae(path: string, sae: FrozenSae, metadata: SaeMetadata): Promise<unknown>;
  /** What computes b_dec and directions before the first step. `signal` ends that with its reason. */
  startWork(signal: AbortSignal | undefined): StartWork;
  /**
   * Opens the place of a run's checkpoints, `folder`/NAME.checkpoint.safetensors, and reads the one to go on from where
   * `resume` is set and it exists.
   */
  checkpoints(request: CheckpointRequest): Promise<KeptCheckpoints>;
  /** The files of a run's records, in the order in which they begin. */
  recordSinks(request: RecordFiles): Promise<readonly RecordSink[]>;
}

/** The files that a run's records are wanted in. */
export interface RecordFiles {
  readonly metricsFile?: string | undefined;
  readonly tensorboard?: string | undefined;
}

/** The place of a run's checkpoints. No other run can use it until it is disposed of. */
export interface KeptCheckpoints extends AsyncDisposable {
  readonly checkpoint: CheckpointOptions;
  readonly resume?: Checkpoint | undefined;
}

/** Which checkpoints are wanted, and of which run. */
export interface CheckpointRequest {
  readonly folder: string;
  readonly name: string;
  readonly every: number;
  readonly experiment: unknown;
  readonly resume: boolean;
  /** Whether an existing checkpoint that is not resumed may be replaced. */
  readonly overwrite: boolean;
  readonly signal?: AbortSignal | undefined;
  /** The state of which checkpoints are kept: its size is checked before the first step. */
  readonly state: HostTensors;
}
