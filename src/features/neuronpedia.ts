/**
 * A feature bundle as Neuronpedia imports it: `{model}/{source}/` with `release`, `model`, `sourceset` and `source` as
 * JSON lines, and `features/`, `activations/` and `explanations/` as gzipped JSON lines, 128 latents a file. Fields are
 * those of Neuronpedia's own converter (utils/neuronpedia-utils: convert-saedashboard-to-neuronpedia-export.py and
 * db_models). Fields that the bundle does not hold are empty: tables of neurons, correlations of activations, steering
 * vectors. Node only.
 */
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { InvalidValueError } from '../errors.ts';
import { PendingFolder } from './bundle-folder.ts';
import type { FeatureBundle, FeatureData, FeatureExample, TokenTable } from './open-bundle.ts';

/** The names under which Neuronpedia files an SAE. */
export interface NeuronpediaOptions {
  /** Neuronpedia's id of the model, such as `gpt2-small`. */
  readonly model: string;
  /** The source set without the layer, such as `res-16k`. */
  readonly sourceSet: string;
  readonly layer: number;
  /** The id and title of the release. Default: the source set. */
  readonly release?: string;
  readonly releaseTitle?: string;
  readonly creatorName?: string;
  /** The id of the user in Neuronpedia's database. Default: that of its local instance. */
  readonly creatorId?: string;
  /** Name of the data set that the rows come from. */
  readonly dataset?: string;
  /** The date of creation. Default: now. */
  readonly createdAt?: Date;
}

/** DEFAULT_CREATOR_ID of Neuronpedia's own set-up. */
const LOCAL_CREATOR = 'clkht01d40000jv08hvalcvly';
/** How many latents a file holds, as SAEDashboard batches them. */
const LATENTS_PER_FILE = 128;

const gzipped = promisify(gzip);

/**
 * Writes the export to `{folder}/{model}/{layer}-{source set}`, whole or not at all. Latents that never fired are left
 * out.
 * @returns the folder of the source, and the number of latents and activations in it
 * @throws InvalidValueError for ids with other characters than letters, digits, `.`, `_` and `-`, or where the folder
 *   is in use
 * @throws FileWriteError where a file cannot be written
 */
export async function writeNeuronpedia(
  bundle: FeatureBundle,
  folder: string,
  options: NeuronpediaOptions,
): Promise<{ readonly folder: string; readonly features: number; readonly activations: number }> {
  const { model, sourceSet, layer, release = sourceSet, releaseTitle = release, creatorName = '' } = options;
  const { creatorId = LOCAL_CREATOR, dataset = '', createdAt = new Date() } = options;
  for (const id of [model, sourceSet, release]) {
    if (!/^[\w.-]+$/.test(id))
      throw new InvalidValueError(`${JSON.stringify(id)} is no id: letters, digits, . _ and -`);
  }
  const source = `${layer}-${sourceSet}`;
  const target = join(folder, model, source);
  const created = createdAt.toISOString().replace(/Z$/, '');
  const pending = await PendingFolder.begin(target, false);
  try {
    const writeLines = (name: string, rows: readonly object[]) =>
      pending.write(name, rows.map(row => `${JSON.stringify(row)}\n`).join(''));
    const { settings, activations } = bundle.manifest;
    await writeLines('release.jsonl', [
      {
        name: release,
        description: releaseTitle,
        descriptionShort: releaseTitle,
        urls: [],
        creatorNameShort: creatorName,
        creatorName,
        creatorId,
        createdAt: created,
      },
    ]);
    await writeLines('model.jsonl', [
      {
        id: model,
        instruct: model.endsWith('-it'),
        displayNameShort: model,
        displayName: model,
        creatorId,
        createdAt: created,
        updatedAt: created,
      },
    ]);
    await writeLines('sourceset.jsonl', [
      {
        modelId: model,
        name: sourceSet,
        creatorId,
        createdAt: created,
        creatorName,
        releaseName: release,
        description: releaseTitle,
        visibility: 'PUBLIC',
      },
    ]);
    await writeLines('source.jsonl', [
      {
        modelId: model,
        setName: sourceSet,
        visibility: 'PUBLIC',
        dataset,
        id: source,
        num_prompts: activations.sequences,
        num_tokens_in_prompt: settings.context_before + settings.context_after + 1,
        hfRepoId: null,
        hfFolderId: null,
        creatorId,
      },
    ]);
    for (const name of ['features', 'activations', 'explanations']) await mkdir(join(pending.path, name));
    const ids = { modelId: model, layer: source, creatorId, createdAt: created };
    const { count } = await bundle.overview();
    const tokens = await bundle.tokens();
    let [features, examples] = [0, 0];
    for (let start = 0, file = 0; start < bundle.latents; start += LATENTS_PER_FILE, file++) {
      const latents = Array.from({ length: Math.min(LATENTS_PER_FILE, bundle.latents - start) }, (_, i) => start + i);
      const data = await Promise.all(
        latents.filter(latent => count[latent]! > 0).map(latent => bundle.feature(latent)),
      );
      const activationRows = data.flatMap(feature => activationsOf(feature, tokens, ids));
      const explanationRows = data.flatMap(feature => explanationsOf(feature, ids));
      const parts = [
        ['features', data.map(feature => featureOf(feature, tokens, ids))],
        ['activations', activationRows],
        ['explanations', explanationRows],
      ] as const;
      for (const [name, rows] of parts) {
        if (rows.length === 0) continue;
        const text = rows.map(row => `${JSON.stringify(row)}\n`).join('');
        await pending.write(join(name, `batch-${file}.jsonl.gz`), await gzipped(text, { level: 5 }));
      }
      features += data.length;
      examples += activationRows.length;
    }
    await pending.publish();
    return { folder: target, features, activations: examples };
  } finally {
    await pending.discard();
  }
}

