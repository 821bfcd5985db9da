/** Computes a start in a thread of its own. The calling thread hears Ctrl-C meanwhile, which ends the computation. */
import { IdleWorkers } from '../../workers/idle-workers.ts';
import { hasModuleWorker, nodeWorkerPort, startModuleWorker } from '../../workers/node.ts';
import { RemoteWorker } from '../../workers/remote-worker.ts';
import { type StartWork, startHere } from './start-work.ts';
import type { StartApi } from './start-worker.ts';

const threads = new IdleWorkers<StartApi>(
  () => new RemoteWorker(nodeWorkerPort(startModuleWorker('start-worker', import.meta.url)), 'a start'),
  1,
);

/** Below these sizes the computation takes less time than a thread takes to start. */
const FEW_NUMBERS = 2 ** 19;
const FEW_LATENTS = 512;

/**
 * Milliseconds for which a matrix product under way may still run. What takes longer is this package's own arithmetic,
 * which can be ended at any point.
 */
const GRACE = 800;

/** Computes starts in a thread. `signal` ends what is under way with its reason. */
export function startInThread(signal: AbortSignal | undefined): StartWork {
  if (!hasModuleWorker('start-worker', import.meta.url)) return startHere;
  const asked = async <Result>(
    subject: string,
    ask: (thread: RemoteWorker<StartApi>, stop: SharedArrayBuffer) => Promise<Result>,
  ): Promise<Result> => {
    signal?.throwIfAborted();
    const thread = threads.take(subject);
    const stop = new SharedArrayBuffer(4);
    const end = (): void => {
      // A thread that is terminated within ONNX Runtime takes the process with it: the thread itself looks at this flag
      // between two products.
      Atomics.store(new Int32Array(stop), 0, 1);
      void thread.dispose(GRACE);
    };
    signal?.addEventListener('abort', end, { once: true });
    try {
      return await ask(thread, stop);
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', end);
      await threads.giveBack(thread);
    }
  };
  return {
    geometricMedian: (points, onShare) =>
      points.data.length < FEW_NUMBERS
        ? startHere.geometricMedian(points, onShare)
        : asked('a geometric median', (thread, stop) => thread.call('geometricMedian', points, onShare, stop)),
    directions: (request, onShare) =>
      (request.activations?.data.length ?? 0) < FEW_NUMBERS && request.dSae <= FEW_LATENTS
        ? startHere.directions(request, onShare)
        : asked('starting directions', (thread, stop) => thread.call('directions', request, onShare, stop)),
  };
}
