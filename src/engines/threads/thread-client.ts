/** A worker thread as its owner sees it: requests go one at a time, and a worker that dies fails them. */
import type { Transferable, Worker } from 'node:worker_threads';

interface Pending<Reply> {
  resolve(reply: Reply): void;
  reject(error: unknown): void;
}

export class ThreadClient<Request, Reply> {
  readonly #worker: Worker;
  #pending: Pending<Reply> | undefined;
  #failure: unknown;

  /** `purpose` is the worker's, for messages: "a training step". */
  constructor(worker: Worker, purpose: string) {
    this.#worker = worker;
    worker.unref();
    worker.on('message', (reply: Reply) => this.#settle(pending => pending.resolve(reply)));
    worker.on('error', error => this.fail(error));
    worker.on('exit', code => this.fail(new Error(`the worker of ${purpose} ended with code ${code}`)));
  }

  /** Whether it can take requests. */
  get isAlive(): boolean {
    return this.#failure === undefined;
  }

  /** Sends a request; the reply to it. */
  request(request: Request, transfer: readonly Transferable[] = []): Promise<Reply> {
    const reply = this.next();
    if (this.isAlive) this.#worker.postMessage(request, transfer);
    return reply;
  }

  /** The worker's next message: what it says unasked when it has started, for one. An idle worker does not keep the process alive. */
  next(): Promise<Reply> {
    if (!this.isAlive) return Promise.reject(this.#failure);
    this.#worker.ref();
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
    });
  }

  /** Fails the request under way and all to come. */
  fail(error: unknown): void {
    this.#failure ??= error;
    this.#settle(pending => pending.reject(this.#failure));
  }

  /** Ends the thread, whatever it is doing. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #settle(answer: (pending: Pending<Reply>) => void): void {
    const pending = this.#pending;
    this.#pending = undefined;
    this.#worker.unref();
    if (pending) answer(pending);
  }
}
