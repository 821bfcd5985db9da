/** Tasks one at a time, in the order of the calls; the first of them starts at once. */
export class Queue {
  #last: Promise<unknown> | undefined;

  add<Result>(task: () => Promise<Result>): Promise<Result> {
    const result = this.#last ? this.#last.then(task) : task();
    const settled = result.then(
      () => {},
      () => {},
    );
    this.#last = settled;
    settled.then(() => {
      if (this.#last === settled) this.#last = undefined;
    });
    return result;
  }

  /** Settles when all that was added is done, whether it failed or not. */
  async idle(): Promise<void> {
    await this.#last;
  }
}
