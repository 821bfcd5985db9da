/** The page's end of a worker as an object with the worker's methods, on the library's own connection: errors arrive with their class. */
import { RemoteWorker } from '../../../src/workers/remote-worker.ts';
import { webWorkerPort } from '../../../src/workers/web.ts';

/** The methods of `Api`, each of which answers later. */
export type Remote<Api> = {
  readonly [Name in keyof Api]: Api[Name] extends (...args: infer Args) => infer Value
    ? (...args: Args) => Promise<Awaited<Value>>
    : never;
};

/**
 * The methods that `worker` serves. Calls that wait when it dies are rejected with WorkerDiedError.
 *
 * @param subject What the worker is, for messages: "the training worker".
 * @param onDeath Is told once when it dies, so that the next call may start another.
 */
export function remote<Api extends object>(worker: Worker, subject: string, onDeath: () => void): Remote<Api> {
  const owner = new RemoteWorker<Record<string, (...args: unknown[]) => unknown>>(
    webWorkerPort(worker),
    subject,
    onDeath,
  );
  return new Proxy({} as Remote<Api>, {
    // Without this a promise that resolves with the object would take it for another promise.
    get: (_, name) =>
      typeof name !== 'string' || name === 'then' ? undefined : (...args: unknown[]) => owner.call(name, ...args),
  });
}
