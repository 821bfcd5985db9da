/** A shard's worker thread as the runner sees it. */
import { invariant } from '../../errors.ts';
import { startModuleWorker } from '../threads/module-worker.ts';
import { ThreadClient } from '../threads/thread-client.ts';
import type { ShardReply, ShardRequest, ShardWorkerData } from './shard-worker.ts';

/** What a shard reports when it stopped only because another one failed. */
export class SecondaryFailure extends Error {
  override readonly name = 'SecondaryFailure';
}

export class ShardClient {
  readonly #thread: ThreadClient<ShardRequest, ShardReply>;

  private constructor(thread: ThreadClient<ShardRequest, ShardReply>) {
    this.#thread = thread;
  }

  /** Starts a worker and waits until it holds its shard. Rejects with what went wrong in it. */
  static async start(data: ShardWorkerData): Promise<ShardClient> {
    const transferList = Object.values(data.state).map(array => array.buffer);
    const worker = startModuleWorker('shard-worker', import.meta.url, { workerData: data, transferList });
    const client = new ShardClient(new ThreadClient(worker, 'a sparse update'));
    client.#accept(await client.#thread.next());
    return client;
  }

  /** Sends a request; the reply to it. A shard that failed once answers nothing more. */
  async request<Kind extends ShardReply['kind']>(
    request: ShardRequest,
    kind: Kind,
  ): Promise<Extract<ShardReply, { kind: Kind }>> {
    const reply = this.#accept(await this.#thread.request(request));
    invariant(reply.kind === kind, `a shard answered ${request.kind} with ${reply.kind}`);
    return reply as Extract<ShardReply, { kind: Kind }>;
  }

  /** Ends the thread, whatever it is doing. */
  terminate(): Promise<void> {
    return this.#thread.terminate();
  }

  #accept(reply: ShardReply): ShardReply {
    if (reply.kind !== 'failed') return reply;
    const error = reply.secondary ? new SecondaryFailure('another shard failed', { cause: reply.error }) : reply.error;
    this.#thread.fail(error);
    throw error;
  }
}
