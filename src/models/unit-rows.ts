/** Rows of a matrix scaled to one norm. */
import { type HostTensor, sizeOf } from '../tensor.ts';

/**
 * A copy of `rows` [..., d] in which every row has the norm `norm`; a row of zeros stays zero.
 * @param norm default 1
 */
export function unitRows({ data, shape }: HostTensor, norm = 1): HostTensor {
  const width = shape.at(-1)!;
  const out = Float32Array.from(data);
  for (let start = 0; start < sizeOf(shape); start += width) {
    let squares = 0;
    for (let i = start; i < start + width; i++) squares += out[i]! ** 2;
    const scale = squares > 0 ? norm / Math.sqrt(squares) : 0;
    for (let i = start; i < start + width; i++) out[i]! *= scale;
  }
  return { data: out, shape };
}
