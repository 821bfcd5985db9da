/** Summarises the results of a sweep as means over seeds. */
import { type MeanInterval, studentInterval } from '../analysis/student-interval.ts';
import { canonicalJson } from './canonical-hash.ts';
import type { RunFailure, RunResult, SweepFolder } from './sweep-folder.ts';

/** A configuration and the results of its seeds. */
export interface ConfigurationSummary {
  /** The settings that the sweep varies, with their values here. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly runs: readonly RunResult[];
  /** The mean over seeds of each metric that every run has, with its interval. */
  readonly metrics: Readonly<Record<string, MeanInterval>>;
  /** Its best run by the sweep's first metric. */
  readonly best: RunResult;
}

/** The results of a sweep. */
export interface SweepSummary {
  /** The settings that differ among the runs, without the seed. */
  readonly varied: readonly string[];
  /** Settings that all runs share. */
  readonly shared: Readonly<Record<string, unknown>>;
  /** Metrics in the order in which they matter. */
  readonly metrics: readonly string[];
  /** The configurations, in the order of the values of their settings. */
  readonly configurations: readonly ConfigurationSummary[];
  /** The runs, in the order of the configurations, then of seeds. */
  readonly runs: readonly RunResult[];
  readonly failures: readonly RunFailure[];
  /** The conditions in which the runs do not agree: versions, threads, engines. */
  readonly mixed: readonly string[];
}

/** The most important metrics, the best first, with those of which less is better marked. Others follow by name. */
const FIRST = [
  'recovered_share',
  'recovered',
  'explained_variance',
  'mean_cosine',
  'loss',
  'l0',
  'dead',
  'never_fired',
];
const LESS_IS_BETTER = new Set([
  'loss',
  'training_loss',
  'worst_loss',
  'dead',
  'never_fired',
  'never_fired_at_start',
  'duplicates',
  'duplicates_at_start',
]);
/** Metrics of which neither more nor less is better. */
const NEITHER = new Set(['l0', 'bias_moved', 'shrinkage', 'stars']);

/** Whether more of a metric is better. */
export function moreIsBetter(metric: string): boolean {
  return !LESS_IS_BETTER.has(metric);
}

/** Whether a difference of a metric is an improvement; `undefined` where neither more nor less is better. */
export function isBetter(metric: string, difference: number): boolean | undefined {
  if (NEITHER.has(metric) || difference === 0) return undefined;
  return moreIsBetter(metric) === difference > 0;
}

/**
 * Reads the folder and summarises what is there.
 * @throws FileFormatError where a result is damaged
 */
export async function summariseSweep(folder: SweepFolder): Promise<SweepSummary> {
  const runs: RunResult[] = [];
  for await (const result of folder.results()) runs.push(result);
  const failures: RunFailure[] = [];
  for await (const failure of folder.failures()) failures.push(failure);
  const varied = variedSettings([...runs, ...failures]);
  const metrics = metricNames(runs);
  const groups = new Map<string, RunResult[]>();
  for (const run of runs) {
    const key = canonicalJson(varied.map(field => run.settings[field] ?? null));
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  const configurations = [...groups.values()]
    .map(own => configurationOf(own.toSorted(bySeed), varied, metrics))
    .sort((a, b) => compareSettings(a.settings, b.settings, varied));
  const settings = runs[0]?.settings ?? failures[0]?.settings ?? {};
  return {
    varied,
    shared: Object.fromEntries(Object.entries(settings).filter(([name]) => name !== 'seed' && !varied.includes(name))),
    metrics,
    configurations,
    runs: configurations.flatMap(configuration => configuration.runs),
    failures,
    mixed: mixedConditions(runs),
  };
}

function variedSettings(runs: readonly { readonly settings: Readonly<Record<string, unknown>> }[]): string[] {
  const values = new Map<string, Set<string>>();
  const names = [...new Set(runs.flatMap(({ settings }) => Object.keys(settings)))];
  for (const name of names) {
    if (name === 'seed') continue;
    values.set(name, new Set(runs.map(({ settings }) => canonicalJson(settings[name] ?? null))));
  }
  return [...values].flatMap(([name, { size }]) => (size > 1 ? [name] : [])).sort();
}

function metricNames(runs: readonly RunResult[]): string[] {
  const names = [...new Set(runs.flatMap(({ metrics }) => Object.keys(metrics)))].sort();
  return [...FIRST.filter(name => names.includes(name)), ...names.filter(name => !FIRST.includes(name))];
}

function configurationOf(
  runs: readonly RunResult[],
  varied: readonly string[],
  metrics: readonly string[],
): ConfigurationSummary {
  const values = (metric: string): number[] =>
    runs.flatMap(run => {
      const value = run.metrics[metric];
      return typeof value === 'number' ? [value] : [];
    });
  const whole = metrics.filter(metric => values(metric).length === runs.length);
  const [first] = whole;
  const sign = first !== undefined && moreIsBetter(first) ? 1 : -1;
  const worth = (run: RunResult): number => sign * (first === undefined ? 0 : run.metrics[first]!);
  return {
    settings: Object.fromEntries(varied.map(name => [name, runs[0]!.settings[name] ?? null])),
    runs,
    metrics: Object.fromEntries(whole.map(metric => [metric, studentInterval(values(metric))])),
    best: runs.reduce((best, run) => (worth(run) > worth(best) ? run : best)),
  };
}

function bySeed(a: RunResult, b: RunResult): number {
  return Number(a.settings['seed']) - Number(b.settings['seed']);
}

function compareSettings(
  a: Readonly<Record<string, unknown>>,
  b: Readonly<Record<string, unknown>>,
  names: readonly string[],
): number {
  for (const name of names) {
    const [left, right] = [a[name], b[name]];
    if (typeof left === 'number' && typeof right === 'number' && left !== right) return left - right;
    const [leftText, rightText] = [String(left), String(right)];
    if (leftText !== rightText) return leftText < rightText ? -1 : 1;
  }
  return 0;
}

function mixedConditions(runs: readonly RunResult[]): string[] {
  return (['version', 'engine', 'threads', 'on'] as const).flatMap(name => {
    const values = [...new Set(runs.map(({ made }) => String(made[name])))].sort();
    return values.length > 1 ? [`${name}: ${values.join(', ')}`] : [];
  });
}
