/** Writes that follow one another without anyone waiting for each. */

export class WriteQueue {
  #last: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;

  /** Writes when all before it are done; not at all where one of them failed. */
  add(write: () => Promise<void>): void {
    this.#last = this.#last.then(async () => {
      if (this.#failure) return;
      await write().catch((error: unknown) => {
        this.#failure = { error };
      });
    });
  }

  /** Waits for all. Throws what went wrong first. */
  async end(): Promise<void> {
    await this.#last;
    if (this.#failure) throw this.#failure.error;
  }
}
