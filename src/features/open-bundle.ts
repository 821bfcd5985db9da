/**
 * Reads a feature bundle (docs/bundle-format.md): the overview whole, one latent by a few byte ranges. Browser-safe, and the only reader:
 * the viewer, the exports and the tests use it.
 */
import { FileFormatError, InvalidValueError } from '../errors.ts';
import { bytesPerElement, decodeElements, type Elements } from '../files/element-type.ts';
import {
  readableType,
  readSafetensorsHeader,
  type SafetensorsEntry,
  type SafetensorsHeader,
  safetensorsHeaderEnd,
  safetensorsPrefixLength,
} from '../files/safetensors.ts';
import { BUNDLE_FILES, BUNDLE_LIMITS, type BundleManifest, parseManifest } from './bundle-manifest.ts';
import { type BundleLocation, type BundleSource, bundleSourceOf } from './bundle-source.ts';
import { type Explanation, readExplanations } from './explanations.ts';
import type { Rule } from './rule.ts';

/** One number per latent and column, [d_sae] each. */
export interface FeatureOverview {
  /** [d_sae], the number of rows on which the latent fires; 0: it never fired in `manifest.activations.rows` rows. */
  readonly count: Float64Array;
  readonly density: Float32Array;
  /** [d_sae], log₁₀ of the share of rows on which the latent fires; −Infinity where `count` is 0. */
  readonly log10Density: Float32Array;
  /** [d_sae], the largest activation. */
  readonly max: Float32Array;
  /** Mean activation over the rows on which the latent fires. */
  readonly meanActive: Float32Array;
  readonly histogramWidth: Float32Array;
  readonly decoderNorm: Float32Array;
  /**
   * [d_sae], the cosine of each latent's encoder column and decoder row. Absent where the SAE's file does not say which
   * weight is the encoder.
   */
  readonly encoderDecoderCosine?: Float32Array;
  /** Index into `rules()`; −1 where the latent has none. */
  readonly rule: Int32Array;
  /** The F1 of the rule on held-out rows; NaN where there is no rule. */
  readonly ruleF1: Float32Array;
  readonly rulePrecision: Float32Array;
  readonly ruleRecall: Float32Array;
}

/** A row on which the latent fires, and the rows around it. */
export interface FeatureExample {
  /** The number of the row among all rows, from 0. */
  readonly row: number;
  /** The activation that qualified. */
  readonly value: number;
  /** The number of its sequence; −1 where rows do not belong to sequences. */
  readonly sequence: number;
  /** Position in the sequence as the model saw it; −1 where unknown. */
  readonly position: number;
  /** Index of the qualifying row in `values` and `tokens`. */
  readonly qualifying: number;
  /** The latent's activations in the context. */
  readonly values: Float32Array;
  /** Token ids of the context; absent where rows have no tokens. */
  readonly tokens?: Int32Array;
  /** The row's value in each label column; undefined where it is empty. */
  readonly labels: readonly (string | undefined)[];
}

/** The activations between `min` and `max`, and some of them drawn at random. */
export interface FeatureInterval {
  readonly min: number;
  readonly max: number;
  /** Share of the activations above 0 that lie in the interval. */
  readonly share: number;
  readonly examples: readonly FeatureExample[];
}

/** A token id, and the logit that a latent's direction adds to it. */
export interface TokenLogit {
  readonly token: number;
  readonly logit: number;
}

