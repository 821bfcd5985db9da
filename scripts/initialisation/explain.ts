/**
 * Why a start falls short of the truth: the optimiser did not get there, or the objective does not prefer it. A cell is compared, seed by seed, with the one that
 * differs from it only in that it starts at the truth.
 */
import { type MeanInterval, studentInterval } from '../../src/analysis/student-interval.ts';
import type { CellResult, Run } from './run-cell.ts';

export const EXPLANATIONS = ['–', 'reaches it', 'optimiser', 'objective', 'undecided'] as const;
export type Explanation = (typeof EXPLANATIONS)[number];

/** How far a cell is from the one that starts at the truth. */
export interface Shortfall {
  /** Share of directions found, less that from the truth; pairs of seeds. */
  readonly found: MeanInterval;
  /** Unexplained variance, less that from the truth. */
  readonly excess: MeanInterval;
  /** The loss that was trained on, less that from the truth, to the latter. */
  readonly loss: MeanInterval;
  readonly explanation: Explanation;
}

/** A share of directions that is no shortfall worth explaining. */
const AS_GOOD = 0.02;

/** Differences of the seeds that both cells have. */
function paired(cell: CellResult, truth: CellResult, of: (run: Run) => number): number[] {
  return cell.runs.flatMap(run => {
    const other = truth.runs.find(({ seed }) => seed === run.seed);
    return other ? [of(run) - of(other)] : [];
  });
}

/**
 * - `reaches it`: no fewer directions than from the truth, within the interval or a fiftieth;
 * - `optimiser`: fewer, at a higher loss: training from the truth shows a lower loss with more of the truth in it, which this start does not reach;
 * - `objective`: fewer, at a lower loss: what is trained on prefers what was found to the truth;
 * - `undecided`: fewer, and the interval of the loss holds 0.
 */
export function shortfall(cell: CellResult, truth: CellResult): Shortfall {
  const scale = truth.runs.reduce((sum, { loss }) => sum + loss, 0) / truth.runs.length;
  const found = studentInterval(paired(cell, truth, run => run.found / cell.sought));
  const excess = studentInterval(paired(cell, truth, ({ fvu }) => fvu));
  const loss = studentInterval(paired(cell, truth, run => run.loss / scale));
  return { found, excess, loss, explanation: explained(found, loss) };
}

function explained(found: MeanInterval, loss: MeanInterval): Explanation {
  if (!(found.high < 0) || found.mean > -AS_GOOD) return 'reaches it';
  if (loss.low > 0) return 'optimiser';
  return loss.high < 0 ? 'objective' : 'undecided';
}
