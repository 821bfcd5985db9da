/** Tasks one at a time, in the order of the calls; the first of them starts at once. */
import { DisposedError } from '../errors.ts';

export class Queue {
  #last: Promise<unknown> | undefined;
  #closed: string | undefined;

  /** DisposedError once the queue is closed. */
  add<Result>(task: () => Promise<Result>): Promise<Result> {
    if (this.#closed !== undefined) return Promise.reject(new DisposedError(this.#closed));
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

  /**
   * Refuses with `reason` what is added from now on, and settles when all that was added before is done. False where the queue
   * was closed before.
   */
  async close(reason: string): Promise<boolean> {
    if (this.#closed !== undefined) return false;
    this.#closed = reason;
    await this.idle();
    return true;
  }

  /** Settles when all that was added is done, whether it failed or not. */
  async idle(): Promise<void> {
    await this.#last;
  }
}
