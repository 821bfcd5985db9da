/** Runs one model in a worker thread of Node; started by `worker: true`. */
import { type MessagePort, parentPort } from 'node:worker_threads';
import { invariant } from '../errors.ts';
import { loadNodeRuntime } from '../sessions/node.ts';
import { type LoadRequest, openModel } from './load.ts';
import { type ModelSource, readSource } from './node-source.ts';
import { serveAutoencoder } from './remote-autoencoder.ts';

invariant(parentPort, 'this file is started as a worker');
const port: MessagePort = parentPort;

serveAutoencoder(
  {
    post: (message, transfer) => port.postMessage(message, transfer),
    onMessage: listener => port.on('message', listener),
  },
  async (source: ModelSource, request: LoadRequest) => openModel(await readSource(source), request, loadNodeRuntime),
);
