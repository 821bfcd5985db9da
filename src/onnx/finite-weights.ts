/**
 * Looks for NaN among a model's weights: whatever they multiply is NaN as well, or looks like a latent that never
 * fires.
 */
import { FileFormatError } from '../errors.ts';
import { elementType } from './element-type.ts';
import { externalRange, isExternal } from './external-data.ts';
import type { GraphMessage, NodeMessage, TensorMessage } from './proto.ts';
import { toInteger } from './proto.ts';
import type { OnnxModel } from './read.ts';
import { readTensor } from './tensor-values.ts';

/** Bytes decoded at once, so that no second copy of the weights is made. */
const PART = 2 ** 20;
const FLOATS = ['float32', 'float64', 'float16', 'bfloat16'];

/**
 * Checks the weights inside the file. Infinite numbers are accepted, because thresholds and masks have them.
 * @throws FileFormatError where a float initializer or constant holds NaN, in the graph, a subgraph or a function
 */
export function requireNoNaN({ proto, file }: OnnxModel): void {
  const check = (tensor: TensorMessage, where: string): void => {
    const at = nanIn(tensor);
    if (at === undefined) return;
    const place = position(at, (tensor.dims ?? []).map(toInteger));
    throw new FileFormatError(`${where} holds NaN at [${place}]; expected numbers`, { file });
  };
  const checkNodes = (nodes: readonly NodeMessage[]): void => {
    for (const { attribute, output } of nodes) {
      for (const { t, tensors, g, graphs } of attribute ?? []) {
        const where = `the constant ${output?.[0] ?? ''}`;
        for (const tensor of [...(t ? [t] : []), ...(tensors ?? [])]) check(tensor, where);
        for (const graph of [...(g ? [g] : []), ...(graphs ?? [])]) checkGraph(graph);
      }
    }
  };
  const checkGraph = (graph: GraphMessage): void => {
    for (const tensor of graph.initializer ?? []) check(tensor, `the initializer ${tensor.name ?? ''}`);
    checkNodes(graph.node ?? []);
  };
  checkGraph(proto.graph);
  for (const { node } of proto.functions ?? []) checkNodes(node ?? []);
}

/**
 * `requireNoNaN` for the data that lie beside a model, which are read in parts.
 * @throws FileFormatError where a weight holds NaN
 */
export async function requireNoNaNBeside({ proto, file, beside }: OnnxModel): Promise<void> {
  for (const tensor of (proto.graph.initializer ?? []).filter(isExternal)) {
    const type = elementType(tensor.dataType);
    if (!beside || type?.bits === undefined || !FLOATS.includes(type.name)) continue;
    const { location, offset, length } = externalRange(tensor, file);
    for (let start = 0; start < length; start += PART) {
      const rawData = await beside.read(location, offset + start, Math.min(PART, length - start));
      const { data } = readTensor({ ...tensor, dataLocation: 0, rawData }, file);
      for (let i = 0; i < data.length; i++) {
        if (!Number.isNaN(data[i])) continue;
        const place = position((8 * start) / type.bits + i, (tensor.dims ?? []).map(toInteger));
        throw new FileFormatError(`the initializer ${tensor.name ?? ''} holds NaN at [${place}]; expected numbers`, {
          file,
        });
      }
    }
  }
}

/** The flat index of the first NaN; undefined where there is none, or none can be. */
function nanIn(tensor: TensorMessage): number | undefined {
  const type = elementType(tensor.dataType);
  if (type?.bits === undefined || !FLOATS.includes(type.name) || tensor.dataLocation === 1) return undefined;
  const { rawData } = tensor;
  if (!rawData?.length) {
    const found = Array.prototype.findIndex.call(readTensor(tensor).data, Number.isNaN);
    return found < 0 ? undefined : found;
  }
  for (let start = 0; start < rawData.length; start += PART) {
    const { data } = readTensor({ ...tensor, rawData: rawData.subarray(start, start + PART) });
    for (let i = 0; i < data.length; i++) if (Number.isNaN(data[i])) return (8 * start) / type.bits + i;
  }
  return undefined;
}

/** A flat index as one for each dimension. */
function position(at: number, shape: readonly number[]): string {
  const indices: number[] = [];
  for (const dimension of shape.toReversed()) {
    indices.unshift(at % dimension);
    at = Math.floor(at / dimension);
  }
  return indices.join(', ');
}
