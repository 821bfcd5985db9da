/** Writes frozen SAEs of any size as `.onnx`; data that protobuf cannot hold go into a file beside it. Node only. */
import { basename } from 'node:path';
import { openAtomicFile, writeFileAtomic } from '../files/write-atomic.ts';
import type { FrozenSae } from '../models/frozen-sae.ts';
import type { Initializer } from '../onnx/graph.ts';
import { MAX_MODEL_BYTES } from '../onnx/read.ts';
import { ELEMENT_BYTES, encodeModel, initializerBytes, type OutsideRange } from '../onnx/write.ts';
import { sizeOf } from '../tensor.ts';
import { frozenSaeGraph, type SaeMetadata } from './frozen-sae-onnx.ts';

/** How an SAE is written. */
export interface SaveSaeOptions {
  /**
   * Whether the weights are written into a file beside the model: `always`, `never`, or `auto`, which does so where the
   * model would exceed 2 GiB, the largest ONNX file. Default `auto`.
   */
  readonly externalData?: 'auto' | 'always' | 'never';
  /** Bytes of weights above which `auto` writes them beside the model. Default: what an ONNX file can hold. */
  readonly largestModel?: number;
}

/** Bytes that are reserved for the graph and the metadata of a model with its weights inside. */
const GRAPH_BYTES = 2 ** 20;
/** Tensors begin at multiples of this, so that every system can map them into memory. */
const ALIGNMENT = 2 ** 16;
const BYTES_AT_ONCE = 2 ** 24;

/**
 * Writes a frozen SAE to `path` as `frozenSaeToOnnx` encodes it; beyond 2 GiB its weights go to `NAME.onnx.data` beside
 * it, as ONNX's external data, which ONNX Runtime in any language reads by the model's path. Its result names the files
 * written.
 * @throws FileWriteError where a file cannot be written
 */
export async function saveSae(
  path: string,
  sae: FrozenSae,
  metadata: SaeMetadata = {},
  { externalData = 'auto', largestModel = MAX_MODEL_BYTES - GRAPH_BYTES }: SaveSaeOptions = {},
): Promise<readonly string[]> {
  const { graph, properties } = frozenSaeGraph(sae, metadata);
  const bytesOf = ({ type, shape }: Initializer): number => sizeOf(shape) * ELEMENT_BYTES[type];
  const total = graph.initializers.reduce((sum, tensor) => sum + bytesOf(tensor), 0);
  const beside = `${path}.data`;
  if (externalData === 'never' || (externalData === 'auto' && total <= largestModel)) {
    await writeFileAtomic(path, encodeModel(graph, properties));
    return [path];
  }
  const outside = new Map<string, OutsideRange>();
  const data = await openAtomicFile(beside);
  try {
    for (const tensor of graph.initializers) {
      // Only matrices leave the model; the rest is small.
      if (tensor.shape.length < 2) continue;
      const length = bytesOf(tensor);
      const offset = Math.ceil(data.length / ALIGNMENT) * ALIGNMENT;
      await data.append(new Uint8Array(offset - data.length));
      const bytes = initializerBytes(tensor);
      for (let at = 0; at < length; at += BYTES_AT_ONCE) await data.append(bytes.subarray(at, at + BYTES_AT_ONCE));
      outside.set(tensor.name, { location: basename(beside), offset, length });
    }
    const model = await openAtomicFile(path);
    try {
      await model.append(encodeModel(graph, properties, outside));
      // Both files are complete before either gets its name. The data get theirs first, because the model names them.
      await data.finish();
      await model.finish();
    } finally {
      await model.discard();
    }
  } finally {
    await data.discard();
  }
  return [path, beside];
}
