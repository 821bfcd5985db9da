/** Decides which training steps the sparse update can take over, and which are worth it. */
import type { StepDescriptor } from '../engine.ts';
import { isChosenTogether, planSparseUpdate } from './plan.ts';

/**
 * Below this many multiplications the recorded graph takes as little of the processor. Measured on one thread of a Zen 5: at 32 × 128 weights and batch
 * 256, where this is, the graph takes 1.6 times as much for TopK, 2.5 times for BatchTopK and 2.1 times for TopK with AuxK; at 32 × 64 weights .8 times for
 * TopK; at 50 × 100 weights as much for ReLU.
 */
export const LEAST_PRODUCTS = 2 ** 20;

/** Whether a step is taken over, and why. */
export interface Acceptance {
  readonly accepted: boolean;
  /** The reason in plain words, for people. */
  readonly reason: string;
}

/**
 * Every field of a descriptor that is looked at below. A descriptor with another field is of a step that this update
 * does not know.
 */
const FIELDS: Readonly<Record<keyof StepDescriptor, true>> = {
  kind: true,
  activation: true,
  decoder: true,
  transcoder: true,
  skip: true,
  reconstructionLoss: true,
  normalize: true,
  leastDecoderCosine: true,
  optimizer: true,
  held: true,
  clip: true,
  scalars: true,
  countsFiring: true,
  reports: true,
  dIn: true,
  dSae: true,
  dOut: true,
  batchSize: true,
};

/** Every setting of each architecture that is taken, with the values that are taken where not all are. */
const SETTINGS: Readonly<Record<string, Readonly<Record<string, readonly unknown[] | 'any'>>>> = {
  topk: { kind: 'any', k: 'any', auxK: 'any', rescaleByDecoderNorm: 'any' },
  batchtopk: { kind: 'any', k: 'any', auxK: 'any', rescaleByDecoderNorm: 'any', restartThresholdAt: 'any' },
  matryoshka: {
    kind: 'any',
    k: 'any',
    auxK: 'any',
    rescaleByDecoderNorm: 'any',
    restartThresholdAt: 'any',
    widths: 'any',
    prefixLosses: ['sum', 'mean'],
  },
  relu: { kind: 'any', l1: 'any' },
  jumprelu: {
    kind: 'any',
    sparsityLoss: ['step'],
    l0: 'any',
    bandwidth: 'any',
    gradientToInput: 'any',
    preActivationLoss: [0],
    // These settings are part of the state, or have no effect without the settings above.
    threshold: 'any',
    tanhScale: 'any',
    deadAfter: 'any',
  },
};
/** Those whose latents are chosen by how large they are beside the others. */
const CHOSEN_TOGETHER = ['topk', 'batchtopk', 'matryoshka'];
const AUX_K = ['coefficient', 'k', 'deadAfter', 'deadBelow', 'form'];

/**
 * Whether createSparseUpdateRunner runs the step that `descriptor` describes, and why or why not. Steps that are too
 * small to gain by it are only taken with `anySize`.
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
  const density = isChosenTogether(plan)
    ? ''
    : `, lists in each step in which at most ${100 * plan.denseFrom}% of the latents are active, else whole matrices`;
  return { accepted: true, reason: `sparse update: ${activation['kind']}, ${dIn} × ${dSae} weights${split}${density}` };
}

/** The first property of a step that the update does not support; `undefined` where it supports all. */
function whyNot(descriptor: StepDescriptor): string | undefined {
  const { activation, decoder, held, clip, optimizer, scalars, dIn, dSae, dOut, batchSize } = descriptor;
  const field = Object.keys(descriptor).find(name => !Object.hasOwn(FIELDS, name));
  if (field !== undefined) return `a step with ${field} is not supported`;
  if (descriptor.normalize !== undefined && descriptor.normalize !== 'none') {
    return `samples normalised by ${descriptor.normalize} are not supported`;
  }
  if (descriptor.leastDecoderCosine) return 'decoder rows held near their start are not supported';
  const { kind } = activation;
  const settings = typeof kind === 'string' && Object.hasOwn(SETTINGS, kind) ? SETTINGS[kind]! : undefined;
  if (!settings) return `activation ${String(kind)} is not supported; ${Object.keys(SETTINGS).join(', ')} are`;
  for (const [name, value] of Object.entries(activation)) {
    const taken = Object.hasOwn(settings, name) ? settings[name]! : [];
    if (taken === 'any' || taken.includes(value)) continue;
    return `${kind} with ${name}${taken.length > 0 ? ` ${String(value)}` : ''} is not supported`;
  }
  const auxK = (activation['auxK'] ?? {}) as object;
  const ofAuxK = Object.keys(auxK).find(name => !AUX_K.includes(name));
  if (ofAuxK !== undefined) return `an auxiliary loss with ${ofAuxK} is not supported`;
  if (activation['auxK'] !== undefined && !descriptor.countsFiring) {
    return 'an auxiliary loss needs to know when each latent fired';
  }

  const k = Number(activation['k'] ?? 0);
  if (kind === 'topk' && (!Number.isInteger(k) || k < 1 || k > dSae)) {
    return `k = ${k} must be an integer from 1 to d_sae = ${dSae}`;
  }
  if (CHOSEN_TOGETHER.includes(kind as string) && !(Math.floor(k * batchSize) >= 1)) {
    return `k = ${k} selects nothing from a batch of ${batchSize}`;
  }
  if (decoder !== 'reparametrise' && decoder !== 'renormalise' && decoder !== 'free') {
    return `decoder ${decoder} is not supported`;
  }
  if (descriptor.transcoder || descriptor.skip || dOut !== dIn) return 'transcoders are not supported';
  if (activation['rescaleByDecoderNorm'] && decoder !== 'free') return `decoder ${decoder} has no norms to choose by`;
  if (kind === 'relu' && !(Number(activation['l1']) >= 0)) {
    return `an L1 penalty of ${activation['l1']} is not supported`;
  }
  if (kind === 'jumprelu' && !(Number(activation['bandwidth']) > 0)) {
    return `bandwidth = ${activation['bandwidth']} must be positive`;
  }
  const other = held.find(name => name !== 'b_dec');
  if (other !== undefined) return `${other} cannot be held`;
  if (clip !== undefined && !(clip > 0)) return `clip = ${clip} must be positive`;
  const scheduled = scalars.find(name => !['learning_rate', 'l1', 'l0', 'aux_k'].includes(name));
  if (scheduled !== undefined) return `a changing ${scheduled} is not supported`;
  if (optimizer.name !== 'adam' && optimizer.name !== 'adamw') return `optimizer ${optimizer.name} is not supported`;
  if (optimizer.name === 'adam' && optimizer.weightDecay !== 0) return 'Adam with weight decay is not supported';
  if (!(optimizer.eps > 0)) return `eps = ${optimizer.eps} must be positive`;
  return undefined;
}
