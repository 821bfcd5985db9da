/** Runs one model in a worker thread of Node; started by `worker: true`. */
import { loadNodeRuntime } from '../sessions/node.ts';
import { ownNodePort } from '../workers/node.ts';
import { type LoadRequest, openModel } from './load.ts';
import { type ModelSource, readSource } from './node-source.ts';
import { serveAutoencoder } from './remote-autoencoder.ts';

serveAutoencoder(ownNodePort(), async (source: ModelSource, request: LoadRequest) =>
  openModel(await readSource(source), request, loadNodeRuntime),
);
