/**
 * Everything that the page of the selected latent shows: its direction, the rows on which it fires, and the latents
 * near it.
 */
import { computed } from '@preact/signals';
import type { FeatureExample } from '../../../src/features/open-bundle.ts';
import type { Example, Histogram, LatentFirings, Neighbour } from '../data/firings.ts';
import { type RowTokens, windowOf } from '../data/row-labels.ts';
import { analysis } from '../workers/analysis-client.ts';
import { bundleInUse, type OpenBundle } from './bundles.ts';
import { firings } from './firings.ts';
import { sae } from './models.ts';
import { view } from './navigation.ts';
import { resource } from './resource.ts';
import { namesOfRows, rows } from './rows.ts';
import { selectedLatent } from './selection.ts';

const NEAREST = 10;
/** How many tokens are shown before and after the one on which the latent fired. */
const BEFORE = 10;
const AFTER = 10;

/** The selected latent; undefined where the autoencoder in view has no such latent. */
export const latentInView = computed(() => {
  const latent = selectedLatent.value;
  const encoder = sae.value;
  return encoder && latent !== undefined && latent < encoder.codeSize ? latent : undefined;
});

/** What the weights alone tell about the latent: its direction, its nearest neighbours, and the rest. */
export const weightsOfLatent = resource(
  'The latent could not be read',
  () => {
    const encoder = sae.value;
    const latent = latentInView.value;
    if (!encoder?.runs || latent === undefined) return undefined;
    return {
      about: `${encoder.id} ${latent}`,
      ask: async () => {
        const [nearest, direction] = await Promise.all([
          analysis().nearest(encoder.id, latent, NEAREST),
          analysis().directionOf(encoder.id, latent),
        ]);
        return { nearest, direction };
      },
    };
  },
  () => view.value === 'latent',
);

/** The tokens around an example, each with the latent's activation on it. */
export interface Context {
  readonly tokens: readonly string[];
  readonly values: ArrayLike<number>;
  /** The index of the example's own token. */
  readonly qualifying: number;
}

/** An example with what the page shows of its row. */
export interface ExampleOnPage extends Example {
  readonly label: string | undefined;
  readonly context: Context | undefined;
  /** The features that are present in the row, by index and value; undefined unless a toy model made the row. */
  readonly features: readonly (readonly [number, number])[] | undefined;
}

/** What the page says of a latent, whether rows were run here or a bundle is open. */
export interface LatentOnPage {
  readonly latent: number;
  /** How many rows were run. */
  readonly rows: number;
  /** Where the rows came from, in words. */
  readonly origin: string;
  readonly count: number;
  readonly max: number;
  readonly mean: number;
  readonly histogram: Histogram;
  readonly top: readonly ExampleOnPage[];
  readonly groups: readonly {
    readonly low: number;
    readonly high: number;
    /** The share of the latent's activations that lie between `low` and `high`. */
    readonly share: number;
    readonly examples: readonly ExampleOnPage[];
  }[];
  readonly together: readonly { readonly latent: number; readonly value: number; readonly rows: number }[];
  /** The measure that `value` of `together` gives: Pearson's r, or the Jaccard index of the rows. */
  readonly measure: 'r' | 'Jaccard';
  readonly labels: LatentFirings['labels'];
  readonly logits: Logits | undefined;
  readonly rule:
    | { readonly text: string; readonly f1: number; readonly precision: number; readonly recall: number }
    | undefined;
  readonly explanations: readonly string[];
  /**
   * The latents of the nearest directions as the bundle gives them; undefined where the weights are open or the bundle
   * does not say.
   */
  readonly nearest: readonly Neighbour[] | undefined;
}

/** The tokens that the latent makes most and least likely, with the change of their logits. */
export interface Logits {
  readonly top: readonly { readonly token: string; readonly value: number }[];
  readonly bottom: readonly { readonly token: string; readonly value: number }[];
}

/** Windows of text around examples, with the latent's activation on each token. */
async function contextsOf(
  run: string,
  latent: number,
  names: RowTokens,
  examples: readonly Example[],
): Promise<Map<number, Context>> {
  const found = new Map<number, Context>();
  const ranges = [...new Set(examples.map(({ row }) => row))].map(
    row => [row, windowOf(names, row, BEFORE, AFTER)] as const,
  );
  const values = await analysis().activations(
    run,
    latent,
    ranges.map(([, range]) => range),
  );
  let at = 0;
  for (const [row, [from, to]] of ranges) {
    found.set(row, {
      tokens: names.tokens.slice(from, to),
      values: values.subarray(at, at + to - from),
      qualifying: row - from,
    });
    at += to - from;
  }
  return found;
}

