/** What `npm run check:gpu` finds, as plain data. */

/** The ways to a GPU, by the names that the table has. */
export const PATHS = ['tfjs-node-gpu', 'onnxruntime cuda', 'onnxruntime webgpu', 'tfjs webgpu'] as const;

/** The name of a way to a GPU. */
export type PathName = (typeof PATHS)[number];

/**
 * `ran`: it ran and is right. `wrong`: it ran, and figures differ by more than they may. `failed`: it is there and does not run; crashed and timed-out
 * processes among it. `unavailable`: this machine lacks something for it.
 */
export type Outcome = 'ran' | 'wrong' | 'failed' | 'unavailable';

/** One cell of the table. */
export interface Row {
  readonly path: PathName | 'PyTorch';
  readonly check: string;
  readonly outcome: Outcome;
  /** The detail of the cell: the figures of what ran, by how much it was wrong, why it failed, or what is missing. */
  readonly detail: string;
  /** Median milliseconds of one call or step. */
  readonly ms?: number;
  /** Largest memory of the card during the check, less what was in use before; MiB. */
  readonly deviceMiB?: number;
  /** Largest resident memory of the process; MiB. */
  readonly hostMiB?: number;
}

/** One machine's table. */
export interface MachineReport {
  /** The card's name, or what is said in its place. Reports of different cards are kept beside each other. */
  readonly card: string;
  readonly machine: Readonly<Record<string, string>>;
  readonly date: string;
  readonly rows: readonly Row[];
}

/** `reports` with `report` instead of an earlier one of the same card, of which rows of paths that `report` does not have stay. */
export function withReport(reports: readonly MachineReport[], report: MachineReport): MachineReport[] {
  const earlier = reports.find(({ card }) => card === report.card);
  const paths = new Set(report.rows.map(({ path }) => path));
  const kept = (earlier?.rows ?? []).filter(({ path }) => !paths.has(path));
  return [...reports.filter(({ card }) => card !== report.card), { ...report, rows: [...kept, ...report.rows] }];
}