/** Everything that a page about one latent shows. */
export interface FeatureData {
  readonly latent: number;
  /** The number of rows on which the latent fires; 0: it never fired in `manifest.activations.rows` rows. */
  readonly count: number;
  readonly density: number;
  readonly max: number;
  readonly meanActive: number;
  readonly decoderNorm: number;
  readonly encoderDecoderCosine?: number;
  /** Bin b counts activations in [b · width, (b + 1) · width). */
  readonly histogram: { readonly width: number; readonly counts: Int32Array };
  /** The examples with the largest activations, the largest first. */
  readonly top: readonly FeatureExample[];
  /** Examples by interval, from the lowest to the highest; together the intervals cover [0, max]. */
  readonly intervals: readonly FeatureInterval[];
  readonly nearest: readonly { readonly latent: number; readonly cosine: number }[];
  readonly coactive: readonly { readonly latent: number; readonly count: number; readonly jaccard: number }[];
  /** The logits that the latent writes directly. Absent where the bundle was built without an unembedding. */
  readonly logits?: {
    readonly top: readonly TokenLogit[];
    readonly bottom: readonly TokenLogit[];
    readonly histogram: { readonly min: number; readonly max: number; readonly counts: Int32Array };
  };
  /** The best simple rule, with its scores on held-out rows. */
  readonly rule?: { readonly rule: Rule; readonly f1: number; readonly precision: number; readonly recall: number };
  readonly explanations: readonly Explanation[];
}

/** Texts of token ids. */
export interface TokenTable {
  readonly size: number;
  /** The text of a token; '' for an id without an entry. */
  text(token: number): string;
}

/**
 * Opens a feature bundle: reads its manifest, and the rest when it is asked for.
 * @param location the folder's address, dropped files, bytes by name, or a source of one's own (`folderSource` in Node)
 * @throws FileFormatError where `bundle.json` is missing, damaged, of another format or version
 */
export async function openFeatureBundle(location: BundleLocation): Promise<FeatureBundle> {
  const source = bundleSourceOf(location);
  return new FeatureBundle(parseManifest(await source.read(BUNDLE_FILES.manifest)), source);
}

/** An open bundle. Its methods throw FileFormatError where a file is missing, damaged or contradicts the manifest. */
export class FeatureBundle {
  readonly manifest: BundleManifest;
  readonly #source: BundleSource;
  readonly #columns = new Map<string, Promise<Columns>>();
  readonly #once = new Map<string, Promise<unknown>>();

  constructor(manifest: BundleManifest, source: BundleSource) {
    this.manifest = manifest;
    this.#source = source;
  }

  /** Number of latents, d_sae. */
  get latents(): number {
    return this.manifest.sae.d_sae;
  }

