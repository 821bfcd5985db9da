/**
 * Measures what an autoencoder preserves of a model: its reconstruction replaces a hidden tensor at the positions that
 * count, and the outputs are compared with the model's own, and with those for the tensor replaced by zero and by its
 * mean.
 *
 * Cross-entropy is taken over next-token pairs of which both positions count, KL(original ‖ changed) over all positions
 * that count; both are pooled over positions. (SAELens also replaces padded positions, and requires only the first
 * position of a pair.) Karvonen et al. 2025, "SAEBench", arXiv 2503.09532, loss recovered.
 */
import { ReconstructionNorm } from '../analysis/reconstruction-norm.ts';
import { median } from '../data/median.ts';
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import type { SaeNames } from '../inference/model-options.ts';
import type { OnnxModel } from '../onnx/read.ts';
import { type HostTensor, sizeOf } from '../tensor.ts';
import {
  ActivationReader,
  DEFAULT_BATCH_SIZE,
  float32Norms,
  gathered,
  keptPositions,
  type RowOptions,
} from './activation-rows.ts';
import { checkSplice, type SpliceCheck } from './check-splice.ts';
import type { HostModel } from './host-model.ts';
import type { HostData, InputBatch } from './input-batches.ts';
import { dependsOn } from './merge-sae.ts';
import { nearestNames } from './nearest-names.ts';
import { Reconstructor } from './reconstruct.ts';
import { RowScorer } from './score-graph.ts';

/** What is replaced in the host, and how it is scored. */
export interface EvaluateOptions extends Omit<RowOptions, 'dropFirst'>, SaeNames {
  /**
   * The output, or any tensor, that holds the logits [batch, …, classes]. Default: the model's only output of logits.
   */
  readonly logits?: string | undefined;
  /**
   * What is scored: the next token, or a class. Default: the next token where the model reads tokens and gives logits
   * for each of them.
   */
  readonly task?: 'language-model' | 'classifier' | undefined;
  /** A position whose norm is above this many times the median is a sink. Default 10. */
  readonly sinkNorm?: number | undefined;
  /**
   * A position at which the norm of `tensor` is above this many times the median keeps the model's own activation and
   * does not count, as padding does: the autoencoder, zero and the mean replace the other positions. For autoencoders
   * that were trained without such rows (`dropNormAbove` there). Default: none.
   */
  readonly dropNormAbove?: number | undefined;
  /** Called with the number of samples done, of all passes over the data: two, and three with `dropNormAbove`. */
  readonly onProgress?: ((samples: number) => void) | undefined;
}

/** Scores over one set of positions. Losses in nats; null where a number is not defined. */
export interface Scores {
  /** 1 − E‖x − x̂‖² / E‖x − E x‖². */
  readonly explained_variance: number | null;
  /** E[‖x̂‖ / ‖x‖]: see `ReconstructionNorm`. */
  readonly shrinkage: number | null;
  /** E‖x̂‖² / E[x · x̂], below 1 where reconstructions are too short. */
  readonly relative_reconstruction_bias: number | null;
  /** The mean number of features that fire in a row. */
  readonly l0: number | null;
  /** How many rows were reconstructed. */
  readonly rows: number;
  readonly ce_original: number | null;
  readonly ce_sae: number | null;
  readonly ce_zero: number | null;
  readonly ce_mean: number | null;
  /** (ce_zero − ce_sae) / (ce_zero − ce_original). */
  readonly ce_score: number | null;
  /** (ce_mean − ce_sae) / (ce_mean − ce_original). */
  readonly ce_score_mean: number | null;
  readonly kl_sae: number | null;
  readonly kl_zero: number | null;
  readonly kl_mean: number | null;
  /** (kl_zero − kl_sae) / kl_zero. */
  readonly kl_score: number | null;
  readonly kl_score_mean: number | null;
  /** The share of positions at which the likeliest class stays the same. */
  readonly top1_agreement_sae: number | null;
  readonly top1_agreement_zero: number | null;
  readonly top1_agreement_mean: number | null;
  /** The number of positions or pairs over which the cross-entropy was pooled. */
  readonly pairs: number;
  /** The number of positions over which the divergence was pooled. */
  readonly positions: number;
}

