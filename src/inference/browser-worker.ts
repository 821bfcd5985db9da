/** Runs one model in a Web Worker; started by `worker: true`. */
import { loadWebRuntime, type WebRuntimeOptions } from '../sessions/browser.ts';
import { ownWebPort } from '../workers/web.ts';
import { type LoadRequest, openModel } from './load.ts';
import { serveAutoencoder } from './remote-autoencoder.ts';
import { readWebSource, type WebModelSource } from './web-source.ts';

serveAutoencoder(ownWebPort(), async (source: WebModelSource, request: LoadRequest, runtime: WebRuntimeOptions) =>
  openModel(await readWebSource(source), request, () => loadWebRuntime(runtime)),
);
