// TEMPORARY: until src/inference lands.
import * as ort from 'onnxruntime-web/webgpu';
import { parseMetadata } from '../../../src/onnx/metadata.ts';
import { metadataProperties, readModel } from '../../../src/onnx/read.ts';
import type { HostTensor } from '../../../src/tensor.ts';

export async function loadSession(bytes: Uint8Array, providers: readonly string[]) {
  const model = readModel(bytes);
  const metadata = parseMetadata(metadataProperties(model));
  const initializer = (name: string): HostTensor => {
    const found = model.proto.graph.initializer!.find((i: any) => i.name === name) as any;
    const raw = found.rawData as Uint8Array;
    return {
      shape: found.dims.map(Number),
      data: raw?.length ? new Float32Array(raw.slice().buffer) : Float32Array.from(found.floatData),
    };
  };
  const session = await ort.InferenceSession.create(bytes, { executionProviders: providers as string[] });
  return { metadata, initializer, session, ort };
}
