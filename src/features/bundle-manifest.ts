/**
 * `bundle.json`, the first file of a feature bundle (docs/bundle-format.md): its type, the bounds of version 1, and a reader that checks
 * every field before anything is sized by it. Browser-safe.
 */

import { FileFormatError } from '../errors.ts';
import { isRecord } from '../files/json-text.ts';

/** The value of `format` in `bundle.json`. */
export const BUNDLE_FORMAT = 'monosemantic-feature-bundle';
/** The version of the format that is written and read. */
export const BUNDLE_VERSION = 1;

/** Names of a bundle's files. */
export const BUNDLE_FILES = {
  manifest: 'bundle.json',
  overview: 'overview.safetensors',
  features: 'features.safetensors',
  examples: 'examples.safetensors',
  rules: 'rules.json',
  labels: 'labels.json',
  tokens: 'tokens.safetensors',
  explanations: 'explanations.jsonl',
} as const;

/** The bounds of version 1: a bundle beyond one of them is neither written nor read. */
export const BUNDLE_LIMITS = {
  latents: 2 ** 22,
  manifestBytes: 16 * 2 ** 20,
  jsonBytes: 256 * 2 ** 20,
  headerBytes: 2 ** 20,
  wholeBytes: 2 ** 30,
  examplesPerLatent: 4096,
  contextRows: 4096,
} as const;

/** A file of the bundle, as the manifest states it. */
export interface BundleFileEntry {
  readonly bytes: number;
  /** SHA-256 of the file, in hexadecimal. */
  readonly sha256: string;
}

/** A file that the bundle was made from. */
export interface NamedHash {
  /** File name without its folder. */
  readonly name: string;
  readonly sha256: string;
}

/** The settings that a bundle was built with; they fix the widths of its columns. */
export interface BundleSettings {
  readonly seed: number;
  readonly histogram_bins: number;
  readonly top_examples: number;
  readonly intervals: number;
  readonly interval_examples: number;
  readonly context_before: number;
  readonly context_after: number;
  readonly neighbours: number;
  /** Tokens listed at each end of a latent's logits; 0 where no unembedding is known. */
  readonly logits: number;
}

/** Equal bins: bin b is [start + b · bin_width, start + (b + 1) · bin_width). */
export interface EqualBins {
  readonly start: number;
  readonly bin_width: number;
  readonly counts: readonly number[];
}

/** Statistics of a bundle over all its rows; see docs/bundle-format.md. */
export interface BundleStatistics {
  /** How many latents have no activation above 0 in all rows. */
  readonly never_fired: number;
  readonly negative_activations: number;
  readonly l0: { readonly mean: number; readonly min: number; readonly max: number } & Omit<EqualBins, 'start'>;
  readonly log10_density: EqualBins;
  readonly explained_variance: number | null;
  readonly explained_variance_without_sinks: number | null;
  readonly median_norm: number;
  readonly sink_norm: number;
  readonly sink_rows: number;
}

/** The whole of `bundle.json`; docs/bundle-format.md says what each field means. */
export interface BundleManifest {
  readonly format: typeof BUNDLE_FORMAT;
  readonly version: typeof BUNDLE_VERSION;
  readonly byte_order: 'little';
  readonly created_by: string;
  readonly sae: {
    readonly name: string | null;
    readonly sha256: string | null;
    readonly d_in: number;
    readonly d_sae: number;
    readonly d_out: number;
    readonly fold_decoder_norm: boolean;
    readonly config: Readonly<Record<string, unknown>> | null;
  };
  readonly activations: {
    readonly kind: 'files' | 'model' | 'values';
    readonly rows: number;
    readonly sequences: number | null;
    readonly sha256: string;
    readonly files: readonly string[];
    readonly model: NamedHash | null;
    readonly tensor: string | null;
    /** The origin of a transcoder's targets; older bundles do not record it. */
    readonly target?: string | null;
    readonly tokenizer: (NamedHash & { readonly size: number }) | null;
  };
  readonly context: 'tokens' | 'rows';
  readonly settings: BundleSettings;
  readonly statistics: BundleStatistics;
  readonly coactivation: { readonly exact: boolean; readonly rows: number };
  readonly rules: { readonly rows: number; readonly held_out_rows: number } | null;
  readonly labels: readonly string[];
  readonly files: Readonly<Record<string, BundleFileEntry>>;
}