/** The selected latent on the rows in use. */
export const latentPage = resource<LatentOnPage>(
  'The latent’s rows could not be read',
  () => {
    const held = bundleInUse.value;
    const wanted = latentInView.value;
    if (held && wanted !== undefined) {
      return { about: `bundle ${held.name} ${wanted}`, ask: () => pageFromBundle(held, wanted) };
    }
    const now = firings.value;
    const latent = latentInView.value;
    const names = namesOfRows.value;
    const features = rows.value?.features;
    if (!now || latent === undefined) return undefined;
    const { id, summary } = now;
    return {
      about: `${id} ${latent}`,
      ask: async () => {
        const page = await analysis().latent(id, latent);
        const examples = [...page.top, ...page.groups.flatMap(group => group.examples)];
        const contexts = names?.type === 'tokens' ? await contextsOf(id, latent, names, examples) : undefined;
        const onPage = (example: Example): ExampleOnPage => ({
          ...example,
          label: names?.type === 'labels' ? names.labels[example.row] : undefined,
          context: contexts?.get(example.row),
          features: features && presentFeatures(features.data, features.shape[1]!, example.row),
        });
        return {
          ...page,
          rows: summary.rows,
          origin: now.rows.origin,
          top: page.top.map(onPage),
          groups: page.groups.map(({ low, high, count, examples: drawn }) => ({
            low,
            high,
            share: page.count > 0 ? count / page.count : 0,
            examples: drawn.map(onPage),
          })),
          together: page.together.map(({ latent: other, correlation, rows: both }) => ({
            latent: other,
            value: correlation,
            rows: both,
          })),
          measure: 'r',
          logits: undefined,
          rule: undefined,
          explanations: [],
          nearest: undefined,
        };
      },
    };
  },
  () => view.value === 'latent',
);

function presentFeatures(data: Float32Array, width: number, row: number): [number, number][] {
  const present: [number, number][] = [];
  for (let i = 0; i < width; i++) if (data[row * width + i] !== 0) present.push([i, data[row * width + i]!]);
  return present.sort((a, b) => b[1] - a[1]);
}

/** What the page says of a latent from a bundle. */
async function pageFromBundle({ bundle, name }: OpenBundle, latent: number): Promise<LatentOnPage> {
  const [feature, tokens] = await Promise.all([bundle.feature(latent), bundle.tokens()]);
  const onPage = (example: FeatureExample): ExampleOnPage => ({
    row: example.row,
    value: example.value,
    label: example.labels.filter(label => label !== undefined).join(', ') || undefined,
    context: example.tokens && {
      tokens: Array.from(example.tokens, id => tokens?.text(id) ?? `#${id}`),
      values: example.values,
      qualifying: example.qualifying,
    },
    features: undefined,
  });
  const { histogram, rule, logits } = feature;
  const spelled = (list: readonly { readonly token: number; readonly logit: number }[]) =>
    list.map(({ token, logit }) => ({ token: tokens?.text(token) ?? `#${token}`, value: logit }));
  return {
    latent,
    rows: bundle.manifest.activations.rows,
    origin: name,
    count: feature.count,
    max: feature.max,
    mean: feature.meanActive,
    histogram: { from: 0, to: histogram.width * histogram.counts.length, counts: Array.from(histogram.counts) },
    top: feature.top.map(onPage),
    groups: feature.intervals
      .toReversed()
      .map(({ min, max, share, examples }) => ({ low: min, high: max, share, examples: examples.map(onPage) })),
    together: feature.coactive.map(({ latent: other, jaccard, count }) => ({
      latent: other,
      value: jaccard,
      rows: count,
    })),
    measure: 'Jaccard',
    labels: [],
    logits: logits && { top: spelled(logits.top), bottom: spelled(logits.bottom) },
    rule: rule && { text: rule.rule.text, f1: rule.f1, precision: rule.precision, recall: rule.recall },
    explanations: feature.explanations.map(({ text }) => text),
    nearest: feature.nearest,
  };
}
