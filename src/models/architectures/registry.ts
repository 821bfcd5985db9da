/** The table of architectures. A new one is one file beside this one and one entry here. */
import { InvalidValueError } from '../../errors.ts';
import type { FlagValues, SaeArchitecture, SettingFlag } from './architecture.ts';
import { batchTopk, batchTopkFlags, batchTopkFromFlags } from './batch-topk.ts';
import { gated, gatedFlags, gatedFromFlags } from './gated.ts';
import { jumprelu, jumpreluFlags, jumpreluFromFlags } from './jumprelu.ts';
import { matryoshka, matryoshkaFlags, matryoshkaFromFlags } from './matryoshka.ts';
import { relu, reluFlags, reluFromFlags } from './relu.ts';
import { topk, topkFlags, topkFromFlags } from './topk.ts';

const ARCHITECTURES = {
  relu: { create: relu, flags: reluFlags, fromFlags: reluFromFlags },
  topk: { create: topk, flags: topkFlags, fromFlags: topkFromFlags },
  jumprelu: { create: jumprelu, flags: jumpreluFlags, fromFlags: jumpreluFromFlags },
  batchtopk: { create: batchTopk, flags: batchTopkFlags, fromFlags: batchTopkFromFlags },
  gated: { create: gated, flags: gatedFlags, fromFlags: gatedFromFlags },
  matryoshka: { create: matryoshka, flags: matryoshkaFlags, fromFlags: matryoshkaFromFlags },
};

type Architectures = typeof ARCHITECTURES;

/** The name of an architecture. */
export type ActivationKind = keyof Architectures;

/** An architecture as configurations, checkpoints and the command line write it: its kind and its own settings. */
export type ActivationConfig = {
  [Kind in ActivationKind]: { readonly kind: Kind } & Parameters<Architectures[Kind]['create']>[0];
}[ActivationKind];

/** The names of all architectures. */
export const ACTIVATION_KINDS = Object.keys(ARCHITECTURES) as ActivationKind[];

/** An entry of the table, of whichever architecture. */
interface Entry {
  readonly create: (config: object, dSae: number) => SaeArchitecture;
  readonly flags: readonly SettingFlag[];
  readonly fromFlags: (flags: FlagValues) => object;
}

function entryOf(kind: string): Entry {
  if (!Object.hasOwn(ARCHITECTURES, kind)) {
    throw new InvalidValueError(`activation "${kind}" does not exist; choose from ${ACTIVATION_KINDS.join(', ')}`);
  }
  return ARCHITECTURES[kind as ActivationKind] as Entry;
}

/**
 * The architecture that `config` names, for `dSae` latents.
 * @throws InvalidValueError for a kind that does not exist, and for settings out of their range
 */
export function createArchitecture({ kind, ...settings }: ActivationConfig, dSae: number): SaeArchitecture {
  return entryOf(kind).create(settings, dSae);
}

/** The command line's flags of every architecture, each once. */
export function architectureFlags(): readonly SettingFlag[] {
  const all = ACTIVATION_KINDS.flatMap(kind => entryOf(kind).flags);
  return all.filter(({ flag }, i) => all.findIndex(other => other.flag === flag) === i);
}

/** The flags of one architecture. */
export function flagsOf(kind: ActivationKind): readonly SettingFlag[] {
  return entryOf(kind).flags;
}

/** The configuration of `kind` that the command line's `flags` describe. */
export function configFromFlags(kind: ActivationKind, flags: FlagValues): ActivationConfig {
  return { kind, ...entryOf(kind).fromFlags(flags) } as ActivationConfig;
}