/**
 * The losses of a host model whose hidden tensor is replaced by an SAE's reconstruction, by zero, and by its mean.
 * Losses are in nats.
 */
export interface Evaluation extends Scores {
  readonly tensor: string;
  readonly logits: string;
  readonly task: 'language-model' | 'classifier';
  /** The classes that the cross-entropy compares with. */
  readonly classes: 'next token' | 'labels' | "the model's own likeliest class";
  readonly d_sae: number;
  /** How many latents did not fire in any row. */
  readonly never_fired: number;
  /** `dropNormAbove`; null where every norm counts. */
  readonly drop_norm_above: number | null;
  /** How many positions kept the model's own activation because their norm is above that limit. */
  readonly dropped_by_norm: number;
  /** How many rows have a norm above `sink_norm` times the median. */
  readonly sinks: number;
  readonly sink_norm: number;
  /** The scores without the first position that counts of each sample. */
  readonly without_first_position: Scores;
  /** The scores without sinks. */
  readonly without_sinks: Scores;
  /** The measurements of the tried splice. */
  readonly check: {
    readonly identity: number;
    readonly mean_effect: number;
    readonly bypassed: boolean;
    readonly tolerance: number;
  };
}

/** How many numbers are kept for further passes over the data instead of being computed again: 256 MiB. */
const KEPT_VALUES = 2 ** 26;

const CHANGES = ['sae', 'zero', 'mean'] as const;
type Change = (typeof CHANGES)[number];

/** The tensor that holds the logits. Where a Softmax ends the graph, it is the input of that. */
async function logitsOf(host: HostModel, target: string, wanted: string | undefined): Promise<string> {
  const types = await host.types();
  const floats = host.outputs
    .filter(({ type }) => type.startsWith('float') || type === 'bfloat16')
    .map(({ name }) => name);
  const dependent = floats.filter(name => dependsOn(host.model, name, target));
  if (wanted !== undefined) {
    if (!types.has(wanted)) {
      throw new InvalidValueError(
        `no tensor named ${wanted} for the logits; the nearest are ${nearestNames(wanted, types.keys()).join(', ')}`,
      );
    }
    if (!dependsOn(host.model, wanted, target))
      throw new InvalidValueError(`${wanted} does not depend on ${target}: there is nothing to score`);
  } else if (dependent.length === 0) {
    const reason = floats.includes(target)
      ? `${target} is itself the output`
      : `no output depends on it (${floats.join(', ')})`;
    throw new InvalidValueError(`the logits do not depend on ${target}: ${reason}`);
  }
  const named = dependent.find(name => /logits/i.test(name));
  const name = wanted ?? named ?? (dependent.length === 1 ? dependent[0]! : undefined);
  if (name === undefined)
    throw new InvalidValueError(`which output holds the logits? Name it: ${dependent.join(', ')}`);
  const producer = (host.model.proto.graph.node ?? []).find(node => (node.output ?? []).includes(name));
  const before = producer?.input?.[0];
  const isSoftmax = producer?.opType === 'Softmax' || producer?.opType === 'LogSoftmax';
  return isSoftmax && before && wanted === undefined && dependsOn(host.model, before, target) ? before : name;
}

/** Sums over one set of positions. */
class Pool {
  rows = 0;
  active = 0;
  squaredError = 0;
  squaredDeviation = 0;
  readonly norms = new ReconstructionNorm();
  /** Sum of x − m, to move the mean to this set's own. */
  readonly deviation: Float64Array;
  pairs = 0;
  positions = 0;
  ceOriginal = 0;
  readonly ce: Record<Change, number> = { sae: 0, zero: 0, mean: 0 };
  readonly kl: Record<Change, number> = { sae: 0, zero: 0, mean: 0 };
  readonly same: Record<Change, number> = { sae: 0, zero: 0, mean: 0 };

  constructor(width: number) {
    this.deviation = new Float64Array(width);
  }

