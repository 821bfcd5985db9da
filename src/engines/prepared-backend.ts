/** A TensorFlow.js backend that was made ready for an eager engine. */
export interface PreparedBackend {
  /** The backend's name in TensorFlow.js, which `tf.setBackend` takes. */
  readonly backendName: string;
  /** What implements it: a package, or the kind of GPU access. */
  readonly provider: string;
  /** A description in plain words, for people. */
  readonly detail: string;
  /** Settles with the reason if the device is lost. No result of this backend can be trusted from then on. */
  readonly lost?: Promise<string>;
  /**
   * The first request that the device has refused since the last call, such as a buffer larger than it can hold;
   * `undefined` where it refused none. WebGPU goes on with empty buffers and gives meaningless numbers. The answer
   * covers all that was computed before a value was read.
   */
  takeRefusal?(): string | undefined;
}
