/** Rows that come one after another, of a width that the first one sets. */
import type { HostTensor } from '../tensor.ts';

/** Takes float32 values in row-major order. The array belongs to the caller afterwards. */
export type FloatSink = (values: Float32Array) => void;

/** Gathers single numbers into arrays for a sink. */
export class FloatBuffer {
  readonly #sink: FloatSink;
  readonly #values = new Float32Array(2 ** 14);
  #length = 0;
  /** Numbers taken so far. */
  count = 0;

  constructor(sink: FloatSink) {
    this.#sink = sink;
  }

  add(value: number): void {
    if (this.#length === this.#values.length) this.flush();
    this.#values[this.#length++] = value;
    this.count++;
  }

  flush(): void {
    if (this.#length > 0) this.#sink(this.#values.slice(0, this.#length));
    this.#length = 0;
  }
}

/**
 * A sink that keeps everything.
 * @returns the sink, and a function that gives everything as a tensor of `shape`
 */
export function keepingSink(): { readonly sink: FloatSink; tensor(shape: readonly number[]): HostTensor } {
  const parts: Float32Array[] = [];
  return {
    sink: values => void parts.push(values),
    tensor(shape) {
      const data = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
      let at = 0;
      for (const part of parts) {
        data.set(part, at);
        at += part.length;
      }
      return { data, shape };
    },
  };
}
