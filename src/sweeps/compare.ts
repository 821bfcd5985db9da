/** Compares two sweeps: the configurations that both have, and how their results differ. */
import { type MeanInterval, studentInterval } from '../analysis/student-interval.ts';
import { canonicalJson } from './canonical-hash.ts';
import type { SweepSummary } from './summary.ts';
import type { RunResult } from './sweep-folder.ts';

/** A configuration that both have. */
export interface ComparedConfiguration {
  readonly settings: Readonly<Record<string, unknown>>;
  /** For each metric, B − A over the seeds that both have. */
  readonly differences: Readonly<Record<string, MeanInterval>>;
}

/** How two sweeps differ. */
export interface SweepComparison {
  /** Settings in which A as a whole differs from B as a whole, with both values. */
  readonly between: Readonly<Record<string, readonly [unknown, unknown]>>;
  readonly metrics: readonly string[];
  readonly configurations: readonly ComparedConfiguration[];
  /** The number of configurations that only A has. */
  readonly onlyA: number;
  readonly onlyB: number;
}

/** Compares sweeps by what they share: runs of the same settings and seed are a pair, and intervals are those of the pairs' differences. */
export function compareSweeps(a: SweepSummary, b: SweepSummary): SweepComparison {
  const names = [...new Set([...Object.keys(a.shared), ...Object.keys(b.shared)])];
  const isFixed = (name: string): boolean => !a.varied.includes(name) && !b.varied.includes(name);
  const between = names.filter(
    name => isFixed(name) && canonicalJson(a.shared[name] ?? null) !== canonicalJson(b.shared[name] ?? null),
  );
  const varied = [...new Set([...a.varied, ...b.varied])].sort();
  const keyOf = (run: RunResult): string => canonicalJson(varied.map(name => run.settings[name] ?? null));
  const [left, right] = [bySettings(a.runs, keyOf), bySettings(b.runs, keyOf)];
  const metrics = a.metrics.filter(name => b.metrics.includes(name));
  const shared = [...left.keys()].filter(key => right.has(key));
  return {
    between: Object.fromEntries(between.map(name => [name, [a.shared[name] ?? null, b.shared[name] ?? null]])),
    metrics,
    configurations: shared.map(key => {
      const [own, other] = [left.get(key)!, right.get(key)!];
      const settings = own[0]!.settings;
      return {
        settings: Object.fromEntries(varied.map(name => [name, settings[name] ?? null])),
        differences: Object.fromEntries(
          metrics.flatMap(metric => {
            const differences = pairs(own, other).flatMap(([x, y]) => {
              const [from, to] = [x.metrics[metric], y.metrics[metric]];
              return typeof from === 'number' && typeof to === 'number' ? [to - from] : [];
            });
            return differences.length > 0 ? [[metric, studentInterval(differences)]] : [];
          }),
        ),
      };
    }),
    onlyA: left.size - shared.length,
    onlyB: right.size - shared.length,
  };
}

function bySettings(runs: readonly RunResult[], keyOf: (run: RunResult) => string): Map<string, RunResult[]> {
  const groups = new Map<string, RunResult[]>();
  for (const run of runs) groups.set(keyOf(run), [...(groups.get(keyOf(run)) ?? []), run]);
  return groups;
}

function pairs(a: readonly RunResult[], b: readonly RunResult[]): [RunResult, RunResult][] {
  return a.flatMap((run): [RunResult, RunResult][] => {
    const other = b.find(({ settings }) => settings['seed'] === run.settings['seed']);
    return other ? [[run, other]] : [];
  });
}
