/** Makes up inputs to try a model with where none are given: small, seeded, of the shapes that the model states. */
import { createRandomSource } from '../data/random-source.ts';
import type { TensorDescription } from '../onnx/inspect.ts';
import { toInteger } from '../onnx/proto.ts';
import type { OnnxModel } from '../onnx/read.ts';
import { sizeOf } from '../tensor.ts';
import { type HostInput, type HostInputs, isMaskName } from './feeds.ts';

/** Sizes of open dimensions after the batch, which are tried in turn: sequences, then images. */
export const OPEN_SIZES = [6, 32, 64, 224, 320, 512];

/** The number of samples. */
const BATCH = 2;

/** The number of tokens that the model knows: rows of the table from which `input` selects. */
function vocabularyOf({ proto: { graph } }: OnnxModel, input: string): number | undefined {
  const initializers = new Map((graph.initializer ?? []).map(tensor => [tensor.name ?? '', tensor]));
  const names = new Set([input]);
  let vocabulary: number | undefined;
  for (const node of graph.node ?? []) {
    const [first = '', second = ''] = node.input ?? [];
    const passes = ['Cast', 'Identity', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze'].includes(node.opType ?? '');
    if (passes && names.has(first)) names.add(node.output?.[0] ?? '');
    const table =
      ['Gather', 'GatherBlockQuantized'].includes(node.opType ?? '') && names.has(second) ? first : undefined;
    const tables =
      node.opType === 'EmbedLayerNormalization' && names.has(first) ? [node.input?.[2] ?? ''] : table ? [table] : [];
    for (const name of tables) {
      const rows = toInteger(initializers.get(name)?.dims?.[0]);
      if (rows > 0) vocabulary = Math.min(vocabulary ?? rows, rows);
    }
  }
  return vocabulary;
}

/**
 * Inputs whose open dimensions have the size `size`. Inputs that `completeInputs` fills in are left out, except a mask,
 * which has one padded position.
 */
export function madeUpInputs(
  model: OnnxModel,
  inputs: readonly TensorDescription[],
  size: number,
  batch = BATCH,
): HostInputs {
  const random = createRandomSource(size);
  const made: Record<string, HostInput> = {};
  for (const { name, type, shape } of inputs) {
    if (/past|cache|position|token_type|segment/i.test(name)) continue;
    const dims = (shape ?? [batch, size]).map((dimension, i) =>
      typeof dimension === 'number' ? dimension : i === 0 ? batch : size,
    );
    const count = sizeOf(dims);
    if (isMaskName(name) && dims.length === 2) {
      const data = new Uint8Array(count).fill(1);
      if (dims[1]! > 2) data[count - 1] = 0;
      made[name] = { data, shape: dims };
    } else if (type.startsWith('float') || type === 'bfloat16') {
      made[name] = { data: Float32Array.from({ length: count }, () => random.normal()), shape: dims };
    } else {
      const most = vocabularyOf(model, name) ?? 2;
      made[name] = { data: Int32Array.from({ length: count }, () => Math.floor(random.uniform() * most)), shape: dims };
    }
  }
  return made;
}