type Json = Readonly<Record<string, unknown>>;

/**
 * Reads and checks `bundle.json`.
 * @throws FileFormatError where it is not JSON, of another format or version, or a field that sizes or names something
 *   is missing or out of bounds; the message names the field
 */
export function parseManifest(bytes: Uint8Array): BundleManifest {
  const file = BUNDLE_FILES.manifest;
  const fail = (what: string): never => {
    throw new FileFormatError(what, { file });
  };
  if (bytes.byteLength > BUNDLE_LIMITS.manifestBytes) fail(`${bytes.byteLength} bytes are too many for a manifest`);
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new FileFormatError('it is not JSON: damaged, or not the manifest of a feature bundle', { file, cause });
  }
  const manifest = isRecord(json) ? json : fail('expected a JSON object');
  if (manifest['format'] !== BUNDLE_FORMAT) {
    fail(`format is ${shown(manifest['format'])}; expected ${shown(BUNDLE_FORMAT)}`);
  }
  if (manifest['version'] !== BUNDLE_VERSION || manifest['byte_order'] !== 'little') {
    fail(
      `version ${shown(manifest['version'])}, byte order ${shown(manifest['byte_order'])}; this reads version ${BUNDLE_VERSION}, "little"`,
    );
  }
  const object = (parent: Json, key: string, where = ''): Json => {
    const value = parent[key];
    return isRecord(value) ? value : fail(`${where}${key} is ${shown(value)}; expected an object`);
  };
  const integers = (parent: Json, where: string, bounds: Readonly<Record<string, readonly [number, number]>>): void => {
    for (const [key, [least, most]] of Object.entries(bounds)) {
      const value = parent[key];
      if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most) {
        fail(`${where}${key} is ${shown(value)}; expected an integer from ${least} to ${most}`);
      }
    }
  };
  const { latents, examplesPerLatent, contextRows } = BUNDLE_LIMITS;
  const sae = object(manifest, 'sae');
  integers(sae, 'sae.', { d_in: [1, 2 ** 31], d_sae: [1, latents], d_out: [1, 2 ** 31] });
  integers(object(manifest, 'activations'), 'activations.', { rows: [1, Number.MAX_SAFE_INTEGER] });
  integers(object(manifest, 'settings'), 'settings.', {
    histogram_bins: [1, 4096],
    top_examples: [0, examplesPerLatent],
    intervals: [0, examplesPerLatent],
    interval_examples: [0, examplesPerLatent],
    context_before: [0, contextRows],
    context_after: [0, contextRows],
    neighbours: [0, 4096],
    logits: [0, 4096],
  });
  const statistics = object(manifest, 'statistics');
  integers(statistics, 'statistics.', { never_fired: [0, sae['d_sae'] as number] });
  for (const key of ['l0', 'log10_density']) {
    const { counts } = object(statistics, key, 'statistics.');
    if (!Array.isArray(counts) || !counts.every(Number.isSafeInteger))
      fail(`statistics.${key}.counts are not integers`);
  }
  object(manifest, 'coactivation');
  const { context, labels } = manifest;
  if (context !== 'tokens' && context !== 'rows') fail(`context is ${shown(context)}; expected "tokens" or "rows"`);
  if (!Array.isArray(labels) || !labels.every(name => typeof name === 'string')) fail('labels is not a list of names');
  const files = object(manifest, 'files');
  for (const [key, name] of Object.entries(BUNDLE_FILES)) {
    if (key === 'manifest') continue;
    if (Object.hasOwn(files, name)) {
      integers(object(files, name, 'files.'), `files.${name}.`, { bytes: [0, Number.MAX_SAFE_INTEGER] });
    } else if (['overview', 'features', 'examples', 'rules'].includes(key)) fail(`files does not list ${name}`);
  }
  return manifest as unknown as BundleManifest;
}

/** A value from a file, short enough for an error's line. */
function shown(value: unknown): string {
  const text = value === undefined ? 'missing' : (JSON.stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
