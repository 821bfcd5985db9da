/**
 * The Matryoshka SAE on BatchTopK (Bussmann et al. 2025, "Learning Multi-Level Features with Matryoshka Sparse
 * Autoencoders"): the first w latents must also reconstruct by themselves, for each of the widths w_1 < … < w_n =
 * d_sae. Latents are chosen once, among all of them, as batch-topk.ts does.
 *
 * loss = Σ over widths w of |x − (f[:w] W_dec[:w] + b_dec)|² SAELens's, `sum`; divided by the number of widths with
 * `mean`
 *
 * It is frozen as a BatchTopK, because the widths do not matter for inference.
 */
import * as tf from '@tensorflow/tfjs';
import { InvalidValueError, UsageError } from '../../errors.ts';
import { meanSquare } from '../mean-square.ts';
import type { FlagValues, Forward, ForwardInputs, SaeArchitecture, SettingFlag } from './architecture.ts';
import { type AuxKPart, withAuxK } from './aux-k.ts';
import { type BatchTopkConfig, batchTopk, batchTopkFlags, batchTopkFromFlags } from './batch-topk.ts';
import { finished, rowOf } from './linear-coder.ts';

/** How the squared errors of the prefixes are combined. */
export const PREFIX_LOSSES = ['sum', 'mean'] as const;

/** Settings of the Matryoshka SAE. */
export interface MatryoshkaConfig extends BatchTopkConfig {
  /**
   * The number of latents in each prefix that must reconstruct by itself: positive integers in ascending order, at most
   * d_sae, which is added where it is missing.
   */
  readonly widths: readonly number[];
  /** Whether the prefixes' squared errors are added (`sum`, as in SAELens) or averaged (`mean`). Default `sum`. */
  readonly prefixLosses?: (typeof PREFIX_LOSSES)[number];
  /**
   * Whether AuxK works block by block: the dead latents between two widths reconstruct the error of the prefix that
   * ends with their block (SAELens's `use_matryoshka_aux_loss`). Otherwise all dead latents together reconstruct the
   * error of the whole. Default false.
   */
  readonly auxKPerBlock?: boolean;
}

interface MatryoshkaForward extends Forward {
  /** The reconstruction by the first w latents minus the target, [...lead, batch, d_out], for each width w. */
  readonly prefixErrors: readonly tf.Tensor[];
}

/**
 * The Matryoshka SAE. Its loss has the terms `mse`, of all latents, and `mse_w` for each smaller width w. Its buffers
 * are BatchTopK's.
 * @throws InvalidValueError where `k` is out of range, `widths` are not positive integers in ascending order and at
 *   most d_sae, `prefixLosses` is unknown, or `auxKPerBlock` is set without `auxK`
 */
export function matryoshka(config: MatryoshkaConfig, dSae: number): SaeArchitecture {
  const { widths: given, prefixLosses = 'sum', auxKPerBlock = false, auxK, ...choice } = config;
  const widths = checkedWidths(given, dSae);
  if (!PREFIX_LOSSES.includes(prefixLosses)) {
    throw new InvalidValueError(
      `prefixLosses "${prefixLosses}" does not exist; choose from ${PREFIX_LOSSES.join(', ')}`,
    );
  }
  if (auxKPerBlock && !auxK) throw new InvalidValueError('auxKPerBlock needs auxK');
  const base = batchTopk(choice, dSae);
  const weight = prefixLosses === 'mean' ? 1 / widths.length : 1;
  const inner = widths.slice(0, -1);
  const architecture: SaeArchitecture = {
    ...base,
    kind: 'matryoshka',
    config: { ...base.config, kind: 'matryoshka', widths, prefixLosses, ...(auxKPerBlock && { auxKPerBlock }) },
    mseWeight: weight,
    forward(inputs): MatryoshkaForward {
      const forward = base.forward(inputs);
      return { ...forward, prefixErrors: [...innerErrors(inputs, forward, widths), forward.error] };
    },
    terms: inner.map(termOf),
    losses({ shape }, forward) {
      const unit = shape.reconstructionLoss === 'sum' ? shape.dOut * weight : weight;
      const errors = prefixErrorsOf(forward);
      return Object.fromEntries(inner.map((width, i) => [termOf(width), tf.mul(meanOfSquares(errors[i]!), unit)]));
    },
  };
  if (!auxK) return architecture;
  return withAuxK(architecture, auxK, dSae, auxKPerBlock ? (_, forward) => blocks(forward, widths) : undefined);
}

