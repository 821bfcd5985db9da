/** From flags to the configuration of an activation. */
import { UsageError } from '../../errors.ts';
import type { ActivationConfig, ActivationKind } from '../../models/activations/registry.ts';

export interface ActivationOptions {
  readonly k: number;
  readonly l1: number;
  /** `--aux-k`, with or without its coefficient. */
  readonly auxK?: number | true;
  readonly deadAfter?: number;
}

/** The configuration of `kind` with the flags that it has. UsageError for those it does not have. */
export function activationConfig(
  kind: ActivationKind,
  { k, l1, auxK, deadAfter }: ActivationOptions,
): ActivationConfig {
  if (auxK === undefined) {
    if (deadAfter !== undefined) throw new UsageError('--dead-after needs --aux-k');
    return kind === 'relu' ? { kind, l1 } : { kind, k };
  }
  if (kind === 'relu') {
    throw new UsageError('--aux-k is for topk and batchtopk: relu has no latents that never learn');
  }
  return {
    kind,
    k,
    auxK: { ...(auxK !== true && { coefficient: auxK }), ...(deadAfter !== undefined && { deadAfter }) },
  };
}
