/** Compares a file's directions with those of others: MCC, PW-MCC, and how much they overlap among themselves. */
import { bestMatches, uniqueness } from '../analysis/best-matches.ts';
import { dictionaryCosine } from '../analysis/dictionary-cosine.ts';
import { meanCorrelation } from '../analysis/match-directions.ts';
import { createRandomSource } from '../data/random-source.ts';
import { UsageError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';
import { openModelFile } from './open-model.ts';
import { inColumns } from './report.ts';

/** The results of a comparison; docs/metrics.md explains each number. */
export interface DirectionsComparison {
  readonly c_dec: { readonly mean: number | null; readonly latents: number };
  readonly others: readonly {
    readonly file: string;
    readonly mcc: number | null;
    /** MCC with as many random directions; null where that would take long. */
    readonly chance: number | null;
    readonly uniqueness: number;
  }[];
  /** Mean MCC of all pairs of the files; null for fewer than three. */
  readonly pw_mcc: number | null;
}

/** The number of products up to which a chance level is computed too: ten seconds of one core. */
const MOST_PRODUCTS = 1e10;

/**
 * Compares the directions of files.
 * @throws UsageError where the files' directions differ in width
 * @throws FileFormatError as `openModelFile`
 */
export async function compareDirections(file: string, others: readonly string[]): Promise<DirectionsComparison> {
  const all: HostTensor[] = [];
  for (const name of [file, ...others]) {
    const directions = await directionsOf(name);
    if (directions.shape[1] !== (all[0] ?? directions).shape[1]) {
      throw new UsageError(
        `directions of ${name} have ${directions.shape[1]} numbers, those of ${file} ${all[0]!.shape[1]}`,
      );
    }
    all.push(directions);
  }
  const own = all[0]!;
  const { mean, latents } = dictionaryCosine(own);
  const between = (a: HostTensor, b: HostTensor): number | null => meanCorrelation(a, b) ?? null;
  const compared = others.map((name, i) => {
    const other = all[i + 1]!;
    return {
      file: name,
      mcc: between(own, other),
      chance: isLarge(own, other) ? null : between(random(own), other),
      uniqueness: uniqueness(bestMatches(own, other)),
    };
  });
  const rest = all.slice(1).flatMap((a, i) => all.slice(i + 2).map(b => between(a, b)));
  const pairs = [...compared.map(({ mcc }) => mcc), ...rest].flatMap(mcc => (mcc === null ? [] : [mcc]));
  const pw_mcc = others.length < 2 ? null : pairs.reduce((sum, mcc) => sum + mcc, 0) / pairs.length;
  return { c_dec: { mean: mean ?? null, latents }, others: compared, pw_mcc };
}

/** A comparison in words, one line for each file and measure. */
export function describeComparison({ c_dec, others, pw_mcc }: DirectionsComparison): string[] {
  const number = (value: number | null): string => value?.toFixed(4) ?? '–';
  const sampled = `mean |cosine| of pairs among ${c_dec.latents} latents`;
  return [
    `c_dec ${number(c_dec.mean)}, ${sampled}`,
    ...inColumns([
      ['beside', 'MCC', 'random', 'uniqueness'],
      ...others.map(({ file, mcc, chance, uniqueness: share }) => [file, number(mcc), number(chance), number(share)]),
    ]),
    ...(pw_mcc === null ? [] : [`PW-MCC ${number(pw_mcc)}, of all pairs of the ${others.length + 1} files`]),
  ];
}

async function directionsOf(file: string): Promise<HostTensor> {
  const model = await openModelFile(file, { provider: 'cpu' });
  try {
    const { data, shape } = await model.featureDirections();
    if (shape.length !== 2) throw new UsageError(`${file} holds several models side by side: compare one at a time`);
    return { data, shape };
  } finally {
    await model.dispose();
  }
}

function isLarge(a: HostTensor, b: HostTensor): boolean {
  return a.shape[0]! * b.data.length > MOST_PRODUCTS;
}

function random({ shape, data }: HostTensor): HostTensor {
  const source = createRandomSource(0);
  return { data: Float32Array.from(data, () => source.normal()), shape };
}
