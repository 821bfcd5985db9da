/**
 * The part of ONNX Runtime that this package uses, so that sessions are opened and run the same way in Node and in a
 * browser. The runtime is passed in: node.ts loads onnxruntime-node, browser.ts onnxruntime-web, and nothing here
 * imports either.
 */
import type { InferenceSession, Tensor } from 'onnxruntime-common';

/** Where a session runs: ONNX Runtime's execution providers, by the names that users give. */
export type Provider = 'cuda' | 'webgpu' | 'cpu' | 'wasm';

/** The part of onnxruntime-common's API that is used. */
export interface OnnxRuntimeApi {
  readonly InferenceSession: {
    create(model: Uint8Array, options?: InferenceSession.SessionOptions): Promise<InferenceSession>;
  };
  readonly Tensor: typeof Tensor;
}

/** A loaded ONNX Runtime. */
export interface Runtime {
  /** The npm package. */
  readonly name: 'onnxruntime-node' | 'onnxruntime-web';
  readonly ort: OnnxRuntimeApi;
  /** The providers that `auto` tries, the best first; the last one always loads. */
  readonly candidates: readonly Provider[];
  /** Each provider's name and options for ONNX Runtime in this runtime. */
  readonly providerOptions: Readonly<Partial<Record<Provider, InferenceSession.ExecutionProviderConfig>>>;
  /**
   * Providers that `auto` skips, and why: trying them would only make native code print to stderr, or find a GPU that
   * is emulated on the CPU.
   */
  readonly unlikely: Readonly<Partial<Record<Provider, string>>>;
  /** Prepares the process for a session on a provider; a second call does nothing. */
  beforeOpening?(provider: Provider): void;
  /** How to get a provider that did not load, in one sentence. */
  readonly hints: Readonly<Partial<Record<Provider, string>>>;
  /**
   * Whether two runs must not overlap, even of two sessions: onnxruntime-web suspends one WebAssembly stack while the
   * GPU works, whereas onnxruntime-node runs a call to its end.
   */
  readonly runsOneAtATime: boolean;
}