  /** The overview: one number per latent and column. It is read once. */
  overview(): Promise<FeatureOverview> {
    return this.#cached('overview', async () => {
      const file = await this.#wholeOverview();
      const column = (name: string) => file.float32(name);
      return {
        count: file.float64('count'),
        density: column('density'),
        log10Density: column('log10_density'),
        max: column('max'),
        meanActive: column('mean_active'),
        histogramWidth: column('histogram_width'),
        decoderNorm: column('decoder_norm'),
        ...(file.has('encoder_decoder_cosine') && { encoderDecoderCosine: column('encoder_decoder_cosine') }),
        rule: file.int32('rule'),
        ruleF1: column('rule_f1'),
        rulePrecision: column('rule_precision'),
        ruleRecall: column('rule_recall'),
      };
    });
  }

  /** The number of examples that the bundle holds, over all latents. */
  heldExamples(): Promise<number> {
    return this.#wholeOverview().then(file => file.offsets('example_offsets').at(-1)!);
  }

  /** The rules that `overview().rule` points into. */
  rules(): Promise<readonly Rule[]> {
    return this.#cached('rules', async () => {
      const { rules } = (await this.#json(BUNDLE_FILES.rules)) as { rules?: unknown };
      if (!Array.isArray(rules)) throw this.#damaged(BUNDLE_FILES.rules, 'it has no list of rules');
      return rules as Rule[];
    });
  }

  /** The values of each label column; [] where rows have no labels. */
  labels(): Promise<readonly { readonly name: string; readonly values: readonly string[] }[]> {
    return this.#cached('labels', async () => {
      if (this.manifest.labels.length === 0) return [];
      const { columns } = (await this.#json(BUNDLE_FILES.labels)) as { columns?: { name: string; values: string[] }[] };
      if (columns?.length !== this.manifest.labels.length || !columns.every(({ values }) => Array.isArray(values))) {
        throw this.#damaged(BUNDLE_FILES.labels, 'its columns are not those of the manifest');
      }
      return columns;
    });
  }

  /** The texts of tokens; undefined where no tokenizer was known. */
  tokens(): Promise<TokenTable | undefined> {
    return this.#cached('tokens', async () => {
      if (!this.#has(BUNDLE_FILES.tokens)) return undefined;
      const file = await this.#whole(BUNDLE_FILES.tokens);
      const offsets = file.offsets('offsets');
      const bytes = file.uint8('text');
      if (offsets.at(-1)! > bytes.length) throw this.#damaged(BUNDLE_FILES.tokens, 'its offsets end beyond its text');
      const decoder = new TextDecoder();
      return {
        size: offsets.length - 1,
        text: (token: number) =>
          token >= 0 && token < offsets.length - 1
            ? decoder.decode(bytes.subarray(offsets[token]!, offsets[token + 1]!))
            : '',
      };
    });
  }

  /** Imported explanations, in the order of the file. */
  explanations(): Promise<readonly Explanation[]> {
    return this.#cached('explanations', async () => {
      if (!this.#has(BUNDLE_FILES.explanations)) return [];
      const text = await this.#text(BUNDLE_FILES.explanations);
      return readExplanations(text, this.latents, BUNDLE_FILES.explanations);
    });
  }

  /**
   * Reads the data of one latent, by byte ranges of the columns.
   * @param latent 0 to d_sae − 1
   * @throws InvalidValueError where there is no such latent
   */
  async feature(latent: number): Promise<FeatureData> {
    const { manifest } = this;
    if (!Number.isInteger(latent) || latent < 0 || latent >= this.latents) {
      throw new InvalidValueError(`latent ${latent}: expected an integer from 0 to ${this.latents - 1}`);
    }
    const { histogram_bins, intervals, neighbours, logits } = manifest.settings;
    const [overview, columns, examples, rules, explanations] = await Promise.all([
      this.overview(),
      this.#columnsOf(BUNDLE_FILES.features),
      this.#examples(latent),
      this.rules(),
      this.#explanationsByLatent(),
    ]);
    // A column of width 0 does not exist.
    const row = async (name: string, width: number): Promise<Elements> =>
      width === 0 ? new Float32Array(0) : columns.read(name, latent * width, width, this.latents * width);
    const has = logits > 0 && columns.has('logit_top_tokens');
    const [counts, shares, near, nearValues, active, activeCounts, activeValues, ...ofLogits] = await Promise.all([
      row('histogram', histogram_bins),
      row('interval_share', intervals),
      row('cosine_latents', neighbours),
      row('cosine_values', neighbours),
      row('coactivation_latents', neighbours),
      row('coactivation_counts', neighbours),
      row('coactivation_jaccard', neighbours),
      ...(has
        ? [
            row('logit_top_tokens', logits),
            row('logit_top_values', logits),
            row('logit_bottom_tokens', logits),
            row('logit_bottom_values', logits),
            row('logit_histogram', histogram_bins),
            row('logit_range', 2),
          ]
        : []),
    ]);
    const max = overview.max[latent]!;
    const cosine = overview.encoderDecoderCosine?.[latent];
    const rule = rules[overview.rule[latent]!];
    const pairs = (tokens: Elements, values: Elements): TokenLogit[] =>
      Array.from(tokens, (token, i) => ({ token, logit: values[i]! })).filter(({ token }) => token >= 0);
    return {
      latent,
      count: overview.count[latent]!,
      density: overview.density[latent]!,
      max,
      meanActive: overview.meanActive[latent]!,
      decoderNorm: overview.decoderNorm[latent]!,
      ...(cosine !== undefined && { encoderDecoderCosine: cosine }),
      histogram: { width: overview.histogramWidth[latent]!, counts: counts as Int32Array },
      top: examples.filter(({ group }) => group < 0).map(({ example }) => example),
      intervals: Array.from(shares!, (share, i) => ({
        min: (i * max) / intervals,
        max: ((i + 1) * max) / intervals,
        share,
        examples: examples.filter(({ group }) => group === i).map(({ example }) => example),
      })),
      nearest: Array.from(near!, (other, i) => ({ latent: other, cosine: nearValues![i]! })).filter(isNamed),
      coactive: Array.from(active!, (other, i) => ({
        latent: other,
        count: activeCounts![i]!,
        jaccard: activeValues![i]!,
      })).filter(isNamed),
      ...(has && {
        logits: {
          top: pairs(ofLogits[0]!, ofLogits[1]!),
          bottom: pairs(ofLogits[2]!, ofLogits[3]!),
          histogram: { min: ofLogits[5]![0]!, max: ofLogits[5]![1]!, counts: ofLogits[4] as Int32Array },
        },
      }),
      ...(rule && {
        rule: {
          rule,
          f1: overview.ruleF1[latent]!,
          precision: overview.rulePrecision[latent]!,
          recall: overview.ruleRecall[latent]!,
        },
      }),
      explanations: explanations.get(latent) ?? [],
    };
  }

  /** Closes what the source holds open. */
  async close(): Promise<void> {
    await this.#source.close?.();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #examples(latent: number): Promise<{ readonly group: number; readonly example: FeatureExample }[]> {
    const { settings, context, labels: names } = this.manifest;
    const offsets = await this.#wholeOverview();
    const [exampleOffsets, contextOffsets] = [offsets.offsets('example_offsets'), offsets.offsets('context_offsets')];
    const [first, last] = [exampleOffsets[latent]!, exampleOffsets[latent + 1]!];
    const [contextFirst, contextLast] = [contextOffsets[latent]!, contextOffsets[latent + 1]!];
    const count = last - first;
    const positions = contextLast - contextFirst;
    const file = BUNDLE_FILES.examples;
    const longest = settings.context_before + settings.context_after + 1;
    if (count > BUNDLE_LIMITS.examplesPerLatent || positions > count * longest) {
      throw this.#damaged(file, `latent ${latent} has ${count} examples with ${positions} positions`);
    }
    if (count === 0) return [];
    const columns = await this.#columnsOf(file);
    const [total, totalPositions] = [exampleOffsets.at(-1)!, contextOffsets.at(-1)!];
    const perExample = (name: string) => columns.read(name, first, count, total);
    const perPosition = (name: string) => columns.read(name, contextFirst, positions, totalPositions);
    const [
      rows,
      values,
      groups,
      sequences,
      places,
      qualifying,
      lengths,
      contextValues,
      tokens,
      columnsOfLabels,
      ...codes
    ] = await Promise.all([
      perExample('row'),
      perExample('value'),
      perExample('group'),
      perExample('sequence'),
      perExample('position'),
      perExample('qualifying'),
      perExample('context_length'),
      perPosition('context_values'),
      context === 'tokens' ? perPosition('context_tokens') : undefined,
      this.labels(),
      ...names.map((_, i) => perExample(`label_${i}`)),
    ]);
    let at = 0;
    return Array.from({ length: count }, (_, i) => {
      const length = lengths[i]!;
      const start = at;
      at += length;
      if (length < 1 || at > positions || qualifying[i]! < 0 || qualifying[i]! >= length) {
        throw this.#damaged(
          file,
          `example ${first + i} has a context of ${length} rows, number ${qualifying[i]} qualified`,
        );
      }
      // The context is stored in float16, the activation that qualified is not.
      (contextValues as Float32Array)[start + qualifying[i]!] = values[i]!;
      return {
        group: groups[i]!,
        example: {
          row: rows[i]!,
          value: values[i]!,
          sequence: sequences[i]!,
          position: places[i]!,
          qualifying: qualifying[i]!,
          values: (contextValues as Float32Array).subarray(start, at),
          ...(tokens && { tokens: (tokens as Int32Array).subarray(start, at) }),
          labels: columnsOfLabels.map((column, c) => column.values[codes[c]![i]!]),
        },
      };
    });
  }

  #explanationsByLatent(): Promise<ReadonlyMap<number, readonly Explanation[]>> {
    return this.#cached('explanations by latent', async () => {
      const byLatent = new Map<number, Explanation[]>();
      for (const explanation of await this.explanations()) {
        const known = byLatent.get(explanation.latent);
        if (known) known.push(explanation);
        else byLatent.set(explanation.latent, [explanation]);
      }
      return byLatent;
    });
  }

  #wholeOverview(): Promise<WholeFile> {
    return this.#cached('overview file', async () => {
      const file = await this.#whole(BUNDLE_FILES.overview);
      file.expectLength('count', this.latents);
      for (const name of ['density', 'log10_density', 'max', 'mean_active', 'histogram_width', 'decoder_norm'])
        file.expectLength(name, this.latents);
      for (const name of ['rule', 'rule_f1', 'rule_precision', 'rule_recall']) file.expectLength(name, this.latents);
      for (const name of ['example_offsets', 'context_offsets']) file.expectLength(name, this.latents + 1);
      return file;
    });
  }

  #cached<T>(key: string, load: () => Promise<T>): Promise<T> {
    const known = this.#once.get(key) as Promise<T> | undefined;
    if (known) return known;
    const loading = load();
    this.#once.set(key, loading);
    // A read that failed is tried again at the next request.
    loading.catch(() => this.#once.delete(key));
    return loading;
  }

  #columnsOf(name: string): Promise<Columns> {
    const known = this.#columns.get(name);
    if (known) return known;
    const opening = openColumns(this.#source, name, this.#bytesOf(name));
    this.#columns.set(name, opening);
    opening.catch(() => this.#columns.delete(name));
    return opening;
  }

  #has(name: string): boolean {
    return Object.hasOwn(this.manifest.files, name);
  }

  #bytesOf(name: string): number {
    if (!this.#has(name)) throw this.#damaged(name, 'the manifest does not list it');
    return this.manifest.files[name]!.bytes;
  }

  async #whole(name: string): Promise<WholeFile> {
    const size = this.#bytesOf(name);
    if (size > BUNDLE_LIMITS.wholeBytes) throw this.#damaged(name, `${size} bytes, more than a bundle may have`);
    const bytes = await this.#source.read(name, 0, size);
    return new WholeFile(name, bytes, readSafetensorsHeader(bytes, size, { file: name }));
  }

  async #text(name: string): Promise<string> {
    const size = this.#bytesOf(name);
    if (size > BUNDLE_LIMITS.jsonBytes) throw this.#damaged(name, `${size} bytes, more than a bundle may have`);
    return new TextDecoder().decode(await this.#source.read(name, 0, size));
  }

  async #json(name: string): Promise<object> {
    const text = await this.#text(name);
    try {
      const value: unknown = JSON.parse(text);
      if (typeof value === 'object' && value !== null) return value;
    } catch (cause) {
      throw new FileFormatError('it is not JSON', { file: name, cause });
    }
    throw this.#damaged(name, 'expected a JSON object');
  }

  #damaged(file: string, what: string): FileFormatError {
    return new FileFormatError(what, { file });
  }
}

