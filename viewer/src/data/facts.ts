/**
 * What a model file says of itself, as lines for a person to read: everything in its config and metadata but the sizes,
 * which the page shows elsewhere.
 */
import type { ModelMetadata } from '../../../src/onnx/metadata.ts';
import type { Fact } from './model.ts';

/** Names of architectures in the spelling that is usual in papers. */
export const ARCHITECTURES: Readonly<Record<string, string>> = {
  topk: 'TopK',
  batchtopk: 'BatchTopK',
  relu: 'ReLU',
  standard: 'ReLU',
  jumprelu: 'JumpReLU',
  gated: 'Gated',
  matryoshka: 'Matryoshka',
};

/** The longest value that is shown, in characters. Longer ones are cut. */
const LONGEST = 300;

const NAMES: Readonly<Record<string, string>> = {
  hook_name: 'Hook',
  hook_point: 'Hook',
  hook_layer: 'Layer',
  model_name: 'Model',
  dataset_path: 'Data set',
  context_size: 'Context size',
  prepend_bos: 'BOS prepended',
  sae_lens_version: 'SAELens version',
  seed: 'Seed',
  steps: 'Steps',
  batch: 'Batch',
  engine: 'Trained on engine',
  optimizer: 'Optimizer',
  init: 'Initialisation',
  decoder: 'Decoder',
  normalize_activations: 'Normalisation',
  apply_b_dec_to_input: 'b_dec taken from the input',
  data: 'Training data',
  metrics: 'Metrics',
};

/** Keys of the config that the page shows elsewhere. */
const ELSEWHERE = new Set(['architecture', 'd_in', 'd_sae', 'd_out', 'k', 'n_features', 'n_hidden', 'n_instances']);

const readable = (key: string): string =>
  NAMES[key] ?? key.replace(/^./, letter => letter.toUpperCase()).replaceAll('_', ' ');

function text(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number')
    return Number.isInteger(value) ? value.toLocaleString('en') : String(Number(value.toPrecision(5)));
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (Array.isArray(value)) return value.map(text).join(', ');
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value)
      .filter(([, inner]) => inner !== null)
      .map(([key, inner]) => `${key} ${typeof inner === 'object' ? `(${text(inner)})` : text(inner)}`)
      .join(', ');
  }
  return '';
}

/** The facts of a file: those that this library wrote, and those of any other exporter. */
export function factsOf({ config = {}, trainedOn, properties }: ModelMetadata): Fact[] {
  const facts: Fact[] = [];
  const add = (name: string, value: unknown): void => {
    const words = text(value);
    if (words !== '') facts.push({ name, value: words.length > LONGEST ? `${words.slice(0, LONGEST)}…` : words });
  };
  const flatten = (entries: object): void => {
    for (const [key, value] of Object.entries(entries)) {
      if (ELSEWHERE.has(key)) continue;
      // These two keys only group other facts.
      if ((key === 'training' || key === 'metadata') && typeof value === 'object' && value !== null) flatten(value);
      else add(readable(key), value);
    }
  };
  flatten(config);
  add('Trained on', trainedOn && `the model of SHA-256 ${trainedOn.slice(0, 12)}…`);
  for (const [key, value] of Object.entries(properties))
    if (!key.startsWith('monosemantic.')) add(readable(key), value);
  return facts;
}
