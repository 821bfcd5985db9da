/** The result of trainers: an autoencoder that knows how it was trained. */
import { createRandomSource } from '../data/random-source.ts';
import { freezeSae, type SaeFreezeOptions, saeMetadata, type TrainingRecord } from '../export/freeze.ts';
import type { ModelState } from '../models/model.ts';
import { SparseAutoencoder, type SparseAutoencoderConfig } from '../models/sparse-autoencoder.ts';
import type { HostTensors } from '../tensor.ts';
import type { TrainingPlatform } from './platform.ts';

/** A trained sparse autoencoder: it knows how it was trained, and can be written to a file. */
export class TrainedSparseAutoencoder extends SparseAutoencoder {
  /** How it was trained: data, steps, optimizer, engine, losses. The file's metadata hold this. */
  readonly training: TrainingRecord;
  /** The name of the start of its directions; `given` for directions that were passed in. */
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

  /**
   * The frozen model as the bytes of an .onnx file (its tensors: ARCHITECTURE.md, "The contract").
   * @param options replace the record of the training in the file's metadata
   */
  toOnnx(options: SaeFreezeOptions = {}): Uint8Array {
    return freezeSae(this, this.#known(options));
  }

  /**
   * Writes the frozen model to `path`, whole or not at all; weights beyond 2 GiB go to `path`.data beside it, as ONNX's
   * external data.
   * @param options replace the record of the training in the file's metadata
   * @throws FileWriteError where `path` cannot be written
   */
  async save(path: string, options: SaeFreezeOptions = {}): Promise<void> {
    await this.#platform.saveSae(path, this.freeze(), saeMetadata(this, this.#known(options)));
  }

  #known(options: SaeFreezeOptions): SaeFreezeOptions {
    return { training: this.training, init: this.init, ...options };
  }
}
