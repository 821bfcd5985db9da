/** Loss against step, for one run or several. */
import type { Figure, FigureText } from './figure.ts';
import { lineChart } from './line-chart.ts';

/** A loss by step: one line of `plotTrainingCurves`. */
export interface TrainingCurve {
  readonly name: string;
  readonly steps: readonly number[];
  readonly loss: readonly number[];
}

/** Axes of `plotTrainingCurves`. */
export interface TrainingCurvesOptions extends FigureText {
  /** Whether steps are on a logarithmic axis, without step 0. Default false. */
  readonly logSteps?: boolean;
  /** Whether losses are on a logarithmic axis, without zero and negative ones. Default true. */
  readonly logLoss?: boolean;
  /** Words at the y axis; default `loss`. */
  readonly lossLabel?: string;
}

/**
 * One line per run; losses that are not finite leave a gap.
 *
 * @throws InvalidShapeError where a curve's steps and losses differ in number.
 */
export function plotTrainingCurves(curves: readonly TrainingCurve[], options: TrainingCurvesOptions = {}): Figure {
  const { title = 'Training loss', subtitle, logSteps = false, logLoss = true, lossLabel = 'loss' } = options;
  return lineChart(
    curves.map(({ name, steps, loss }) => ({ name, x: steps, y: loss })),
    {
      name: 'training-curves',
      title,
      subtitle,
      x: { type: logSteps ? 'log' : 'linear', label: 'training step' },
      y: { type: logLoss ? 'log' : 'linear', label: lossLabel, ...(logLoss ? {} : { include: [0] }) },
    },
  );
}
