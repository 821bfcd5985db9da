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

/** Every field that a descriptor may have, and every setting of each kind of selection. What is not here is declined. */
const FIELDS = ['kind', 'selection', 'decoder', 'loss', 'held', 'clip', 'optimizer', 'dIn', 'dSae', 'batchSize'];
const SETTINGS: Readonly<Record<string, readonly string[]>> = {
  topk: ['kind', 'k', 'auxK', 'weighsByNorm'],
  batchtopk: ['kind', 'k', 'auxK', 'weighsByNorm', 'restartThresholdAt'],
  relu: ['kind', 'l1'],
  jumprelu: ['kind', 'bandwidth', 'gradientToInput'],
};
const LOSSES = ['l1', 'l0', 'reconstruction'];
const AUX_K = ['coefficient', 'k', 'deadAfter', 'form'];

/** Whether createSparseUpdateRunner runs the step that `descriptor` describes, and why (not). Steps too small to gain by it only with `anySize`. */
export function acceptsSparseUpdate(
  descriptor: StepDescriptor,
  { anySize = false }: { readonly anySize?: boolean } = {},
): Acceptance {
  const decline = (reason: string): Acceptance => ({ accepted: false, reason: `no sparse update: ${reason}` });
  const reason = whyNot(descriptor);
  if (reason !== undefined) return decline(reason);
  const { dIn, dSae, batchSize, selection } = descriptor;
  const products = batchSize * dIn * dSae;
  if (!anySize && products < LEAST_PRODUCTS) {
    return decline(`batch · d_in · d_sae = ${products} is below ${LEAST_PRODUCTS}, where the whole graph is as fast`);
  }
  const plan = planSparseUpdate(descriptor, 1);
  if (!plan) return decline(`${dIn} × ${dSae} does not fit into 64 WebAssembly memories of 4 GiB`);
  const split = plan.shards > 1 ? `, in ${plan.shards} memories of at most 4 GiB` : '';
  return { accepted: true, reason: `sparse update: ${selection.kind}, ${dIn} × ${dSae} weights${split}` };
}

/** The first thing about a step that the update does not do. */
function whyNot(descriptor: StepDescriptor): string | undefined {
  const { selection, decoder, loss, held = [], clip, optimizer, dSae, batchSize } = descriptor;
  const unknown = (given: object, known: readonly string[]): string | undefined =>
    Object.keys(given).find(name => !known.includes(name));
  const field = unknown(descriptor, FIELDS);
  if (field !== undefined) return `a step with ${field} is not supported`;
  const settings = Object.hasOwn(SETTINGS, selection.kind) ? SETTINGS[selection.kind]! : undefined;
  if (!settings) return `selection ${selection.kind} is not supported; ${Object.keys(SETTINGS).join(', ')} are`;
  const setting = unknown(selection, settings);
  if (setting !== undefined) return `${selection.kind} with ${setting} is not supported`;
  const term = unknown(loss, LOSSES);
  if (term !== undefined) return `a loss with ${term} is not supported`;
  const ofAuxK = unknown(selection.auxK ?? {}, AUX_K);
  if (ofAuxK !== undefined) return `an auxiliary loss with ${ofAuxK} is not supported`;

  const { kind, k = 0, weighsByNorm = false } = selection;
  if (kind === 'topk' && (!Number.isInteger(k) || k < 1 || k > dSae)) {
    return `k = ${k} must be an integer from 1 to d_sae = ${dSae}`;
  }
  if ((kind === 'topk' || kind === 'batchtopk') && !(Math.floor(k * batchSize) >= 1)) {
    return `k = ${k} selects nothing from a batch of ${batchSize}`;
  }
  if (decoder !== 'reparametrise' && decoder !== 'renormalise' && decoder !== 'free') {
    return `decoder ${decoder} is not supported`;
  }
  if (weighsByNorm && decoder !== 'free') return `decoder ${decoder} has no norms to choose by`;
  if (loss.l1 !== 0 && kind !== 'relu') return `an L1 penalty of ${loss.l1} is not supported with ${kind}`;
  if (!(loss.l1 >= 0)) return `an L1 penalty of ${loss.l1} is not supported`;
  if (loss.l0 !== undefined && kind !== 'jumprelu') return `an L0 penalty is not supported with ${kind}`;
  if (kind === 'jumprelu' && !(selection.bandwidth! > 0)) return `bandwidth = ${selection.bandwidth} must be positive`;
  const other = held.find(name => name !== 'b_dec');
  if (other !== undefined) return `${other} cannot be held`;
  if (clip !== undefined && !(clip > 0)) return `clip = ${clip} must be positive`;
  if (optimizer.name !== 'adam' && optimizer.name !== 'adamw') return `optimizer ${optimizer.name} is not supported`;
  if (optimizer.name === 'adam' && optimizer.weightDecay !== 0) return 'Adam with weight decay is not supported';
  if (!(optimizer.eps > 0)) return `eps = ${optimizer.eps} must be positive`;
  return undefined;
}