  scores(): Scores {
    const { rows, pairs, positions } = this;
    const per = (sum: number, count: number) => (count === 0 ? null : sum / count);
    const ratio = (above: number | null, below: number | null) =>
      above === null || below === null || below === 0 ? null : above / below;
    const minus = (a: number | null, b: number | null) => (a === null || b === null ? null : a - b);
    let shift = 0;
    for (const sum of this.deviation) shift += (sum / Math.max(rows, 1)) ** 2;
    const variance = rows === 0 ? null : this.squaredDeviation / rows - shift;
    const unexplained = variance === null || !(variance > 0) ? null : this.squaredError / rows / variance;
    const ce = (change: Change) => per(this.ce[change], pairs);
    const kl = (change: Change) => per(this.kl[change], positions);
    const original = per(this.ceOriginal, pairs);
    const norms = rows === 0 ? undefined : this.norms.compute();
    const score = (floor: 'zero' | 'mean') => ratio(minus(ce(floor), ce('sae')), minus(ce(floor), original));
    return {
      explained_variance: unexplained === null ? null : 1 - unexplained,
      shrinkage: norms?.shrinkage ?? null,
      relative_reconstruction_bias: norms?.relativeReconstructionBias ?? null,
      l0: per(this.active, rows),
      rows,
      ce_original: original,
      ce_sae: ce('sae'),
      ce_zero: ce('zero'),
      ce_mean: ce('mean'),
      ce_score: score('zero'),
      ce_score_mean: score('mean'),
      kl_sae: kl('sae'),
      kl_zero: kl('zero'),
      kl_mean: kl('mean'),
      kl_score: ratio(minus(kl('zero'), kl('sae')), kl('zero')),
      kl_score_mean: ratio(minus(kl('mean'), kl('sae')), kl('mean')),
      top1_agreement_sae: per(this.same.sae, positions),
      top1_agreement_zero: per(this.same.zero, positions),
      top1_agreement_mean: per(this.same.mean, positions),
      pairs,
      positions,
    };
  }
}

/** A batch with its activations. */
interface ReadBatch {
  readonly batch: InputBatch;
  /** The tensor that the autoencoder reads, [batch, …positions, d]. */
  readonly source: HostTensor;
  /** The tensor that is replaced. */
  readonly target: HostTensor;
  /** Positions that count, as indices into rows of `target`. */
  readonly kept: number[];
  readonly positions: number;
}

/**
 * Scores an autoencoder inside its host.
 * @param sae the autoencoder's model, already read
 * @throws InvalidValueError where the logits do not depend on the tensor or cannot be found, where `dropNormAbove` is
 *   not positive, or where no position counts
 * @throws SpliceError where replacing does not work
 */
