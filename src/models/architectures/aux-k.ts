/**
 * AuxK: dead latents learn from the error that the living ones leave (Gao et al. 2024, "Scaling and evaluating sparse
 * autoencoders", A.2). Without it, TopK and BatchTopK never again change a latent that is never among the largest.
 */
import * as tf from '@tensorflow/tfjs';
import { InvalidValueError, UsageError } from '../../errors.ts';
import { FIRING_RATE } from '../firing-rate.ts';
import { keepTopK } from '../keep-top-k.ts';
import { meanSquare } from '../mean-square.ts';
import { scaled } from '../scaled.ts';
import { stopGradient } from '../stop-gradient.ts';
import type { FlagValues, Forward, ForwardInputs, SaeArchitecture, SettingFlag } from './architecture.ts';

/** Settings of the auxiliary loss that revives dead latents. */
export interface AuxKOptions {
  /** α, the weight of the term, above 0. Default 1/32, as in the paper. */
  readonly coefficient?: number;
  /** The largest number of dead latents that reconstruct a sample's error. Default: half of d_out. */
  readonly k?: number;
  /** A latent is dead after this many steps without firing. Default 100. */
  readonly deadAfter?: number;
  /**
   * A share of samples, in (0, 1): a latent is then dead if it fired on less than this share in the last whole window
   * of `deadAfter` steps, as SAELens counts its `dead_feature_threshold`. Default 0: a latent is dead if it did not
   * fire at all in the last `deadAfter` steps.
   */
  readonly deadBelow?: number;
  /**
   * The form of the term. `openai` reconstructs from relu(pre) and is multiplied by Var(y) / Var(e). `saelens`
   * reconstructs from pre without relu; its squared error is in the unit of the reconstruction loss, and is multiplied
   * by min(dead latents / (half of d_out), 1); SAELens takes α = 1. Default `openai`.
   */
  readonly form?: 'openai' | 'saelens';
}

/** The latents `from` up to `to`, and the reconstruction of the dead ones among them. */
export interface AuxKPart extends Pick<Forward, 'error' | 'decoder' | 'preActivations'> {
  readonly from: number;
  readonly to: number;
}

/** Larger than any pre-activation. */
const NOT_OFFERED = 1e30;
/** An error with a variance below this counts as 0. */
const TINY = 1e-30;

/**
 * `architecture` with the term `aux_k` in its loss: α · Var(y) · nMSE(e, ê) for the error e = y − ŷ as it is, without
 * gradient, and ê its reconstruction by the k largest relu(pre) of dead latents, without b_dec; nMSE(e, ê) = mean (e −
 * ê)² / Var(e), variances around the batch's mean. That is the paper's term times Var(y), because this package's loss
 * is not divided by Var(y). The term is 0 while no latent is dead. Where `partsOf` divides the latents, it is the sum
 * over the parts, each with its own error, k and number of dead latents.
 * @throws InvalidValueError if the coefficient, k or deadAfter is not positive, or k or deadAfter no integer.
 */
export function withAuxK(
  architecture: SaeArchitecture,
  options: AuxKOptions,
  dSae: number,
  partsOf: (inputs: ForwardInputs, forward: Forward) => readonly AuxKPart[] = (_, forward) => [
    { ...forward, from: 0, to: dSae },
  ],
): SaeArchitecture {
  const { coefficient = 1 / 32, k, deadAfter = 100, deadBelow = 0, form = 'openai' } = options;
  if (!(coefficient > 0 && Number.isFinite(coefficient))) {
    throw new InvalidValueError(`auxK's coefficient must be positive, got ${coefficient}`);
  }
  for (const [name, value] of Object.entries({ k, deadAfter })) {
    if (value === undefined || (Number.isSafeInteger(value) && value > 0)) continue;
    throw new InvalidValueError(`auxK's ${name} must be positive, and an integer, got ${value}`);
  }
  if (!(deadBelow >= 0 && deadBelow < 1)) {
    throw new InvalidValueError(`auxK's deadBelow must be a share of samples in [0, 1), got ${deadBelow}`);
  }
  if (form !== 'openai' && form !== 'saelens') {
    throw new InvalidValueError(`auxK's form "${form}" does not exist; choose from openai, saelens`);
  }
  const resolved = {
    coefficient,
    ...(k !== undefined && { k }),
    deadAfter,
    ...(deadBelow > 0 && { deadBelow }),
    ...(form !== 'openai' && { form }),
  };
  return {
    ...architecture,
    config: { ...architecture.config, auxK: resolved },
    scalars: { ...architecture.scalars, aux_k: { value: coefficient, setting: 'auxK.coefficient' } },
    asksForFiring: true,
    ...(deadBelow > 0 && { firingWindow: deadAfter }),
    forward: inputs => architecture.forward({ ...inputs, readsPreActivations: true }),
    terms: [...(architecture.terms ?? []), 'aux_k'],
    losses(inputs, forward) {
      const { shape, target, buffers, scalars } = inputs;
      const half = Math.max(1, Math.floor(shape.dOut / 2));
      const batch = target.shape.at(-2)!;
      const isDead =
        deadBelow > 0
          ? tf.less(buffers[FIRING_RATE]!, deadBelow)
          : tf.greaterEqual(buffers['silent']!, deadAfter * batch);
      const dead = tf.cast(isDead, 'float32');
      const terms = partsOf(inputs, forward).map(part => {
        const most = Math.min(k ?? half, part.to - part.from);
        const own = latentsOf(dead, part);
        return form === 'openai' ? openAiTerm(target, part, own, most) : saelensTerm(part, own, most, half);
      });
      const term = terms.reduce((sum, next) => tf.add(sum, next));
      const unit = shape.reconstructionLoss === 'sum' ? tf.mul(term, shape.dOut) : term;
      return { ...architecture.losses?.(inputs, forward), aux_k: scaled(unit, scalars['aux_k']!) };
    },
  };
}

