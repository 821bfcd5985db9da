/** Writes one after another, without a wait for each. */

/** A queue of writes that are done one after another. */
export class WriteQueue {
  #last: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;

  /** Does `write` when all writes before it are done; not at all where one of them failed. */
  add(write: () => Promise<void>): void {
    this.#last = this.#last.then(async () => {
      if (this.#failure) return;
      await write().catch((error: unknown) => {
        this.#failure = { error };
      });
    });
  }

  /**
   * Waits for all writes.
   * @throws the first error of a write
   */
  async end(): Promise<void> {
    await this.#last;
    if (this.#failure) throw this.#failure.error;
  }
}