interface Ids {
  readonly modelId: string;
  readonly layer: string;
  readonly creatorId: string;
  readonly createdAt: string;
}

/** Six significant digits, the precision of float32 and of pages. */
const short = (value: number): number => Number(value.toPrecision(6));

const textOf = (tokens: TokenTable | undefined, token: number): string => tokens?.text(token) || `<token ${token}>`;

function featureOf(feature: FeatureData, tokens: TokenTable | undefined, ids: Ids): object {
  const { latent, max, density, histogram, nearest, logits } = feature;
  const used = Math.max(1, histogram.counts.findLastIndex(count => count > 0) + 1);
  const step = logits ? (logits.histogram.max - logits.histogram.min) / logits.histogram.counts.length : 0;
  return {
    ...ids,
    index: String(latent),
    maxActApprox: short(max),
    hasVector: false,
    vector: [],
    vectorLabel: null,
    vectorDefaultSteerStrength: 10,
    hookName: null,
    topkCosSimIndices: nearest.map(other => other.latent),
    topkCosSimValues: nearest.map(({ cosine }) => short(cosine)),
    neuron_alignment_indices: [],
    neuron_alignment_values: [],
    neuron_alignment_l1: [],
    correlated_neurons_indices: [],
    correlated_neurons_pearson: [],
    correlated_neurons_l1: [],
    correlated_features_indices: [],
    correlated_features_pearson: [],
    correlated_features_l1: [],
    neg_str: (logits?.bottom ?? []).map(({ token }) => textOf(tokens, token)),
    neg_values: (logits?.bottom ?? []).map(({ logit }) => short(logit)),
    pos_str: (logits?.top ?? []).map(({ token }) => textOf(tokens, token)),
    pos_values: (logits?.top ?? []).map(({ logit }) => short(logit)),
    frac_nonzero: density,
    freq_hist_data_bar_heights: [...histogram.counts.slice(0, used)],
    freq_hist_data_bar_values: Array.from({ length: used }, (_, bin) => short((bin + 0.5) * histogram.width)),
    logits_hist_data_bar_heights: [...(logits?.histogram.counts ?? [])],
    logits_hist_data_bar_values: Array.from(logits?.histogram.counts ?? [], (_, bin) =>
      short(logits!.histogram.min + (bin + 0.5) * step),
    ),
    decoder_weights_dist: [],
  };
}

function activationsOf(
  { latent, top, intervals, max }: FeatureData,
  tokens: TokenTable | undefined,
  ids: Ids,
): object[] {
  // SAEDashboard marks its group of top activations like this.
  const groups = [
    { examples: top, binMin: -1, binMax: short(max), binContains: -1 },
    ...[...intervals].reverse().map(interval => ({
      examples: interval.examples,
      binMin: short(interval.min),
      binMax: short(interval.max),
      binContains: short(interval.share),
    })),
  ];
  return groups.flatMap(({ examples, ...bin }, group) =>
    examples.map(example => {
      const values = Array.from(example.values, short);
      const maxValue = Math.max(...values);
      return {
        id: idOf(ids, latent, `${group},${example.row}`),
        tokens: tokensOf(example, tokens),
        dataIndex: null,
        index: String(latent),
        layer: ids.layer,
        modelId: ids.modelId,
        dataSource: null,
        maxValue,
        maxValueTokenIndex: values.indexOf(maxValue),
        minValue: Math.min(...values),
        values,
        dfaValues: [],
        dfaTargetIndex: null,
        dfaMaxValue: null,
        creatorId: ids.creatorId,
        createdAt: ids.createdAt,
        lossValues: [],
        logitContributions: null,
        ...bin,
        qualifyingTokenIndex: example.qualifying,
      };
    }),
  );
}

/** The tokens of an example. Rows without tokens are named by their labels or numbers. */
function tokensOf(
  { tokens: context, values, labels, row, qualifying }: FeatureExample,
  tokens: TokenTable | undefined,
): string[] {
  if (context) return Array.from(context, token => textOf(tokens, token));
  const named = labels.filter(label => label !== undefined).join(', ');
  return Array.from(values, (_, i) => (i === qualifying && named !== '' ? named : `row ${row - qualifying + i}`));
}

function explanationsOf({ latent, explanations }: FeatureData, ids: Ids): object[] {
  return explanations.map(({ text, method }, i) => ({
    id: idOf(ids, latent, `explanation ${i}`),
    modelId: ids.modelId,
    layer: ids.layer,
    index: String(latent),
    description: text,
    authorId: ids.creatorId,
    triggeredByUserId: ids.creatorId,
    notes: method ?? null,
    typeName: null,
    explanationModelName: null,
    createdAt: ids.createdAt,
    updatedAt: ids.createdAt,
  }));
}

/** An id of 25 characters, as a CUID has, which is the same each time. */
function idOf({ modelId, layer }: Ids, latent: number, what: string): string {
  const hash = createHash('sha256').update(`${modelId} ${layer} ${latent} ${what}`).digest('hex');
  return `c${BigInt(`0x${hash}`).toString(36).padStart(24, '0').slice(0, 24)}`;
}
