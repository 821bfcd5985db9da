/** Runs an autoencoder over rows of activations, a few rows at a time. */
import { FileFormatError, InvalidShapeError } from '../errors.ts';
import type { SaeNames } from '../inference/model-options.ts';
import type { Signature } from '../inference/signature.ts';
import { cutModel } from '../onnx/cut.ts';
import type { OnnxModel } from '../onnx/read.ts';
import { openSession, type Session } from '../sessions/session.ts';
import type { HostTensor } from '../tensor.ts';
import { fromTensor, toTensor } from './feeds.ts';
import type { HostModel } from './host-model.ts';
import { saeSignature } from './merge-sae.ts';

/** How many features are computed at once: 64 MiB. */
const VALUES_AT_ONCE = 2 ** 24;

/** An autoencoder with an open session for rows. */
export class Reconstructor {
  readonly #host: HostModel;
  readonly #session: Session;
  readonly #signature: Signature;

  private constructor(host: HostModel, session: Session, signature: Signature) {
    this.#host = host;
    this.#session = session;
    this.#signature = signature;
  }

  static async open(host: HostModel, sae: OnnxModel, names: SaeNames = {}): Promise<Reconstructor> {
    const signature = saeSignature(sae, names);
    if (signature.inputType !== 'float32') {
      throw new FileFormatError(`the autoencoder computes in ${signature.inputType}; expected float32`, {
        file: sae.file,
      });
    }
    const bytes = cutModel(sae, { inputs: [signature.input], outputs: [signature.code, signature.reconstruction] });
    const { session } = await openSession(host.runtime, bytes, {
      provider: host.runtime.candidates.at(-1)!,
      file: sae.file,
    });
    return new Reconstructor(host, session, signature);
  }

  get dIn(): number {
    return this.#signature.inputShape.at(-1)!;
  }

  /** The number of features, where the file states it. */
  get dSae(): number | undefined {
    return this.#signature.codeShape?.at(-1);
  }

  /**
   * The reconstruction of `rows` [n, d_in].
   * @param onFeatures called with the features [count, d_sae] of `count` rows from `start` on
   * @throws InvalidShapeError where the rows have another width
   */
  async run(
    rows: HostTensor,
    onFeatures: (features: HostTensor, start: number) => void = () => {},
  ): Promise<HostTensor> {
    const { input, code, reconstruction } = this.#signature;
    const width = rows.shape.at(-1)!;
    if (width !== this.dIn) {
      throw new InvalidShapeError(`the autoencoder reads rows ${this.dIn} wide; the tensor's are ${width} wide`);
    }
    const count = rows.data.length / width;
    const atOnce = Math.max(1, Math.floor(VALUES_AT_ONCE / (this.dSae ?? 2 ** 14)));
    let result: Float32Array | undefined;
    let outWidth = width;
    for (let start = 0; start < count; start += atOnce) {
      const size = Math.min(atOnce, count - start);
      const data = rows.data.subarray(start * width, (start + size) * width);
      const feeds = { [input]: toTensor(this.#host.runtime, 'float32', { data, shape: [size, width] }, input) };
      const results = await this.#session.run(feeds);
      onFeatures(fromTensor(results[code]!, code) as HostTensor, start);
      const values = fromTensor(results[reconstruction]!, reconstruction) as HostTensor;
      outWidth = values.shape.at(-1)!;
      result ??= new Float32Array(count * outWidth);
      result.set(values.data, start * outWidth);
    }
    return { data: result ?? new Float32Array(0), shape: [count, outWidth] };
  }

  dispose(): Promise<void> {
    return this.#session.dispose();
  }
}
