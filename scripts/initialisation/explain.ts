/**
 * Why a start falls short of the truth: the optimiser did not get there, or the objective does not prefer it. A cell is compared, seed by seed, with the one that
 * differs from it only in that it starts at the truth.
 */
import { type MeanInterval, studentInterval } from '../../src/analysis/student-interval.ts';
import type { CellResult, Run } from './run-cell.ts';

export type Explanation = 'reaches it' | 'optimiser' | 'objective' | 'both' | 'undecided';

/** How far a cell is from the one that starts at the truth. */
export interface Shortfall {
  /** Share of directions found, less that from the truth; pairs of seeds. */
  readonly found: MeanInterval;
  /** Unexplained variance, less that from the truth. */
  readonly excess: MeanInterval;
  /** Seeds that found fewer directions, at a loss above and below that from the truth. */
  readonly higher: number;
  readonly lower: number;
  readonly explanation: Explanation;
}

/** A share of directions that is no shortfall worth explaining. */
const AS_GOOD = 0.02;
/** Losses within this share of each other are not told apart: the means of a twentieth of the steps, of the same batches. */
const SAME_LOSS = 0.01;

/**
 * - `reaches it`: no fewer directions than from the truth, within the interval (where not all seeds fall short) or a fiftieth;
 * - `optimiser`: fewer, and each seed that falls short has a higher loss: training from the truth shows a better solution, which this start does not reach;
 * - `objective`: each of them has a lower loss: what is trained on prefers what was found to the truth;
 * - `both`: some seeds the one, some the other; `undecided`: no loss is told apart from the truth's.
 */
export function shortfall(cell: CellResult, truth: CellResult): Shortfall {
  const pairs = cell.runs.flatMap((run): (readonly [Run, Run])[] => {
    const other = truth.runs.find(({ seed }) => seed === run.seed);
    return other ? [[run, other]] : [];
  });
  const found = studentInterval(pairs.map(([run, other]) => (run.found - other.found) / cell.sought));
  const excess = studentInterval(pairs.map(([run, other]) => run.fvu - other.fvu));
  const ofShort = pairs.filter(([run, other]) => run.found < other.found).map(([run, other]) => run.loss / other.loss);
  const higher = ofShort.filter(ratio => ratio > 1 + SAME_LOSS).length;
  const lower = ofShort.filter(ratio => ratio < 1 - SAME_LOSS).length;
  // Of one or two seeds there is no interval to speak of.
  const isSure = found.high < 0 || ofShort.length === pairs.length;
  const isShort = isSure && found.mean <= -AS_GOOD;
  return { found, excess, higher, lower, explanation: isShort ? explained(higher, lower) : 'reaches it' };
}

function explained(higher: number, lower: number): Explanation {
  if (higher > 0 && lower > 0) return 'both';
  if (higher > 0) return 'optimiser';
  return lower > 0 ? 'objective' : 'undecided';
}

/** The explanation with the seeds that it stands on. */
export function explanationText({ explanation, higher, lower }: Shortfall): string {
  if (explanation === 'reaches it' || explanation === 'undecided') return explanation;
  const parts = [...(higher > 0 ? [`optimiser ${higher}`] : []), ...(lower > 0 ? [`objective ${lower}`] : [])];
  return parts.join(', ');
}
