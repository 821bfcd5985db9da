/** Keeps workers that nobody needs at the moment, for the next task: starting a worker takes longer than many tasks. */
import type { RemoteWorker } from './remote-worker.ts';

/** A pool of idle workers. */
export class IdleWorkers<Api extends object> {
  readonly #start: () => RemoteWorker<Api>;
  readonly #most: number;
  readonly #idle: RemoteWorker<Api>[] = [];

  /** Keeps at most `most` workers idle; `start` starts one where none is. */
  constructor(start: () => RemoteWorker<Api>, most: number) {
    this.#start = start;
    this.#most = most;
  }

  /**
   * A worker to run `subject` in.
   * @param onDeath as of RemoteWorker
   */
  take(subject: string, onDeath: () => void = () => {}): RemoteWorker<Api> {
    let worker = this.#idle.pop();
    while (worker && !worker.isAlive) worker = this.#idle.pop();
    worker ??= this.#start();
    worker.assign(subject, onDeath);
    return worker;
  }

  /** Takes a worker back; one too many is ended. */
  async giveBack(worker: RemoteWorker<Api>): Promise<void> {
    worker.assign('an idle worker');
    if (worker.isAlive && this.#idle.length < this.#most) this.#idle.push(worker);
    else await worker.dispose();
  }
}
