/** Means over some steps of what each step reported. */
import type { MetricRecorder } from '../metric-recorder.ts';
import type { StepNumber } from '../train.ts';
import { lossTerms } from '../training-step.ts';
import type { MeasuredLoss, MetricsRecord } from './metrics-record.ts';

/** What is needed to interpret the numbers of a run. */
export interface SummaryContext {
  /** How many models train side by side. */
  readonly models: number;
  /** Samples of one step of one model. */
  readonly batchSize: number;
  readonly measured?: MeasuredLoss | undefined;
  readonly scalars?: Readonly<Record<string, StepNumber>> | undefined;
}

/**
 * The record of the steps after `from` up to `to`, at least one. It depends on nothing else, so that it is the same
 * when it is made again from a checkpoint.
 */
export function summarise(recorder: MetricRecorder, from: number, to: number, context: SummaryContext): MetricsRecord {
  const { models, batchSize, measured, scalars = {} } = context;
  const all = recorder.between(from, to);
  const terms = lossTerms(all);
  const loss = meanOf(all['losses'] ?? all['loss']!);
  const losses = Object.fromEntries(Object.entries(terms).map(([name, values]) => [name, meanOf(values)]));
  const samples = to * batchSize;
  const { l0, dead } = all;
  const window = measured?.deadWindow;
  const schedule = Object.fromEntries(
    Object.entries(scalars).map(([name, at]) => [name, meanOf(Float64Array.from([at(to - 1)].flat()))]),
  );
  return {
    step: to,
    samples,
    loss,
    losses: Object.keys(losses).length > 0 ? losses : { mse: loss },
    ...known('l0', l0 && meanOf(l0)),
    ...(measured && explainedVariance(terms['mse'] ?? all['losses'] ?? all['loss']!, models, measured)),
    ...(dead &&
      window !== undefined &&
      samples > window && { ...known('dead', meanOf(dead.subarray(dead.length - models))), dead_window: window }),
    ...(Object.keys(schedule).length > 0 && { schedule }),
  };
}

/** The number under its name; nothing where a checkpoint lacks it, because its run did not report it. */
function known<Name extends string>(name: Name, value: number | undefined): Partial<Record<Name, number>> {
  return (value === undefined || Number.isNaN(value) ? {} : { [name]: value }) as Partial<Record<Name, number>>;
}

/**
 * The mean explained variance of `models` models from `mse` [steps · models]. Models whose rows do not vary are left
 * out.
 */
function explainedVariance(mse: ArrayLike<number>, models: number, { squaredError, variances }: MeasuredLoss) {
  if (variances.includes(undefined)) return {};
  let sum = 0;
  let counted = 0;
  for (let model = 0; model < models; model++) {
    if (!(variances[model]! > 0)) continue;
    let error = 0;
    for (let i = model; i < mse.length; i += models) error += mse[i]!;
    sum += 1 - (error * squaredError * models) / mse.length / variances[model]!;
    counted++;
  }
  return { explained_variance: counted > 0 ? sum / counted : null };
}

function meanOf(values: Float32Array | Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}
