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

/** The settings of each architecture that the update takes; one that has another, or a name that is not here, is declined. */
const KNOWN_SETTINGS: Readonly<Record<string, readonly string[]>> = {
  topk: ['kind', 'k'],
  batchtopk: ['kind', 'k', 'restartThresholdAt'],
};

/** Every field of a descriptor that is looked at below. A descriptor with another is of a step that this update does not know. */
const KNOWN_FIELDS: Readonly<Record<keyof StepDescriptor, true>> = {
  kind: true,
  activation: true,
  decoder: true,
  transcoder: true,
  skip: true,
  reconstructionLoss: true,
  optimizer: true,
  held: true,
  scalars: true,
  countsFiring: true,
  dIn: true,
  dSae: true,
  dOut: true,
  batchSize: true,
};

/**
 * Whether createSparseUpdateRunner runs the step that `descriptor` describes, and why (not). It takes exactly this: TopK and BatchTopK without
 * auxiliary loss, decoder `reparametrise` or `renormalise`, the mean squared error of the input, nothing held, no scheduled number but the learning
 * rate, Adam or AdamW, and d_in · d_sae large enough to gain by it, unless `anySize`.
 */
export function acceptsSparseUpdate(
  descriptor: StepDescriptor,
  { anySize = false }: { readonly anySize?: boolean } = {},
): Acceptance {
  const decline = (reason: string): Acceptance => ({ accepted: false, reason: `no sparse update: ${reason}` });
  const reason = whyNot(descriptor);
  if (reason !== undefined) return decline(reason);
  const { dIn, dSae, batchSize, activation } = descriptor;
  const products = batchSize * dIn * dSae;
  if (!anySize && products < LEAST_PRODUCTS) {
    return decline(`batch · d_in · d_sae = ${products} is below ${LEAST_PRODUCTS}, where the whole graph is as fast`);
  }
  const plan = planSparseUpdate(descriptor, 1);
  if (!plan) return decline(`${dIn} × ${dSae} does not fit into 64 WebAssembly memories of 4 GiB`);
  const split = plan.shards > 1 ? `, in ${plan.shards} memories of at most 4 GiB` : '';
  return { accepted: true, reason: `sparse update: ${activation['kind']}, ${dIn} × ${dSae} weights${split}` };
}

/** The first thing about a step that the update does not do. */
function whyNot(descriptor: StepDescriptor): string | undefined {
  const { activation, decoder, optimizer, dIn, dSae, dOut, batchSize } = descriptor;
  const field = Object.keys(descriptor).find(name => !Object.hasOwn(KNOWN_FIELDS, name));
  if (field !== undefined) return `a step with ${field} is not supported`;
  const { kind } = activation;
  const known = typeof kind === 'string' && Object.hasOwn(KNOWN_SETTINGS, kind) ? KNOWN_SETTINGS[kind]! : undefined;
  if (!known) return `activation ${String(kind)} is not supported; topk and batchtopk are`;
  const setting = Object.keys(activation).find(name => !known.includes(name));
  if (setting !== undefined) return `${kind} with ${setting} is not supported`;
  const k = Number(activation['k']);
  if (kind === 'topk' && (!Number.isInteger(k) || k < 1 || k > dSae)) {
    return `k = ${k} must be an integer from 1 to d_sae = ${dSae}`;
  }
  if (!(Math.floor(k * batchSize) >= 1)) return `k = ${k} selects nothing from a batch of ${batchSize}`;
  if (decoder !== 'reparametrise' && decoder !== 'renormalise') return `decoder ${decoder} is not supported`;
  if (descriptor.transcoder || descriptor.skip || dOut !== dIn) return 'transcoders are not supported';
  if (descriptor.reconstructionLoss !== 'mean') {
    return `a ${descriptor.reconstructionLoss} of squared errors is not supported`;
  }
  if (descriptor.held.length > 0) return `${descriptor.held.join(', ')} cannot be held`;
  const scheduled = descriptor.scalars.find(name => name !== 'learning_rate');
  if (scheduled !== undefined) return `a changing ${scheduled} is not supported`;
  if (optimizer.name !== 'adam' && optimizer.name !== 'adamw') return `optimizer ${optimizer.name} is not supported`;
  if (optimizer.name === 'adam' && optimizer.weightDecay !== 0) return 'Adam with weight decay is not supported';
  if (!(optimizer.eps > 0)) return `eps = ${optimizer.eps} must be positive`;
  return undefined;
}
