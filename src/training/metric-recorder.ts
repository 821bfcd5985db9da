/** Collects what each step of a run reports, each metric in one array. */

/** Collects the metrics of steps as they are reported. */
export class MetricRecorder {
  readonly #steps: number;
  readonly #metrics = new Map<string, { readonly data: Float32Array; readonly width: number }>();

  /**
   * @param names the metrics there will be
   * @param width how many numbers a step reports of each metric but `loss`
   * @param before metrics of earlier steps, where a run is resumed
   */
  constructor(
    steps: number,
    names: readonly string[],
    width: number,
    before: Readonly<Record<string, Float32Array>> = {},
  ) {
    this.#steps = steps;
    for (const name of names) {
      const own = name === 'loss' ? 1 : width;
      const data = new Float32Array(this.#steps * own);
      data.set(before[name] ?? []);
      // A metric that earlier steps did not report is unknown for them.
      if (!before[name]) data.fill(Number.NaN);
      this.#metrics.set(name, { data, width: own });
    }
  }

  /** Adds the metrics of up to `count` steps, the first of which is step `step`. */
  add(step: number, metrics: Readonly<Record<string, Float32Array>>, count: number): void {
    for (const [name, { data, width }] of this.#metrics) {
      data.set(metrics[name]?.subarray(0, count * width) ?? [], step * width);
    }
  }

  /** Each metric of the steps after `from` up to and including `to`, as views. */
  between(from: number, to: number): Record<string, Float32Array> {
    return Object.fromEntries(
      Array.from(this.#metrics, ([name, { data, width }]) => [name, data.subarray(from * width, to * width)]),
    );
  }

  /** Each metric of the first `step` steps. */
  upTo(step: number): Record<string, Float32Array> {
    return Object.fromEntries(
      Array.from(this.#metrics, ([name, { data, width }]) => [name, data.slice(0, step * width)]),
    );
  }
}
