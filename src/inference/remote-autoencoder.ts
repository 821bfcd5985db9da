/** An autoencoder in a worker, so that neither reading the file nor running it holds the thread that asks. */
import { DisposedError } from '../errors.ts';
import type { HostTensor, HostTensors, Shape } from '../tensor.ts';
import { type Port, transfer, type WorkerPort } from '../workers/protocol.ts';
import { RemoteWorker } from '../workers/remote-worker.ts';
import { serve } from '../workers/serve.ts';
import type { Autoencoder, AutoencoderInfo, CodeSamples } from './autoencoder.ts';
import type { Samples } from './samples.ts';
import type { SparseFeatures } from './sparse-features.ts';

/** The calls that the worker answers: `load` first, then those of an autoencoder. */
interface AutoencoderApi extends Omit<Autoencoder, 'info'> {
  load(...args: readonly unknown[]): Promise<AutoencoderInfo>;
}

/**
 * Serves one model in a worker; `load` opens it from the arguments of the first call. The arrays of a result are
 * transferred, not copied: nothing else uses them.
 */
export function serveAutoencoder(port: Port, load: (...args: readonly never[]) => Promise<Autoencoder>): void {
  let autoencoder: Autoencoder | undefined;
  const loaded = (): Autoencoder => {
    if (!autoencoder) throw new DisposedError('no model was loaded');
    return autoencoder;
  };
  const api: AutoencoderApi = {
    async load(...args) {
      autoencoder = await load(...(args as never[]));
      return autoencoder.info;
    },
    encode: async (...args) => transfer(await loaded().encode(...args)),
    encodeSparse: async (...args) => transfer(await loaded().encodeSparse(...args)),
    decode: async (...args) => transfer(await loaded().decode(...args)),
    forward: async (...args) => transfer(await loaded().forward(...args)),
    decoderInputs: async (...args) => transfer(await loaded().decoderInputs(...args)),
    featureDirections: async () => transfer(await loaded().featureDirections()),
    dispose: async () => autoencoder?.dispose(),
  };
  serve(port, api);
}

class RemoteAutoencoder implements Autoencoder {
  readonly info: AutoencoderInfo;
  readonly #worker: RemoteWorker<AutoencoderApi>;

  constructor(info: AutoencoderInfo, worker: RemoteWorker<AutoencoderApi>) {
    this.info = info;
    this.#worker = worker;
  }

  encode(input: Samples, shape?: Shape): Promise<HostTensor> {
    return this.#worker.call('encode', input, shape);
  }

  encodeSparse(input: Samples, shape?: Shape): Promise<SparseFeatures> {
    return this.#worker.call('encodeSparse', input, shape);
  }

  decode(code: CodeSamples, shape?: Shape, inputs?: HostTensors): Promise<HostTensor> {
    return this.#worker.call('decode', code, shape, inputs);
  }

  forward(input: Samples, shape?: Shape): Promise<{ readonly code: HostTensor; readonly reconstruction: HostTensor }> {
    return this.#worker.call('forward', input, shape);
  }

  decoderInputs(input: Samples, shape?: Shape): Promise<HostTensors> {
    return this.#worker.call('decoderInputs', input, shape);
  }

  featureDirections(): Promise<HostTensor> {
    return this.#worker.call('featureDirections');
  }

  /** Waits two seconds for the calls under way, then ends the worker: a model may hang. */
  async dispose(): Promise<void> {
    this.#worker.call('dispose').catch(() => undefined);
    await this.#worker.dispose();
  }
}

/**
 * Loads a model in the worker behind `port`. An error there arrives here as it was thrown.
 * @param subject the model, for messages
 * @param args arguments of the function that opens the model in the worker
 */
export async function connectAutoencoder(
  port: WorkerPort,
  subject: string,
  args: readonly unknown[],
): Promise<Autoencoder> {
  const worker = new RemoteWorker<AutoencoderApi>(port, subject);
  try {
    return new RemoteAutoencoder(await worker.call('load', ...args), worker);
  } catch (error) {
    await worker.dispose();
    throw error;
  }
}
