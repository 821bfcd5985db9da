/** Host models in Node. */
import { fileURLToPath } from 'node:url';
import { readModel } from '../onnx/read.ts';
import { loadNodeRuntime } from '../sessions/node.ts';
import { HostModel, type HostOptions } from './host-model.ts';
import { hostInMemory, readHostFile } from './weights-on-disk.ts';

/**
 * Opens any `.onnx` model to read, replace and splice its hidden tensors.
 * @param source a path, a file: URL, or the file's bytes. Weights of a path stay on disk
 * @throws FileFormatError where it is no sound ONNX model
 * @throws MissingPackageError without onnxruntime-node
 */
export async function openHost(source: string | URL | Uint8Array, options: HostOptions = {}): Promise<HostModel> {
  const file =
    source instanceof Uint8Array
      ? hostInMemory(readModel(source))
      : await readHostFile(source instanceof URL || /^file:/i.test(source) ? fileURLToPath(source) : source);
  return HostModel.open(await loadNodeRuntime(), file, options);
}
