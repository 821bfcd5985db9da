/** The sparse autoencoders there are. A new architecture is one file beside this one and one entry here. */
import { InvalidValueError } from '../../errors.ts';
import type { SaeActivation } from './activation.ts';
import { type AuxKOptions, withAuxK } from './aux-k.ts';
import { batchTopkActivation } from './batch-topk.ts';
import { reluActivation } from './relu.ts';
import { topkActivation } from './topk.ts';

/** An activation as configurations, checkpoints and the command line write it. */
export type ActivationConfig =
  | { readonly kind: 'relu'; readonly l1?: number }
  | { readonly kind: 'topk'; readonly k: number; readonly auxK?: AuxKOptions }
  | {
      readonly kind: 'batchtopk';
      readonly k: number;
      readonly restartThresholdAt?: number;
      /** Revives dead latents; {} for the paper's settings. Default none. */
      readonly auxK?: AuxKOptions;
    };

export type ActivationKind = ActivationConfig['kind'];

type Factories = {
  [Kind in ActivationKind]: (config: Extract<ActivationConfig, { kind: Kind }>, dSae: number) => SaeActivation;
};

const FACTORIES: Factories = {
  relu: config => reluActivation(config),
  topk: ({ k, auxK }, dSae) => reviving(topkActivation(k, dSae), auxK, dSae),
  batchtopk: ({ k, auxK, ...options }, dSae) => reviving(batchTopkActivation(k, dSae, options), auxK, dSae),
};

function reviving(activation: SaeActivation, auxK: AuxKOptions | undefined, dSae: number): SaeActivation {
  return auxK ? withAuxK(activation, auxK, dSae) : activation;
}

export const ACTIVATION_KINDS = Object.keys(FACTORIES) as ActivationKind[];

/** The activation that `config` names. InvalidValueError for a kind that does not exist. */
export function createActivation(config: ActivationConfig, dSae: number): SaeActivation {
  if (!Object.hasOwn(FACTORIES, config.kind)) {
    throw new InvalidValueError(
      `activation "${config.kind}" does not exist; choose from ${ACTIVATION_KINDS.join(', ')}`,
    );
  }
  const factory = FACTORIES[config.kind] as (config: ActivationConfig, dSae: number) => SaeActivation;
  return factory(config, dSae);
}
