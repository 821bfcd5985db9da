/** A plan of runs as data: a base configuration, overrides in a grid and in a list, and seeds. */
import { InvalidValueError } from '../errors.ts';
import { isRecord } from '../files/json-text.ts';
import { inWords } from '../wording.ts';

/** The value of a setting in a plan. `null` says that a setting of the base is not given. */
export type SettingValue = string | number | boolean | null | readonly string[];

/** Settings by the names that `train toy` and `train sae` have for them, in camel case: `dSae` for `--d-sae`. */
export type PlanSettings = Readonly<Record<string, SettingValue>>;

/** Runs to do: every entry of `list` with every combination of `grid`, from every seed. */
export interface SweepPlan {
  /** What is trained: `toy` as `train toy` does, `sae` as `train sae` does. */
  readonly train: 'toy' | 'sae';
  /** The sweep's name in reports. Default `sweep`. */
  readonly name?: string;
  /** Settings of all runs. Default: none; every setting then has its default. */
  readonly base?: PlanSettings;
  /** The values to combine, for each setting. Default: none. */
  readonly grid?: Readonly<Record<string, readonly SettingValue[]>>;
  /** Settings that belong together and override those of the base. Default: one entry without overrides. */
  readonly list?: readonly PlanSettings[];
  /** The number of seeds, from 0 on, or the seeds themselves. Default: the seed of the base. */
  readonly seeds?: number | readonly number[];
  /**
   * The most runs that train side by side as one unit of work, at least 1. Default: as many as take minutes, at most
   * 256.
   */
  readonly groupSize?: number;
  /**
   * About how many times the directions are written during training, evenly on a log scale, into `histories/`. Default
   * 0: never.
   */
  readonly snapshots?: number;
}

/** One run of a plan: its place and the settings that are given for it. */
export interface PlannedRun {
  /** From 0, in the order of the plan: list, then grid with its last setting changing fastest, then seeds. */
  readonly index: number;
  readonly settings: PlanSettings;
}

const MEMBERS = ['$schema', 'train', 'name', 'base', 'grid', 'list', 'seeds', 'groupSize', 'snapshots'];

/**
 * Checks the form of a plan. Whether settings exist and have values in range is checked when runs are resolved.
 * @param value the parsed JSON of a plan
 * @returns the same value as a plan
 * @throws InvalidValueError that names the member, what was expected and what it is
 */
export function checkPlan(value: unknown): SweepPlan {
  const expect = (holds: boolean, where: string, expected: string, got: unknown): void => {
    if (!holds) throw new InvalidValueError(`plan: ${where} must be ${expected}, got ${inWords(got)}`);
  };
  expect(isRecord(value), 'it', 'an object', value);
  const plan = value as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(plan).find(name => !MEMBERS.includes(name));
  if (unknown !== undefined) {
    throw new InvalidValueError(`plan: there is no member ${inWords(unknown)}; it has ${MEMBERS.slice(1).join(', ')}`);
  }
  const { train, name, base, grid, list, seeds, groupSize, snapshots } = plan;
  expect(train === 'toy' || train === 'sae', 'train', '"toy" or "sae"', train);
  expect(name === undefined || typeof name === 'string', 'name', 'a text', name);
  const checkSettings = (settings: unknown, where: string): void => {
    expect(isRecord(settings), where, 'an object of settings', settings);
    for (const [field, entry] of Object.entries(settings as object)) {
      expect(
        isSettingValue(entry),
        `${where}.${field}`,
        'a number, a text, true, false, null or a list of texts',
        entry,
      );
    }
  };
  if (base !== undefined) checkSettings(base, 'base');
  if (grid !== undefined) {
    expect(isRecord(grid), 'grid', 'an object of lists', grid);
    for (const [field, values] of Object.entries(grid as object)) {
      expect(Array.isArray(values) && values.length > 0, `grid.${field}`, 'a list of at least one value', values);
      for (const [i, entry] of (values as unknown[]).entries()) {
        expect(
          isSettingValue(entry),
          `grid.${field}[${i}]`,
          'a number, a text, true, false, null or a list of texts',
          entry,
        );
      }
    }
  }
  if (list !== undefined) {
    expect(Array.isArray(list) && list.length > 0, 'list', 'a list of at least one object of settings', list);
    for (const [i, entry] of (list as unknown[]).entries()) checkSettings(entry, `list[${i}]`);
  }
  const isCount = (given: unknown): boolean => Number.isSafeInteger(given) && (given as number) >= 1;
  const areSeeds = Array.isArray(seeds) && seeds.length > 0 && seeds.every(Number.isSafeInteger);
  expect(
    seeds === undefined || isCount(seeds) || areSeeds,
    'seeds',
    'a count of at least 1 or a list of integers',
    seeds,
  );
  expect(
    snapshots === undefined || snapshots === 0 || isCount(snapshots),
    'snapshots',
    'a count of at least 0',
    snapshots,
  );
  expect(groupSize === undefined || isCount(groupSize), 'groupSize', 'a count of at least 1', groupSize);
  if (seeds !== undefined) {
    const also = [base, grid, ...((list as object[]) ?? [])].some(settings => isRecord(settings) && 'seed' in settings);
    if (also) throw new InvalidValueError('plan: seed is given twice, in seeds and as a setting');
  }
  const both = (list as PlanSettings[] | undefined)
    ?.flatMap(Object.keys)
    .find(field => isRecord(grid) && field in grid);
  if (both !== undefined) throw new InvalidValueError(`plan: ${both} is in grid and in list, of which one must say it`);
  return plan as unknown as SweepPlan;
}

function isSettingValue(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (Array.isArray(value)) return value.every(entry => typeof entry === 'string');
  return value === null || typeof value === 'string' || typeof value === 'boolean';
}

/** How many runs a plan has. */
export function countRuns({ grid = {}, list = [{}], seeds }: SweepPlan): number {
  const combinations = Object.values(grid).reduce((product, values) => product * values.length, 1);
  return list.length * combinations * (seedsOf(seeds)?.length ?? 1);
}

/** The plan's runs in order, one at a time: a plan of any size takes no memory. */
export function* plannedRuns({ base = {}, grid = {}, list = [{}], seeds }: SweepPlan): Generator<PlannedRun> {
  const axes = Object.entries(grid);
  const combinations = axes.reduce((product, [, values]) => product * values.length, 1);
  const all = seedsOf(seeds);
  let index = 0;
  for (const entry of list) {
    for (let number = 0; number < combinations; number++) {
      const settings: Record<string, SettingValue> = { ...base, ...entry };
      let rest = number;
      for (const [field, values] of axes.toReversed()) {
        settings[field] = values[rest % values.length]!;
        rest = Math.floor(rest / values.length);
      }
      for (const seed of all ?? [undefined]) {
        yield { index: index++, settings: seed === undefined ? settings : { ...settings, seed } };
      }
    }
  }
}

function seedsOf(seeds: SweepPlan['seeds']): readonly number[] | undefined {
  return typeof seeds === 'number' ? Array.from({ length: seeds }, (_, i) => i) : seeds;
}
