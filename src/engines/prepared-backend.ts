/** What an eager engine needs to know of the TensorFlow.js backend that was made ready for it. */
export interface PreparedBackend {
  /** The name under which TensorFlow.js knows it: what `tf.setBackend` takes. */
  readonly backendName: string;
  /** What stands behind that name: a package, or the kind of GPU access. */
  readonly provider: string;
  /** What was found, in plain words, for people. */
  readonly detail: string;
  /** Settles, with the reason, if the device is lost: nothing on this backend can be trusted from then on. */
  readonly lost?: Promise<string>;
  /**
   * The first thing that the device refused since the last call, such as a buffer larger than it can hold, and `undefined` where it refused nothing:
   * WebGPU goes on with empty buffers and gives numbers that mean nothing. Complete for all that was computed before a value was read.
   */
  takeRefusal?(): string | undefined;
}
