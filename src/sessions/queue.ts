/** Runs tasks one at a time, in the order of the calls; the first one starts at once. */
import { DisposedError } from '../errors.ts';

/** A queue of asynchronous tasks, of which one runs at a time. */
export class Queue {
  #last: Promise<unknown> | undefined;
  #closed: string | undefined;

  /**
   * Runs `task` when all tasks before it are done.
   * @throws DisposedError once the queue is closed
   */
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
   * Refuses further tasks with `reason`, and settles when all earlier ones are done.
   * @returns false where the queue was closed before
   */
  async close(reason: string): Promise<boolean> {
    if (this.#closed !== undefined) return false;
    this.#closed = reason;
    await this.idle();
    return true;
  }

  /** Settles when all tasks are done, whether they failed or not. */
  async idle(): Promise<void> {
    await this.#last;
  }
}
