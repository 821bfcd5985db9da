/** A toy model's hidden activations as a source: what an autoencoder learns from when the true features are known. */
import { InvalidShapeError, InvalidTypeError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';
import type { ActivationSource, OpenSource } from './activation-source.ts';
import type { BatchSource } from './batch-source.ts';
import { contentHash } from './content-hash.ts';
import { type GeneratedSource, generatedSource, isGenerated } from './generated-source.ts';
import { hiddenActivations } from './hidden-activations.ts';

/** Anything that has feature directions, such as a trained toy model. */
export interface HasFeatureDirections {
  /** The weight, [n_features, n_hidden]: row i is the direction of feature i. */
  featureDirections(): HostTensor;
}

/**
 * The hidden activations x W that a toy model has for features x. Training batches are drawn from a stream of their own, so that an
 * autoencoder of the toy model's seed does not see the very samples again that the toy model was trained on.
 * @param model a toy model as it now is, or its weight W [n_features, n_hidden]
 * @param features where the features come from, rows [n_features]
 * @returns a source of rows [n_hidden]; where a generator draws the features, a generated one
 * @throws InvalidShapeError where W is no matrix or the features have another width
 */
export function toyModelActivations(
  model: HasFeatureDirections | HostTensor,
  features: GeneratedSource,
): GeneratedSource;
export function toyModelActivations(
  model: HasFeatureDirections | HostTensor,
  features: ActivationSource,
): ActivationSource;
export function toyModelActivations(
  model: HasFeatureDirections | HostTensor,
  features: ActivationSource,
): ActivationSource {
  const weight = weightOf(model);
  const [nFeatures, nHidden] = weight.shape as [number, number];
  const description = {
    kind: 'toy-model-activations',
    nFeatures,
    nHidden,
    weight: contentHash(weight.data),
    features: features.description,
  };
  if (!isGenerated(features)) {
    return { description, open: async options => projected(await features.open(options), weight, description) };
  }
  requireWidth(features.width, nFeatures);
  return generatedSource({
    description,
    width: nHidden,
    generator: (random, batchSize) => hiddenActivations(weight, features.generator(random, batchSize)),
    stream: 'toyModelActivations',
  });
}

function weightOf(model: HasFeatureDirections | HostTensor): HostTensor {
  const isModel = typeof model === 'object' && model !== null && 'featureDirections' in model;
  const weight = isModel ? model.featureDirections() : model;
  if (!Array.isArray(weight?.shape) || !(weight.data instanceof Float32Array)) {
    throw new InvalidTypeError('expected a toy model, or its weight as { data: Float32Array, shape }');
  }
  const { data, shape } = weight;
  if (shape.length !== 2 || data.length === 0 || data.length !== shape[0]! * shape[1]!) {
    throw new InvalidShapeError(
      `a toy model's weight must have shape [n_features, n_hidden], got ${data.length} values in shape [${shape.join(', ')}]`,
    );
  }
  return weight;
}

function requireWidth(width: number, nFeatures: number): void {
  if (width === nFeatures) return;
  throw new InvalidShapeError(`the features are rows of ${width} numbers, expected the toy model's ${nFeatures}`);
}

/** Activations of features that are given, not drawn. */
async function projected(features: OpenSource, weight: HostTensor, description: object): Promise<OpenSource> {
  const [nFeatures, nHidden] = weight.shape as [number, number];
  if (features.width !== nFeatures) {
    await features[Symbol.asyncDispose]();
    requireWidth(features.width, nFeatures);
  }
  const project = (rows: Float32Array, into: Float32Array): void =>
    hiddenActivations(weight, givenRows(rows)).fill(into);
  const activationsOf = ({ data, shape }: HostTensor): HostTensor => {
    const rows = shape[0]!;
    const into = new Float32Array(rows * nHidden);
    project(data, into);
    return { data: into, shape: [rows, nHidden] };
  };
  const batches: BatchSource = {
    async fill(inputs, steps) {
      const into = inputs['activations']!;
      const rows = new Float32Array((into.length / nHidden) * nFeatures);
      await features.batches.fill({ activations: rows }, steps);
      project(rows, into);
    },
    state: () => features.batches.state(),
    restore: state => features.batches.restore(state),
  };
  return {
    width: nHidden,
    identity: { ...description, features: features.identity },
    ...(features.rows !== undefined && { rows: features.rows }),
    ...(features.heldOutRows !== undefined && { heldOutRows: features.heldOutRows }),
    batches,
    sample: async rows => activationsOf(await features.sample(rows)),
    async *heldOut(rows, batchSize) {
      for await (const { input } of features.heldOut(rows, batchSize)) yield { input: activationsOf(input) };
    },
    [Symbol.asyncDispose]: () => features[Symbol.asyncDispose](),
  };
}

/** A generator that gives `rows` once. */
function givenRows(rows: Float32Array) {
  let at = 0;
  return {
    fill(into: Float32Array): void {
      into.set(rows.subarray(at, at + into.length));
      at += into.length;
    },
  };
}