const isNamed = ({ latent }: { readonly latent: number }): boolean => latent >= 0;

/** A safetensors file that was read whole. */
class WholeFile {
  readonly #name: string;
  readonly #bytes: Uint8Array;
  readonly #header: SafetensorsHeader;
  readonly #offsets = new Map<string, Float64Array>();

  constructor(name: string, bytes: Uint8Array, header: SafetensorsHeader) {
    this.#name = name;
    this.#bytes = bytes;
    this.#header = header;
  }

  has(tensor: string): boolean {
    return this.#header.entries.has(tensor);
  }

  expectLength(tensor: string, length: number): void {
    const { shape } = entryOf(this.#header, tensor, this.#name);
    if (shape.length === 1 && shape[0] === length) return;
    throw new FileFormatError(`${tensor} has the shape [${shape.join(', ')}], expected [${length}]`, {
      file: this.#name,
    });
  }

  #values(tensor: string): Elements {
    const entry = entryOf(this.#header, tensor, this.#name);
    const type = readableType(tensor, entry, { file: this.#name });
    return decodeElements(this.#bytes.subarray(entry.start, entry.end), type);
  }

  float32(tensor: string): Float32Array {
    const values = this.#values(tensor);
    return values instanceof Float32Array ? values : Float32Array.from(values);
  }

  float64(tensor: string): Float64Array {
    const values = this.#values(tensor);
    return values instanceof Float64Array ? values : Float64Array.from(values);
  }

  int32(tensor: string): Int32Array {
    const values = this.#values(tensor);
    return values instanceof Int32Array ? values : Int32Array.from(values);
  }

  uint8(tensor: string): Uint8Array {
    const values = this.#values(tensor);
    return values instanceof Uint8Array ? values : Uint8Array.from(values);
  }

  /** Offsets that begin at 0 and never fall. */
  offsets(tensor: string): Float64Array {
    const known = this.#offsets.get(tensor);
    if (known) return known;
    const values = this.float64(tensor);
    if (values[0] !== 0 || values.some((value, i) => i > 0 && value < values[i - 1]!)) {
      throw new FileFormatError(`${tensor} does not ascend from 0`, { file: this.#name });
    }
    this.#offsets.set(tensor, values);
    return values;
  }
}

/** A safetensors file of which ranges are read. */
interface Columns {
  has(tensor: string): boolean;
  /** `count` elements from `start` on of a tensor of `total` elements. */
  read(tensor: string, start: number, count: number, total: number): Promise<Elements>;
}

async function openColumns(source: BundleSource, name: string, size: number): Promise<Columns> {
  const file = { file: name };
  const prefix = await source.read(name, 0, Math.min(safetensorsPrefixLength, size));
  const found = await source.size?.(name);
  if (found !== undefined && found !== size) {
    throw new FileFormatError(`cut short or changed: ${found} bytes, the manifest says ${size}`, file);
  }
  const headerEnd = safetensorsHeaderEnd(prefix, size, file);
  if (headerEnd > BUNDLE_LIMITS.headerBytes) {
    throw new FileFormatError(`a header of ${headerEnd} bytes, more than a bundle may have`, file);
  }
  const header = readSafetensorsHeader(await source.read(name, 0, headerEnd), size, file);
  return {
    has: tensor => header.entries.has(tensor),
    async read(tensor, first, count, total) {
      const entry = entryOf(header, tensor, name);
      const { shape, start } = entry;
      const type = readableType(tensor, entry, file);
      const elements = shape.reduce((product, dimension) => product * dimension, 1);
      if (elements !== total) {
        throw new FileFormatError(`${tensor} has the shape [${shape.join(', ')}], expected ${total} elements`, file);
      }
      const width = bytesPerElement[type];
      const bytes = await source.read(name, start + first * width, start + (first + count) * width);
      return decodeElements(bytes, type);
    },
  };
}

function entryOf({ entries }: SafetensorsHeader, tensor: string, file: string): SafetensorsEntry {
  const entry = entries.get(tensor);
  if (entry) return entry;
  throw new FileFormatError(`it lacks the tensor ${tensor}; there are ${[...entries.keys()].join(', ')}`, { file });
}
