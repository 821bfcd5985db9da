/** Measures the wall-clock seconds of long work by stage: each call of `add` charges the time since the last call. */
export class Stopwatch {
  readonly #seconds = new Map<string, number>();
  #last = performance.now();

  add(stage: string): void {
    const now = performance.now();
    this.#seconds.set(stage, (this.#seconds.get(stage) ?? 0) + (now - this.#last) / 1000);
    this.#last = now;
  }

  seconds(): Record<string, number> {
    return Object.fromEntries(this.#seconds);
  }
}
