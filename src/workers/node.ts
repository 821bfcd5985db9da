/** Starts this package's own modules in worker threads of Node, compiled or, through tsx, as TypeScript sources. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { parentPort, Worker, type WorkerOptions } from 'node:worker_threads';
import { invariant } from '../errors.ts';
import type { Port, WorkerPort } from './protocol.ts';

/**
 * Whether module `name` (a path without its ending) lies beside the module `base` (its import.meta.url), to be started in a thread. A
 * bundler that joins an app into one file leaves it out; joined as CommonJS, a module has no address at all.
 */
export function hasModuleWorker(name: string, base: string | undefined): boolean {
  return base !== undefined && existsSync(new URL(`./${name}${base.slice(base.lastIndexOf('.'))}`, base));
}

/**
 * Starts module `name` beside the module `base` (its import.meta.url) in a thread. The ending is the base's own: `.ts` from
 * sources, `.js` once compiled. Node 20 gives threads none of the main thread's loaders, so a source registers tsx first.
 */
export function startModuleWorker(name: string, base: string, options: WorkerOptions = {}): Worker {
  const extension = base.slice(base.lastIndexOf('.'));
  const module = new URL(`./${name}${extension}`, base);
  if (extension !== '.ts') return new Worker(module, options);
  // import.meta.resolve is missing where tsx has turned this module into CommonJS.
  const tsx = pathToFileURL(createRequire(base).resolve('tsx/package.json'));
  const [loader, entry] = [new URL('dist/esm/api/index.mjs', tsx).href, module.href].map(url => JSON.stringify(url));
  const code = `import(${loader}).then(({ register }) => { register(); return import(${entry}); });`;
  return new Worker(code, { ...options, eval: true });
}

/** The owner's end of `worker`, which keeps the process alive only while it is asked something. */
export function nodeWorkerPort(worker: Worker): WorkerPort {
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    onMessage: listener => worker.on('message', listener),
    onDeath(listener) {
      worker.on('error', error => listener(error instanceof Error ? error.message : String(error), error));
      worker.on('messageerror', error => listener(`its answer cannot be read: ${error.message}`, error));
      worker.on('exit', code => listener(`it ended with code ${code}`));
    },
    async terminate() {
      await worker.terminate();
    },
    setBusy: isBusy => (isBusy ? worker.ref() : worker.unref()),
  };
}

/** The worker's end, in the worker. */
export function ownNodePort(): Port {
  invariant(parentPort, 'this module is started in a worker thread');
  const port = parentPort;
  return {
    post: (message, transfer) => port.postMessage(message, transfer),
    onMessage: listener => port.on('message', listener),
  };
}