export async function evaluateSae(
  host: HostModel,
  sae: OnnxModel,
  data: HostData,
  options: EvaluateOptions,
): Promise<Evaluation> {
  const { tensor, target = tensor, batchSize = DEFAULT_BATCH_SIZE, sinkNorm = 10, signal, onProgress } = options;
  const { dropNormAbove } = options;
  if (dropNormAbove !== undefined && !(dropNormAbove > 0)) {
    throw new InvalidValueError(`dropNormAbove must be positive, got ${dropNormAbove}`);
  }
  const layout = await host.layout(target, options.channelsAxis);
  const logits = await logitsOf(host, target, options.logits);
  const reconstructor = await Reconstructor.open(host, sae, options);
  const sourceLayout = await host.layout(tensor, options.channelsAxis);
  if (sourceLayout.width !== undefined && sourceLayout.width !== reconstructor.dIn) {
    await reconstructor.dispose();
    throw new InvalidShapeError(
      `the autoencoder reads rows ${reconstructor.dIn} wide; ${tensor} is ${sourceLayout.width} wide`,
    );
  }
  const reader = await ActivationReader.open(host, options);
  const opened: { dispose(): Promise<void> }[] = [reconstructor, reader];
  try {
    const readBatch = async (batch: InputBatch): Promise<ReadBatch> => {
      const [source, second] = await reader.whole(batch);
      const replaced = options.target === undefined ? source! : second!;
      const { shape } = replaced;
      const positions = sizeOf(shape.slice(1, -1));
      const flags = keptPositions(
        batch,
        { batch: shape[0]!, positions },
        { tensor: target, dropTokens: options.dropTokens },
      );
      const kept: number[] = [];
      for (let at = 0; at < flags.length; at++) if (flags[at] !== 0) kept.push(at);
      return { batch, source: source!, target: replaced, kept, positions };
    };

    let check: SpliceCheck | undefined;
    let done = 0;
    let remembered: ReadBatch[] | undefined;
    let fits = true;
    /** All batches with their activations, which the first pass keeps for the others where they are few enough. */
    async function* pass(): AsyncGenerator<ReadBatch> {
      if (remembered) {
        yield* remembered;
        return;
      }
      let toRemember: ReadBatch[] | undefined = fits ? [] : undefined;
      let values = 0;
      for await (const batch of data.batches({ batchSize })) {
        signal?.throwIfAborted();
        check ??= await checkSplice(host, { target, channelsAxis: layout.channelsAxis }, { inputs: batch.inputs });
        const read = await readBatch(batch);
        values += read.source.data.length + (options.target === undefined ? 0 : read.target.data.length);
        if (values > KEPT_VALUES) {
          fits = false;
          toRemember = undefined;
        }
        toRemember?.push(read);
        yield read;
      }
      remembered = toRemember;
    }
    const samplesDone = ({ batch }: ReadBatch): void => {
      signal?.throwIfAborted();
      done += batch.samples.length;
      onProgress?.(done);
    };

    // Where long rows are left out, a pass of its own computes the median norm.
    let normLimit = Number.POSITIVE_INFINITY;
    let droppedByNorm = 0;
    if (dropNormAbove !== undefined) {
      const parts: Float32Array[] = [];
      for await (const read of pass()) {
        parts.push(float32Norms(gathered(read.source, read.kept)));
        samplesDone(read);
      }
      const norms = joined(parts);
      normLimit = dropNormAbove * median(norms);
      for (const norm of norms) if (norm > normLimit) droppedByNorm++;
    }
    /** The positions that count: those that are kept, without the long ones. */
    const countedOf = ({ source, kept }: ReadBatch): number[] => {
      if (dropNormAbove === undefined) return kept;
      const norms = float32Norms(gathered(source, kept));
      return kept.filter((_, row) => norms[row]! <= normLimit);
    };

    // The next pass computes the mean, and the norms that identify sinks.
    let sums: Float64Array | undefined;
    const parts: Float32Array[] = [];
    for await (const read of pass()) {
      const rows = gathered(read.target, countedOf(read));
      const width = rows.shape[1]!;
      sums ??= new Float64Array(width);
      for (let i = 0; i < rows.data.length; i++) sums[i % width]! += rows.data[i]!;
      parts.push(float32Norms(rows));
      samplesDone(read);
    }
    const norms = joined(parts);
    if (norms.length === 0 || !sums || !check)
      throw new InvalidValueError('no position counts: every one is padded or left out');
    const mean = Float32Array.from(sums, sum => sum / norms.length);
    const limit = sinkNorm * median(norms);

    // The last pass runs the rest of the model four times.
    const rest = await host.openVariant({ outputs: [{ tensor: logits }], replace: [{ tensor: target, layout }] });
    opened.push(rest.session);
    const scorer = await RowScorer.open(host.runtime);
    opened.push(scorer);
    const pools = {
      all: new Pool(mean.length),
      withoutFirst: new Pool(mean.length),
      withoutSinks: new Pool(mean.length),
    };
    let fired: Uint8Array | undefined;
    let task = options.task;
    let classes: Evaluation['classes'] = 'next token';
    let sinks = 0;
    for await (const read of pass()) {
      const { batch, positions } = read;
      const kept = countedOf(read);
      const width = mean.length;

      const active: number[] = [];
      const reconstruction = await reconstructor.run(gathered(read.source, kept), features => {
        const dSae = features.shape[1]!;
        fired ??= new Uint8Array(dSae);
        for (let start = 0; start < features.data.length; start += dSae) {
          let n = 0;
          for (let i = 0; i < dSae; i++) {
            if (features.data[start + i] === 0) continue;
            n++;
            fired[i] = 1;
          }
          active.push(n);
        }
      });
      if (kept.length > 0 && reconstruction.shape[1] !== width) {
        throw new InvalidShapeError(
          `the autoencoder gives rows ${reconstruction.shape[1]} wide; ${target} is ${width} wide`,
        );
      }
      const rows = gathered(read.target, kept);
      const rowNorm = float32Norms(rows);
      const isSink = new Uint8Array(kept.length);
      const isFirst = new Uint8Array(kept.length);
      kept.forEach((at, row) => {
        isSink[row] = rowNorm[row]! > limit ? 1 : 0;
        isFirst[row] = row === 0 || Math.floor(kept[row - 1]! / positions) !== Math.floor(at / positions) ? 1 : 0;
      });
      sinks += isSink.reduce((sum, flag) => sum + flag, 0);
      const poolsOf = (row: number): Pool[] => [
        pools.all,
        ...(isFirst[row] ? [] : [pools.withoutFirst]),
        ...(isSink[row] ? [] : [pools.withoutSinks]),
      ];
      for (let row = 0; row < kept.length; row++) {
        let [error, deviation] = [0, 0];
        const into = poolsOf(row);
        for (let i = 0; i < width; i++) {
          const x = rows.data[row * width + i]!;
          const d = x - mean[i]!;
          error += (x - reconstruction.data[row * width + i]!) ** 2;
          deviation += d * d;
          for (const pool of into) pool.deviation[i]! += d;
        }
        const [x, y] = [rows, reconstruction].map(({ data }) => ({
          data: data.subarray(row * width, (row + 1) * width),
          shape: [1, width],
        }));
        for (const pool of into) {
          pool.norms.add(x!, y!);
          pool.rows++;
          pool.active += active[row]!;
          pool.squaredError += error;
          pool.squaredDeviation += deviation;
        }
      }

      const replacedBy = (row: (index: number) => Float32Array): HostTensor => {
        const whole = read.target.data.slice();
        kept.forEach((at, index) => {
          whole.set(row(index), at * width);
        });
        return { data: whole, shape: read.target.shape };
      };
      const runRest = async (value: HostTensor): Promise<HostTensor> => {
        const [result] = await host.runVariant(rest, batch.inputs, [value]);
        return { data: result!.data as Float32Array, shape: result!.shape };
      };
      const original = await runRest(read.target);
      const plan = scoredRows({ ...read, kept }, original, { task, tensor: target, logits });
      task = plan.task;
      const originalRows = gathered(original, plan.rows);
      const own = await scorer.score(originalRows, originalRows, plan.classes ?? new Int32Array(plan.rows.length));
      const targets = plan.classes ?? own.likeliest;
      classes =
        plan.task === 'language-model' ? 'next token' : plan.classes ? 'labels' : "the model's own likeliest class";
      const ownEntropy = plan.classes
        ? own.crossEntropy
        : (await scorer.score(originalRows, originalRows, targets)).crossEntropy;
      const zero = new Float32Array(width);
      const changes: Record<Change, HostTensor> = {
        sae: replacedBy(index => reconstruction.data.subarray(index * width, (index + 1) * width)),
        zero: replacedBy(() => zero),
        mean: replacedBy(() => mean),
      };
      plan.rows.forEach((_, index) => {
        for (const pool of poolsForScore(plan, index, pools, isFirst, isSink)) {
          pool.positions++;
          if (plan.isPair[index] === 0) continue;
          pool.pairs++;
          pool.ceOriginal += ownEntropy[index]!;
        }
      });
      for (const change of CHANGES) {
        const result = gathered(await runRest(changes[change]), plan.rows);
        const scores = await scorer.score(originalRows, result, targets);
        plan.rows.forEach((_, index) => {
          for (const pool of poolsForScore(plan, index, pools, isFirst, isSink)) {
            pool.kl[change] += scores.divergence[index]!;
            if (scores.likeliest[index] === own.likeliest[index]) pool.same[change]++;
            if (plan.isPair[index] !== 0) pool.ce[change] += scores.crossEntropy[index]!;
          }
        });
      }
      samplesDone(read);
    }
    const dSae = fired?.length ?? reconstructor.dSae ?? 0;
    return {
      tensor,
      logits,
      task: task ?? 'classifier',
      classes,
      ...pools.all.scores(),
      d_sae: dSae,
      never_fired: dSae - (fired?.reduce((sum, flag) => sum + flag, 0) ?? 0),
      drop_norm_above: dropNormAbove ?? null,
      dropped_by_norm: droppedByNorm,
      sinks,
      sink_norm: sinkNorm,
      without_first_position: pools.withoutFirst.scores(),
      without_sinks: pools.withoutSinks.scores(),
      check: {
        identity: check.identity,
        mean_effect: check.meanEffect,
        bypassed: check.bypassed,
        tolerance: check.tolerance,
      },
    };
  } finally {
    for (const part of opened) await part.dispose();
  }
}

