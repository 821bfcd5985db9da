/**
 * Synthetic models as SAELens saves them (SAELens 6.54, `SyntheticModel.save` in sae_lens/synthetic/synthetic_model.py), SynthSAEBench-16k among them: a folder with
 * `synthetic_model_config.json`, `synthetic_model.safetensors` and, where features lie in trees, `hierarchy.json`.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FileFormatError, InvalidValueError } from '../errors.ts';
import { type ElementType, type FileTensor, toFloat32 } from '../files/element-type.ts';
import { parseJson, shown } from '../files/json-text.ts';
import { readSafetensors } from '../files/safetensors.ts';
import type { HostTensor } from '../tensor.ts';
import { type DictionaryFeatures, dictionaryFeatures } from './dictionary-features.ts';
import { LEAST_OWN_VARIANCE } from './feature-correlation.ts';
import type { FeatureTrees } from './feature-trees.ts';
import { randomStream } from './streams.ts';

/** What SAELens does not save. */
export interface SyntheticModelOptions {
  /**
   * The mean and the spread of each feature's magnitude, [n_features]. SAELens saves a law and a seed of PyTorch's generator instead of them. Constant, linear and exponential laws give
   * the same numbers here. For `folded_normal`, the spreads of SynthSAEBench, the default is draws of our own generator: the same law, other numbers. Those of a loaded model are in
   * its `activation_generator.mean_firing_magnitudes` and `.std_firing_magnitudes`.
   */
  readonly magnitudes?: { readonly mean?: readonly number[]; readonly std?: readonly number[] };
}

/** The largest difference of a saved δ from 1 − ‖F‖²: what rounding to the type of the file leaves. */
const ROUNDING: Readonly<Partial<Record<ElementType, number>>> = { bfloat16: 2e-2, float16: 2e-3 };
const ROUNDING_OF_FLOAT32 = 1e-4;

/**
 * Activations of a synthetic model that SAELens saved: its dictionary, bias, firing probabilities, correlations and trees.
 * @param folder with `synthetic_model_config.json` and `synthetic_model.safetensors`
 * @returns a source of rows [d_in], with its truth
 * @throws FileFormatError where a file is missing, damaged, or another's
 * @throws InvalidValueError for what such a model may have and this library's generator has not: nodes of a tree that are no feature, children scaled by some parents only
 */
export async function openSyntheticModel(
  folder: string,
  { magnitudes = {} }: SyntheticModelOptions = {},
): Promise<DictionaryFeatures> {
  const files = new ModelFolder(folder);
  const config = await files.json('synthetic_model_config.json');
  const { tensors } = await files.tensors('synthetic_model.safetensors');
  const nFeatures = files.count(config, 'num_features');
  const dIn = files.count(config, 'hidden_dim');
  const tensor = (name: string, shape: readonly number[]): HostTensor => files.tensor(tensors, name, shape);
  const dictionary = tensor('feature_vectors', [nFeatures, dIn]);
  const firing = [...tensor('firing_probabilities', [nFeatures]).data];
  const rank = tensors.get('correlation_factor')?.shape[1];
  const factors = rank === undefined ? undefined : tensor('correlation_factor', [nFeatures, rank]);
  if (factors) {
    const rounding = ROUNDING[tensors.get('correlation_factor')!.type] ?? ROUNDING_OF_FLOAT32;
    files.requireDiagonal(factors, tensor('correlation_diag', [nFeatures]), rounding);
  }
  const hierarchy = await files.json('hierarchy.json', true);
  const seed = typeof config['seed'] === 'number' ? config['seed'] : 0;
  const law = (name: string, index: number): readonly number[] =>
    files.magnitudes(config[name], { name, nFeatures, seed, index });
  return dictionaryFeatures({
    nFeatures,
    dIn,
    dictionary,
    bias: tensor('bias', [dIn]),
    firing,
    magnitudes: {
      kind: 'normal',
      mean: magnitudes.mean ?? law('mean_firing_magnitudes', 0),
      std: magnitudes.std ?? law('std_firing_magnitudes', 1),
    },
    ...(factors && { correlation: { factors } }),
    ...(hierarchy && { trees: treesOf(hierarchy, nFeatures, files) }),
  });
}