/** The part's entries of `dead` [...lead, d_sae]. */
function latentsOf(dead: tf.Tensor, { from, to }: AuxKPart): tf.Tensor {
  if (to - from === dead.shape.at(-1)) return dead;
  return tf.slice(dead, [...dead.shape.slice(0, -1).map(() => 0), from], [...dead.shape.slice(0, -1), to - from]);
}

/** Var(y) · nMSE(e, ê), [...lead]; `dead` [...lead, d_sae] is 1 for dead latents. */
function openAiTerm(target: tf.Tensor, forward: AuxKPart, dead: tf.Tensor, most: number): tf.Tensor {
  const { error, decoder, preActivations } = forward;
  const activations = keepTopK(tf.mul(tf.relu(preActivations!), tf.expandDims(dead, -2)), most);
  const left = stopGradient(tf.neg(error));
  const missed = meanSquare(tf.sub(tf.matMul(activations, decoder), left), lastTwo(target));
  const scale = tf.div(variance(target), tf.maximum(variance(left), TINY));
  return tf.mul(tf.mul(missed, scale), tf.max(dead, -1));
}

/** min(dead latents / half, 1) · mean (e − ê)², ê from the largest pre-activations of dead latents as they are, [...lead]. */
function saelensTerm(forward: AuxKPart, dead: tf.Tensor, most: number, half: number): tf.Tensor {
  const { error, decoder, preActivations } = forward;
  const row = tf.expandDims(dead, -2);
  // The offset lies below every pre-activation of a dead latent, so that all dead latents are chosen where there are
  // few; the other chosen entries count 0.
  const offered = tf.add(tf.mul(preActivations!, row), tf.mul(tf.sub(row, 1), NOT_OFFERED));
  const activations = tf.mul(keepTopK(offered, most), row);
  const missed = meanSquare(tf.add(tf.matMul(activations, decoder), stopGradient(error)), lastTwo(error));
  return tf.mul(missed, tf.minimum(tf.div(tf.sum(dead, -1), half), 1));
}

/** mean (x − its batch's mean)² over batch and width, of [..., batch, width]. */
function variance(x: tf.Tensor): tf.Tensor {
  return tf.mean(tf.square(tf.sub(x, tf.mean(x, -2, true))), lastTwo(x));
}

function lastTwo({ rank }: tf.Tensor): number[] {
  return [rank - 2, rank - 1];
}

/** The options of AuxK. */
export const auxKFlags: readonly SettingFlag[] = [
  {
    flag: '--aux-k [weight]',
    says: 'revive dead latents by an auxiliary loss (topk, batchtopk, matryoshka; weight 1/32)',
    takes: 'a positive number',
  },
  { flag: '--no-aux-k', says: 'leave dead latents dead, whatever the preset says', takes: 'nothing' },
  {
    flag: '--aux-k-form <form>',
    says: 'openai (variance of the error divided out) or saelens (--aux-k; default openai, or the preset’s)',
    takes: 'a name',
  },
  {
    flag: '--dead-after <n>',
    says: 'steps without firing after which a latent is dead (--aux-k; 100)',
    takes: 'a count',
  },
  {
    flag: '--dead-below <share>',
    says: 'dead is what fires on less than this share of samples, over windows of --dead-after steps (--aux-k)',
    takes: 'a positive number',
  },
];

/**
 * AuxK's settings from the command line's options.
 * @throws UsageError for a setting of AuxK where AuxK is not asked for
 */
export function auxKFromFlags({ auxK, auxKForm, deadAfter, deadBelow }: FlagValues): {
  readonly auxK?: AuxKOptions | false;
} {
  if (auxK === false) return { auxK };
  for (const [flag, value] of Object.entries({
    '--dead-after': deadAfter,
    '--dead-below': deadBelow,
    '--aux-k-form': auxKForm,
  })) {
    if (auxK === undefined && value !== undefined) throw new UsageError(`${flag} needs --aux-k`);
  }
  if (auxK === undefined) return {};
  return {
    auxK: {
      ...(auxK !== true && { coefficient: Number(auxK) }),
      ...(auxKForm !== undefined && { form: auxKForm as AuxKOptions['form'] & string }),
      ...(deadAfter !== undefined && { deadAfter: Number(deadAfter) }),
      ...(deadBelow !== undefined && { deadBelow: Number(deadBelow) }),
    },
  };
}
