/** From flags to the configuration of an activation. */
import type { ActivationConfig, ActivationKind } from '../../models/activations/registry.ts';

/** The configuration of `kind` with the flags that it has. */
export function activationConfig(
  kind: ActivationKind,
  { k, l1 }: { readonly k: number; readonly l1: number },
): ActivationConfig {
  return kind === 'relu' ? { kind, l1 } : { kind, k };
}
