/** A shard's worker thread as the runner sees it: requests go one at a time, and a worker that dies fails them. */
import type { Worker } from 'node:worker_threads';
import { invariant } from '../../errors.ts';
import { startModuleWorker } from './module-worker.ts';
import type { ShardReply, ShardRequest, ShardWorkerData } from './shard-worker.ts';

interface Pending {
  resolve(reply: ShardReply): void;
  reject(error: unknown): void;
}

/** What a shard reports when it stopped only because another one failed. */
export class SecondaryFailure extends Error {
  override readonly name = 'SecondaryFailure';
}

export class ShardClient {
  readonly #worker: Worker;
  #pending: Pending | undefined;
  #failure: unknown;

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.on('message', (reply: ShardReply) => {
      if (reply.kind !== 'failed') return this.#settle(pending => pending.resolve(reply));
      this.#fail(reply.secondary ? new SecondaryFailure('another shard failed', { cause: reply.error }) : reply.error);
    });
    worker.on('error', error => this.#fail(error));
    worker.on('exit', code => this.#fail(new Error(`a sparse update's worker ended with code ${code}`)));
  }

  /** Starts a worker and waits until it holds its shard. Rejects with what went wrong in it. */
  static async start(data: ShardWorkerData): Promise<ShardClient> {
    const arrays = Object.values(data.state).map(array => array.buffer);
    const client = new ShardClient(
      startModuleWorker('shard-worker', import.meta.url, { workerData: data, transferList: arrays }),
    );
    await client.#reply();
    return client;
  }

  /** Sends a request; the reply to it. */
  async request<Kind extends ShardReply['kind']>(
    request: ShardRequest,
    kind: Kind,
  ): Promise<Extract<ShardReply, { kind: Kind }>> {
    this.#worker.postMessage(request);
    const reply = await this.#reply();
    invariant(reply.kind === kind, `a shard answered ${request.kind} with ${reply.kind}`);
    return reply as Extract<ShardReply, { kind: Kind }>;
  }

  /** Ends the thread, whatever it is doing. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  /** An idle worker does not keep the process alive. */
  #reply(): Promise<ShardReply> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#worker.ref();
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
    });
  }

  #settle(answer: (pending: Pending) => void): void {
    const pending = this.#pending;
    this.#pending = undefined;
    this.#worker.unref();
    if (pending) answer(pending);
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#settle(pending => pending.reject(this.#failure));
  }
}
