/** Runs one model in a Web Worker; started by `worker: true`. */
import { loadWebRuntime, type WebRuntimeOptions } from '../sessions/browser.ts';
import { type LoadRequest, openModel } from './load.ts';
import { type Port, serveAutoencoder } from './remote-autoencoder.ts';
import { readWebSource, type WebModelSource } from './web-source.ts';

/** The worker's global scope, as far as it is used; TypeScript's own types for it exclude a page's. */
interface WorkerScope {
  postMessage(message: unknown, transfer: Transferable[]): void;
  addEventListener(type: 'message', listener: (event: MessageEvent) => void): void;
}

const scope = globalThis as unknown as WorkerScope;
const port: Port = {
  post: (message, transfer) => scope.postMessage(message, transfer),
  onMessage: listener => scope.addEventListener('message', ({ data }) => listener(data)),
};

serveAutoencoder(port, async (source: WebModelSource, request: LoadRequest, runtime: WebRuntimeOptions) =>
  openModel(await readWebSource(source), request, () => loadWebRuntime(runtime)),
);
