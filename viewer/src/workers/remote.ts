/**
 * The page's end of a worker: an object with the worker's methods. It uses the library's own protocol, under which errors
 * keep their class.
 */
import { RemoteWorker } from '../../../src/workers/remote-worker.ts';
import { webWorkerPort } from '../../../src/workers/web.ts';

/** The methods of `Api` as a page calls them: each returns a promise. */
export type Remote<Api> = {
  readonly [Name in keyof Api]: Api[Name] extends (...args: infer Args) => infer Value
    ? (...args: Args) => Promise<Awaited<Value>>
    : never;
};

/**
 * Gives the methods that `worker` serves. Calls that wait when the worker dies are rejected with WorkerDiedError.
 * @param subject - What messages call the worker, such as "the training worker".
 * @param onDeath - Is called once when the worker dies, so that the next call may start another.
 */
export function remote<Api extends object>(worker: Worker, subject: string, onDeath: () => void): Remote<Api> {
  const owner = new RemoteWorker<Record<string, (...args: unknown[]) => unknown>>(
    webWorkerPort(worker),
    subject,
    onDeath,
  );
  return new Proxy({} as Remote<Api>, {
    // A promise that resolves with an object that has a method `then` waits for that method, so there must be none.
    get: (_, name) =>
      typeof name !== 'string' || name === 'then' ? undefined : (...args: unknown[]) => owner.call(name, ...args),
  });
}