/** The error of each width's prefix, [...lead, batch, d_out], from a forward pass of this architecture. */
export function prefixErrorsOf(forward: Forward): readonly tf.Tensor[] {
  return (forward as MatryoshkaForward).prefixErrors;
}

function checkedWidths(given: readonly number[] | undefined, dSae: number): readonly number[] {
  const wrong = (): InvalidValueError =>
    new InvalidValueError(
      `widths must be positive integers in rising order, at most d_sae ${dSae}, got ${given?.join(', ') || 'none'}`,
    );
  if (!Array.isArray(given) || given.length === 0) throw wrong();
  given.forEach((width, i) => {
    if (!(Number.isSafeInteger(width) && width > (given[i - 1] ?? 0) && width <= dSae)) throw wrong();
  });
  return given.at(-1) === dSae ? [...given] : [...given, dSae];
}

function termOf(width: number): string {
  return `mse_${width}`;
}

/**
 * The errors of all widths but the last: each adds its block's product to the reconstruction by the prefix before it.
 */
function innerErrors(inputs: ForwardInputs, forward: Forward, widths: readonly number[]) {
  const sizes = blockSizes(widths);
  const features = tf.split(forward.features, sizes, -1);
  const decoders = tf.split(forward.decoder, sizes, -2);
  let decoded: tf.Tensor = rowOf(inputs.parameters['b_dec']!);
  return widths.slice(0, -1).map((_, i) => {
    decoded = tf.add(tf.matMul(features[i]!, decoders[i]!), decoded);
    return tf.sub(finished(inputs, decoded), inputs.target);
  });
}

/** The blocks of latents between two widths, each with the error of the prefix that ends with it. */
function blocks(forward: Forward, widths: readonly number[]): AuxKPart[] {
  const sizes = blockSizes(widths);
  const preActivations = tf.split(forward.preActivations!, sizes, -1);
  const decoders = tf.split(forward.decoder, sizes, -2);
  return prefixErrorsOf(forward).map((error, i) => ({
    from: widths[i - 1] ?? 0,
    to: widths[i]!,
    error,
    preActivations: preActivations[i]!,
    decoder: decoders[i]!,
  }));
}

function blockSizes(widths: readonly number[]): number[] {
  return widths.map((width, i) => width - (widths[i - 1] ?? 0));
}

/** Mean over batch and width, [...lead]. */
function meanOfSquares(error: tf.Tensor): tf.Tensor {
  return meanSquare(error, [error.rank - 2, error.rank - 1]);
}

/** The options of the Matryoshka SAE. */
export const matryoshkaFlags: readonly SettingFlag[] = [
  {
    flag: '--widths <list>',
    says: 'latents of each prefix that must reconstruct alone, such as 128,512,2048 (matryoshka)',
    takes: 'a name',
  },
  {
    flag: '--prefix-losses <name>',
    says: `of matryoshka: ${PREFIX_LOSSES.join(', ')} (default sum)`,
    takes: 'a name',
    choices: PREFIX_LOSSES,
  },
  ...batchTopkFlags,
  { flag: '--aux-k-per-block', says: 'revive dead latents block by block (matryoshka, --aux-k)', takes: 'nothing' },
];

/**
 * The settings of the Matryoshka SAE from the command line's options.
 * @throws UsageError where the widths are missing or no numbers, or --aux-k-per-block is given without --aux-k
 */
export function matryoshkaFromFlags(flags: FlagValues): MatryoshkaConfig {
  const { widths, prefixLosses, auxKPerBlock } = flags;
  const numbers =
    typeof widths === 'string' ? widths.split(',').map(part => (part.trim() ? Number(part) : Number.NaN)) : [];
  if (numbers.length === 0 || !numbers.every(width => Number.isSafeInteger(width) && width > 0)) {
    throw new UsageError(`--widths must list positive integers, such as 128,512,2048, got ${widths ?? 'none'}`);
  }
  const config = batchTopkFromFlags(flags);
  if (auxKPerBlock !== undefined && !config.auxK) throw new UsageError('--aux-k-per-block needs --aux-k');
  return {
    widths: numbers,
    ...(prefixLosses !== undefined && { prefixLosses: prefixLosses as MatryoshkaConfig['prefixLosses'] & string }),
    ...config,
    ...(auxKPerBlock === true && { auxKPerBlock }),
  };
}
