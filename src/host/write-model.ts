/** Writes a model whose weights are on disk: into one file, or beside it where protobuf cannot hold them. Node only. */
import { open, rename, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { FileWriteError, InvalidValueError } from '../errors.ts';
import { temporaryPathBeside, writeFileAtomic } from '../files/write-atomic.ts';
import { encodeProto } from '../onnx/cut.ts';
import type { TensorMessage } from '../onnx/proto.ts';
import type { OnnxModel } from '../onnx/read.ts';
import { withGraph } from './graph-parts.ts';
import { placed, placeOf, readPlace, wholePlace } from './weights-on-disk.ts';

/** The most bytes of weights in one protobuf file, with room for the graph: 2 GiB minus 16 MiB. */
const MOST_IN_ONE_FILE = 2 ** 31 - 2 ** 24;

/** Weights in a file of their own begin at multiples of this, as ONNX advises for mapping. */
const ALIGNMENT = 4096;

const lengthOf = (tensor: TensorMessage): number => placeOf(tensor)?.length ?? tensor.rawData?.length ?? 0;

/** Reads the weight's bytes into the graph. */
async function readWeight(tensor: TensorMessage, folder: string): Promise<TensorMessage> {
  const place = placeOf(tensor);
  if (!place) return tensor;
  return { ...tensor, rawData: await wholePlace(folder, place), externalData: [], dataLocation: 0 };
}

/**
 * The model with all weights inside.
 * @throws InvalidValueError where they are more than protobuf can hold
 */
export async function withWeights(model: OnnxModel, folder: string | undefined): Promise<OnnxModel> {
  const { graph } = model.proto;
  const total = (graph.initializer ?? []).reduce((sum, tensor) => sum + lengthOf(tensor), 0);
  if (total > MOST_IN_ONE_FILE) {
    throw new InvalidValueError(
      `the weights take ${total} bytes, more than one .onnx file can hold: write it with its data beside it`,
    );
  }
  if (folder === undefined) return model;
  const initializer: TensorMessage[] = [];
  for (const tensor of graph.initializer ?? []) initializer.push(await readWeight(tensor, folder));
  return withGraph(model, { ...graph, initializer });
}

/**
 * Writes the model to `path`, whole or not at all; weights that protobuf cannot hold go to `path`.data.
 * @param most bytes of weights that still go into one file
 * @returns the files written
 * @throws FileWriteError where a file cannot be written
 */
export async function writeModelFile(
  path: string,
  model: OnnxModel,
  folder: string | undefined,
  most = MOST_IN_ONE_FILE,
): Promise<string[]> {
  const { graph } = model.proto;
  const total = (graph.initializer ?? []).reduce((sum, tensor) => sum + lengthOf(tensor), 0);
  if (total <= most) {
    await writeFileAtomic(path, encodeProto((await withWeights(model, folder)).proto));
    return [path];
  }
  const data = `${path}.data`;
  const temporary = temporaryPathBeside(data);
  const initializer: TensorMessage[] = [];
  try {
    const file = await open(temporary, 'wx');
    try {
      let end = 0;
      for (const tensor of graph.initializer ?? []) {
        const length = lengthOf(tensor);
        if (length < 1024) {
          initializer.push(tensor);
          continue;
        }
        const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
        const place = placeOf(tensor);
        let at = offset;
        for await (const piece of place && folder !== undefined ? readPlace(folder, place) : [tensor.rawData!]) {
          await file.write(piece, 0, piece.length, at);
          at += piece.length;
        }
        end = offset + length;
        initializer.push(placed(tensor, { location: basename(data), offset, length }));
      }
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(temporary, data);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new FileWriteError(data, cause);
  }
  await writeFileAtomic(path, encodeProto(withGraph(model, { ...graph, initializer }).proto));
  return [path, data];
}
