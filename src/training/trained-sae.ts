/** What trainers give back: an autoencoder that knows how it was trained. */
import { createRandomSource } from '../data/random-source.ts';
import { freezeSae, type SaeFreezeOptions, saeMetadata, type TrainingRecord } from '../export/freeze.ts';
import type { ModelState } from '../models/model.ts';
import { SparseAutoencoder, type SparseAutoencoderConfig } from '../models/sparse-autoencoder.ts';
import type { HostTensors } from '../tensor.ts';
import type { TrainingPlatform } from './platform.ts';

/** A sparse autoencoder, how it was trained, and its way into a file. */
export class TrainedSparseAutoencoder extends SparseAutoencoder {
  /** How it was trained: data, steps, optimizer, engine, losses. The file's metadata hold it. */
  readonly training: TrainingRecord;
  /** The name of its start's directions, or `given`. */
  readonly init: string;
  readonly #platform: Pick<TrainingPlatform, 'saveSae'>;

  constructor(
    config: SparseAutoencoderConfig,
    state: ModelState<HostTensors>,
    training: TrainingRecord,
    init: string,
    platform: Pick<TrainingPlatform, 'saveSae'>,
  ) {
    super(config, createRandomSource(0), { state });
    this.training = training;
    this.init = init;
    this.#platform = platform;
  }

  /** The frozen model as the bytes of an .onnx file (ARCHITECTURE.md, the contract). `options` replace what is known of the training. */
  toOnnx(options: SaeFreezeOptions = {}): Uint8Array {
    return freezeSae(this, this.#known(options));
  }

  /**
   * Writes the frozen model, whole or not at all; weights beyond 2 GiB go to `path`.data beside it, as ONNX's external data.
   * @throws FileWriteError where `path` cannot be written.
   */
  async save(path: string, options: SaeFreezeOptions = {}): Promise<void> {
    await this.#platform.saveSae(path, this.freeze(), saeMetadata(this, this.#known(options)));
  }

  #known(options: SaeFreezeOptions): SaeFreezeOptions {
    return { training: this.training, init: this.init, ...options };
  }
}
