/**
 * Finds the residual stream: sums that follow each other, each of which adds something to the one before. The longest
 * such chain of a graph is its residual stream, in any transformer or residual network, whatever its tensors are
 * called.
 */
import type { NodeMessage } from '../onnx/proto.ts';
import type { OnnxModel } from '../onnx/read.ts';

/** The output of fused norms that holds the sum, and how many inputs are added. */
const FUSED_SUMS: Readonly<Record<string, number>> = { SkipLayerNormalization: 3, SkipSimplifiedLayerNormalization: 3 };

/** Operators through which a stream passes: norms of post-norm models, casts of quantised and half-precision ones. */
const PASSING = new Set([
  'Identity',
  'Cast',
  'Dropout',
  'QuantizeLinear',
  'DequantizeLinear',
  'LayerNormalization',
  'SimplifiedLayerNormalization',
  'Relu',
]);

/** Names of the tensors of the residual stream, in order; empty where nothing is added more than twice in a row. */
export function residualStream({ proto: { graph } }: OnnxModel): string[] {
  const nodes = graph.node ?? [];
  const weights = new Set((graph.initializer ?? []).map(({ name }) => name ?? ''));
  const producer = new Map<string, NodeMessage>();
  for (const node of nodes) for (const name of node.output ?? []) if (name !== '') producer.set(name, node);
  for (const node of nodes) if (node.opType === 'Constant') weights.add(node.output?.[0] ?? '');

  /** The sum that `name` is, or that passes through to it. */
  const sumBehind = (name: string): string | undefined => {
    let current = name;
    for (let steps = 0; steps < 8; steps++) {
      const node = producer.get(current);
      if (!node) return undefined;
      if (sumOf(node) === current) return current;
      // In a post-norm model with fused sums, the norm itself is the stream.
      if (FUSED_SUMS[node.opType ?? ''] !== undefined && node.output?.[0] === current) return sumOf(node) ?? current;
      if (!PASSING.has(node.opType ?? '')) return undefined;
      current = node.input?.[0] ?? '';
    }
    return undefined;
  };
  const sumOf = (node: NodeMessage): string | undefined => {
    const fused = FUSED_SUMS[node.opType ?? ''];
    if (fused !== undefined) return node.output?.[fused] || undefined;
    if (node.opType !== 'Add' || node.domain) return undefined;
    return (node.input ?? []).some(name => weights.has(name)) ? undefined : node.output?.[0];
  };

  const longest = new Map<string, { readonly length: number; readonly before: string | undefined }>();
  for (const node of nodes) {
    const sum = sumOf(node) ?? (FUSED_SUMS[node.opType ?? ''] !== undefined ? node.output?.[0] : undefined);
    if (!sum) continue;
    let best: { length: number; before: string | undefined } = { length: 1, before: undefined };
    for (const name of (node.input ?? []).slice(0, 2)) {
      const before = sumBehind(name);
      const length = before === undefined ? 0 : (longest.get(before)?.length ?? 0);
      if (length + 1 > best.length) best = { length: length + 1, before };
    }
    longest.set(sum, best);
  }
  let last: string | undefined;
  for (const [name, { length }] of longest) if (length > (last ? longest.get(last)!.length : 2)) last = name;
  const chain: string[] = [];
  for (let name = last; name !== undefined; name = longest.get(name)?.before) chain.unshift(name);
  // The last norm of a pre-norm model passes nothing on: its sum has no name, and the norm is not the stream.
  const isNorm = (name: string | undefined) => name !== undefined && sumOf(producer.get(name)!) !== name;
  if (isNorm(chain.at(-1)) && !isNorm(chain.at(-2))) chain.pop();
  return chain;
}
