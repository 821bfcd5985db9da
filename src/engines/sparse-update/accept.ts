/** Which training steps the sparse update can take over, and which it is worth taking over. */
import type { StepDescriptor } from '../engine.ts';
import { planSparseUpdate } from './plan.ts';

/** Below this many multiplications the recorded graph is as fast: measured on two cores at 64 × 256 weights and batch 1024. */
const LEAST_PRODUCTS = 2 ** 24;

export interface Acceptance {
  readonly accepted: boolean;
  /** In plain words, for people: why it was taken or not. */
  readonly reason: string;
}

/**
 * Whether createSparseUpdateRunner runs the step that `descriptor` describes, and why (not).
 * Accepted: TopK and BatchTopK with decoder `reparametrise` or `renormalise`, no L1 or auxiliary loss, Adam or AdamW, d_in · d_sae large enough to
 * gain by it, unless `anySize`.
 */
export function acceptsSparseUpdate(
  descriptor: StepDescriptor,
  { anySize = false }: { readonly anySize?: boolean } = {},
): Acceptance {
  const { selection, decoder, loss, optimizer, dIn, dSae, batchSize } = descriptor;
  const k = selection.k ?? 0;
  const decline = (reason: string): Acceptance => ({ accepted: false, reason: `no sparse update: ${reason}` });
  if (selection.kind !== 'topk' && selection.kind !== 'batchtopk') {
    return decline(`selection ${selection.kind} has no fixed number of active latents`);
  }
  if (selection.kind === 'topk' && (!Number.isInteger(k) || k < 1 || k > dSae)) {
    return decline(`k = ${k} must be an integer from 1 to d_sae = ${dSae}`);
  }
  if (Math.floor(k * batchSize) < 1) return decline(`k = ${k} selects nothing from a batch of ${batchSize}`);
  if (decoder === 'free') return decline('decoder free is not supported');
  if (selection.auxK) return decline('the auxiliary loss of dead latents is not supported');
  if (loss.l1 !== 0) return decline(`an L1 penalty of ${loss.l1} is not supported`);
  if (optimizer.name === 'adam' && optimizer.weightDecay !== 0)
    return decline('Adam with weight decay is not supported');
  if (!(optimizer.eps > 0)) return decline(`eps = ${optimizer.eps} must be positive`);
  const products = batchSize * dIn * dSae;
  if (!anySize && products < LEAST_PRODUCTS) {
    return decline(`batch · d_in · d_sae = ${products} is below ${LEAST_PRODUCTS}, where the whole graph is as fast`);
  }
  const plan = planSparseUpdate(descriptor, 1);
  if (!plan) return decline(`${dIn} × ${dSae} does not fit into 64 WebAssembly memories of 4 GiB`);
  const split = plan.shards > 1 ? `, in ${plan.shards} memories of at most 4 GiB` : '';
  return { accepted: true, reason: `sparse update: ${selection.kind}, ${dIn} × ${dSae} weights${split}` };
}
