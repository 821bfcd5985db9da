/** Large tensors that several workers read. */
import type { HostTensor } from '../../../src/tensor.ts';

/**
 * The same tensor in memory that all workers of the page read without a copy of their own. A page that is not isolated from other origins,
 * as the single file from disk, has no such memory: there it is `tensor` itself.
 */
export function inSharedMemory(tensor: HostTensor): HostTensor {
  if (!globalThis.crossOriginIsolated) return tensor;
  const data = new Float32Array(new SharedArrayBuffer(tensor.data.byteLength));
  data.set(tensor.data);
  return { ...tensor, data };
}

/** The buffer of `tensor` as something to transfer; nothing where it is shared, which is never given away. */
export const ownBuffer = ({ data: { buffer } }: HostTensor): ArrayBuffer[] =>
  buffer instanceof ArrayBuffer ? [buffer] : [];