/** All numbers of `parts`, one part after the other. */
function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  parts.reduce((at, part) => {
    all.set(part, at);
    return at + part.length;
  }, 0);
  return all;
}

/** Which rows of a batch's logits are scored, and with which classes. */
interface ScorePlan {
  readonly task: 'language-model' | 'classifier';
  /** Rows of the logits [batch · positions, classes]. */
  readonly rows: number[];
  /**
   * For each of them the index among the tensor's kept rows; `undefined` where logits and tensor have other positions.
   */
  readonly keptRow: Int32Array | undefined;
  /** 1 where the cross-entropy counts. */
  readonly isPair: Uint8Array;
  /** The class of each row; `undefined` for the model's own likeliest class. */
  readonly classes: Int32Array | undefined;
}

function scoredRows(
  { batch, target, kept, positions }: ReadBatch,
  logits: HostTensor,
  names: { readonly task: EvaluateOptions['task']; readonly tensor: string; readonly logits: string },
): ScorePlan {
  const samples = target.shape[0]!;
  const width = logits.shape.at(-1)!;
  const steps = logits.data.length / width / samples;
  const isAligned = steps === positions;
  const { tokens, labels } = batch;
  const canPredict = isAligned && logits.shape.length >= 3 && tokens?.length === samples * positions;
  const task = names.task ?? (canPredict && !labels ? 'language-model' : 'classifier');
  if (task === 'language-model' && !canPredict) {
    throw new InvalidShapeError(
      `${names.logits} is [${logits.shape.join(', ')}] for ${samples} samples of ${positions} positions: not the logits of a next token`,
    );
  }
  const keptRow = isAligned ? Int32Array.from(kept.keys()) : undefined;
  const rows = isAligned ? kept : Array.from({ length: samples * steps }, (_, i) => i);
  if (task === 'language-model') {
    const isKept = new Uint8Array(samples * positions);
    for (const at of kept) isKept[at] = 1;
    const isPair = Uint8Array.from(rows, at => ((at + 1) % positions !== 0 && isKept[at + 1] === 1 ? 1 : 0));
    const classes = Int32Array.from(rows, (at, i) => (isPair[i] ? tokens![at + 1]! : 0));
    const beyond = classes.find(token => token < 0 || token >= width);
    if (beyond !== undefined)
      throw new InvalidValueError(`the token ${beyond} is not among the ${width} of ${names.logits}`);
    return { task, rows, keptRow, isPair, classes };
  }
  const isPair = new Uint8Array(rows.length).fill(1);
  if (!labels) return { task, rows, keptRow, isPair, classes: undefined };
  if (labels.length !== samples * steps && labels.length !== samples) {
    throw new InvalidShapeError(
      `${labels.length} labels for ${samples} samples of ${steps} classifications each: expected one for each`,
    );
  }
  const classes = Int32Array.from(rows, at => labels[labels.length === samples ? Math.floor(at / steps) : at]!);
  // A label below zero means that there is none, as PyTorch's ignore_index.
  isPair.forEach((_, i) => {
    if (classes[i]! < 0) isPair[i] = 0;
  });
  const beyond = classes.find(label => label >= width);
  if (beyond !== undefined)
    throw new InvalidValueError(`the label ${beyond} is not among the ${width} classes of ${names.logits}`);
  return { task, rows, keptRow, isPair, classes: classes.map(label => Math.max(label, 0)) };
}

function poolsForScore(
  { keptRow }: ScorePlan,
  index: number,
  pools: { readonly all: Pool; readonly withoutFirst: Pool; readonly withoutSinks: Pool },
  isFirst: Uint8Array,
  isSink: Uint8Array,
): Pool[] {
  if (!keptRow) return [pools.all];
  const row = keptRow[index]!;
  return [pools.all, ...(isFirst[row] ? [] : [pools.withoutFirst]), ...(isSink[row] ? [] : [pools.withoutSinks])];
}