/** The files of a model, with errors that name them. */
class ModelFolder {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  refuse(file: string, what: string): FileFormatError {
    return new FileFormatError(what, { file: join(this.#folder, file) });
  }

  async json(name: string): Promise<Readonly<Record<string, unknown>>>;
  async json(name: string, optional: true): Promise<Readonly<Record<string, unknown>> | undefined>;
  async json(name: string, optional?: true): Promise<Readonly<Record<string, unknown>> | undefined> {
    const file = join(this.#folder, name);
    if (optional && !existsSync(file)) return undefined;
    const value = parseJson(await this.#bytes(name), 'a synthetic model', { file });
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw this.refuse(name, `expected an object, got ${shown(value)}`);
    }
    return value as Readonly<Record<string, unknown>>;
  }

  async tensors(name: string) {
    return readSafetensors(await this.#bytes(name), { file: join(this.#folder, name) });
  }

  async #bytes(name: string): Promise<Uint8Array> {
    const file = join(this.#folder, name);
    try {
      return await readFile(file);
    } catch (cause) {
      throw new FileFormatError('cannot be read: is the folder a synthetic model of SAELens?', { file, cause });
    }
  }

  count(config: Readonly<Record<string, unknown>>, name: string): number {
    const value = config[name];
    if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value;
    throw this.refuse('synthetic_model_config.json', `${name} is ${shown(value)}: expected a positive integer`);
  }

  tensor(tensors: ReadonlyMap<string, FileTensor>, name: string, shape: readonly number[]): HostTensor {
    const found = tensors.get(name);
    if (found && found.shape.join() === shape.join()) return toFloat32(found);
    const got = found ? `has shape [${found.shape.join(', ')}]` : 'is missing';
    throw this.refuse('synthetic_model.safetensors', `${name} ${got}: expected [${shape.join(', ')}]`);
  }

  /** The variance that is each feature's own must be what its factors leave of 1: our generator takes it for that. */
  requireDiagonal({ data, shape }: HostTensor, diagonal: HostTensor, rounding: number): void {
    const rank = shape[1]!;
    for (const [i, own] of diagonal.data.entries()) {
      const rest = 1 - data.subarray(i * rank, (i + 1) * rank).reduce((sum, value) => sum + value * value, 0);
      if (!(Math.abs(rest - own) <= rounding)) {
        throw this.refuse(
          'synthetic_model.safetensors',
          `correlation_diag of feature ${i} is ${own}, its factors leave ${rest}`,
        );
      }
      // Our generator, as SAELens's, scales factors down to this much; a smaller one was put there by hand.
      if (own < LEAST_OWN_VARIANCE - rounding) {
        throw new InvalidValueError(
          `correlation_diag of feature ${i} is ${own}: expected at least ${LEAST_OWN_VARIANCE}, as SAELens makes it`,
        );
      }
    }
  }

  /** The numbers of a law of magnitudes (sae_lens/synthetic/firing_magnitudes.py). */
  magnitudes(
    law: unknown,
    { name, nFeatures, seed, index }: { readonly name: string; nFeatures: number; seed: number; index: number },
  ): readonly number[] {
    const refuse = (): FileFormatError =>
      this.refuse('synthetic_model_config.json', `${name} is ${shown(law)}: no law of magnitudes that is known here`);
    const numbers = (of: (at: number) => number): number[] =>
      Array.from({ length: nFeatures }, (_, i) => of(nFeatures === 1 ? 0 : i / (nFeatures - 1)));
    if (typeof law === 'number') return numbers(() => law);
    if (typeof law !== 'object' || law === null) throw refuse();
    const settings = law as Readonly<Record<string, unknown>>;
    const number = (key: string, otherwise?: number): number => {
      const value = settings[key] ?? otherwise;
      if (typeof value !== 'number') throw refuse();
      return value;
    };
    switch (settings['generator_name']) {
      case 'constant':
        return numbers(() => number('value', 1));
      case 'linear':
        return numbers(at => number('start') + (number('end') - number('start')) * at);
      case 'exponential':
        return numbers(at => number('start') * (number('end') / number('start')) ** at);
      case 'folded_normal': {
        const random = randomStream(seed + index, 'magnitudes');
        const [mean, std] = [number('mean', 0), number('std', 0.1)];
        const [least, most] = [number('min_value', 0), number('max_value', Number.POSITIVE_INFINITY)];
        return numbers(() => Math.min(most, Math.max(least, Math.abs(mean + std * random.normal()))));
      }
      default:
        throw refuse();
    }
  }
}

interface TreeNode {
  readonly feature_index?: unknown;
  readonly mutually_exclusive_children?: unknown;
  readonly scale_children_by_parent?: unknown;
  readonly children?: unknown;
}

/** Trees from nested nodes; the probabilities beside them are compensated already. */
function treesOf({ roots }: Readonly<Record<string, unknown>>, nFeatures: number, files: ModelFolder): FeatureTrees {
  const parents = new Array<number>(nFeatures).fill(-1);
  const exclusive = new Array<boolean>(nFeatures).fill(false);
  const scales = new Set<boolean>();
  const seen = new Set<number>();
  const open: { readonly node: unknown; readonly parent: number }[] = childrenOf(roots).map(node => ({
    node,
    parent: -1,
  }));
  for (let next = open.pop(); next; next = open.pop()) {
    const { feature_index: feature, ...node } = next.node as TreeNode;
    if (feature === null || feature === undefined) {
      throw new InvalidValueError('a node of the hierarchy is no feature: trees here consist of features alone');
    }
    if (typeof feature !== 'number' || !(feature in parents) || seen.has(feature)) {
      throw files.refuse(
        'hierarchy.json',
        `feature ${shown(feature)} is not one of ${nFeatures}, or stands there twice`,
      );
    }
    seen.add(feature);
    parents[feature] = next.parent;
    exclusive[feature] = node.mutually_exclusive_children === true;
    const children = childrenOf(node.children);
    if (children.length > 0) scales.add(node.scale_children_by_parent === true);
    for (const child of children) open.push({ node: child, parent: feature });
  }
  if (scales.size > 1) {
    throw new InvalidValueError('some parents of the hierarchy scale their children and some do not: all must or none');
  }
  return { parents, exclusive, scaleByParent: scales.has(true) };

  function childrenOf(nodes: unknown): readonly unknown[] {
    if (nodes === undefined) return [];
    const areNodes = Array.isArray(nodes) && nodes.every(node => typeof node === 'object' && node !== null);
    if (!areNodes) throw files.refuse('hierarchy.json', `expected a list of nodes, got ${shown(nodes)}`);
    return nodes;
  }
}
