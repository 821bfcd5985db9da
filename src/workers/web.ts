/** Web Workers. */
import type { Port, WorkerPort } from './protocol.ts';

/** The owner's end of `worker`. A page is not told when a worker ends; an error that nothing in it caught counts as its death. */
export function webWorkerPort(worker: Worker): WorkerPort {
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    onMessage: listener => worker.addEventListener('message', ({ data }) => listener(data)),
    onDeath(listener) {
      worker.addEventListener('error', event => listener(event.message || 'its script cannot be loaded', event.error));
      worker.addEventListener('messageerror', () => listener('its answer cannot be read'));
    },
    terminate: async () => worker.terminate(),
  };
}

/** The worker's global scope, as far as it is used; TypeScript's own types for it exclude a page's. */
interface WorkerScope {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  addEventListener(type: 'message', listener: (event: MessageEvent) => void): void;
}

/** The worker's end, in the worker. */
export function ownWebPort(): Port {
  const scope = globalThis as unknown as WorkerScope;
  return {
    post: (message, transfer) => scope.postMessage(message, transfer),
    onMessage: listener => scope.addEventListener('message', ({ data }) => listener(data)),
  };
}
