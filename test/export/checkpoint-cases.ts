/** Checkpoints on disk with the answers of the projects that made them, and what it takes to compare ours. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import * as ort from 'onnxruntime-node';
import { runEagerly } from '../../src/models/eager.ts';
import { applyFrozenSae, type FrozenSae } from '../../src/models/frozen-sae.ts';
import { fromNested, type HostTensor, type NestedArray } from '../../src/tensor.ts';

export interface Answers {
  readonly x: HostTensor;
  readonly features: HostTensor;
  readonly reconstruction: HostTensor;
}

/** Made by SAELens (make_saelens.py of the reference figures, its options --hard too) and by the scripts in checkpoints/. */
export const caseFolders: Readonly<Record<string, string>> = Object.fromEntries(
  [
    ...['standard', 'topk', 'jumprelu', 'gated', 'batchtopk-training', 'matryoshka-training'].map(
      name => `../reference/saelens/${name}`,
    ),
    ...['standard-no-b-dec-input', 'topk-rescaled', 'standard-layer-norm', 'jumprelu-float64', 'transcoder'].map(
      name => `../reference/saelens-hard/${name}`,
    ),
    ...[
      'topk-layer-norm',
      'standard-constant-norm',
      'standard-expected-average',
      'standard-scaled',
      'gated-float16',
      'skip-transcoder',
      'jumprelu-transcoder',
      'jumprelu-skip-transcoder',
      'batchtopk-checkpoint',
      'topk-version-3',
      'gemma-scope',
      'gemma-scope-2',
      'sparsify',
      'sparsify-skip-transcoder',
      // make_folded_checkpoints.py
      'whitened-standard',
      'whitened-gated-no-b-dec-input',
      'whitened-topk-rescaled',
      'whitened-batchtopk',
      'scaled-batchtopk',
      'scaled-batchtopk-not-rescaled',
      'scaled-matryoshka',
      'openai-relu',
      'openai-topk-tied',
      'dictionary-auto-encoder',
      'dictionary-topk',
      'dictionary-batchtopk',
      'dictionary-gated',
    ].map(name => `checkpoints/${name}`),
  ].map(path => [path.split('/').at(-1)!, fileURLToPath(new URL(path, import.meta.url))]),
);

export async function readAnswers(folder: string, name = 'io.json'): Promise<Answers> {
  const answers = JSON.parse(await readFile(`${folder}/${name}`, 'utf8')) as Record<keyof Answers, NestedArray>;
  return {
    x: fromNested(answers.x),
    features: fromNested(answers.features),
    reconstruction: fromNested(answers.reconstruction),
  };
}

/** |difference| ≤ 1e-5 · max(1, |value|), everywhere. */
export function expectClose(actual: HostTensor, expected: HostTensor, what: string): void {
  expect(actual.shape, what).to.deep.equal(expected.shape);
  expected.data.forEach((value, i) => {
    expect(Math.abs(actual.data[i]! - value), `${what} at ${i}`).to.be.at.most(1e-5 * Math.max(1, Math.abs(value)));
  });
}

/** Features and reconstruction by TensorFlow.js, eagerly. */
export function applyEagerly(sae: FrozenSae, x: HostTensor): Record<string, HostTensor> {
  return runEagerly(({ activations, ...weights }) => applyFrozenSae(sae, weights, activations!), {
    ...sae.weights,
    activations: x,
  });
}

/** What an ONNX model gives in ONNX Runtime. */
export async function runOnnx(
  bytes: Uint8Array,
  feeds: Readonly<Record<string, HostTensor>>,
): Promise<Record<string, HostTensor>> {
  const session = await ort.InferenceSession.create(bytes);
  const tensors = Object.entries(feeds).map(
    ([name, { data, shape }]) => [name, new ort.Tensor('float32', data, [...shape])] as const,
  );
  const results = await session.run(Object.fromEntries(tensors));
  await session.release();
  return Object.fromEntries(
    Object.entries(results).map(([name, { data, dims }]) => [
      name,
      { data: Float32Array.from(data as Float32Array, Number), shape: [...dims] },
    ]),
  );
}
