import { expect } from 'chai';
import { type ActivationData, activationSource } from '../../src/data/activation-data.ts';
import { activationFiles } from '../../src/data/activation-files.ts';
import { clusteredFeatures } from '../../src/data/clustered-features.ts';
import { dictionaryFeatures } from '../../src/data/dictionary-features.ts';
import { generatedSource } from '../../src/data/generated-source.ts';
import { createRandomSource } from '../../src/data/random-source.ts';
import { sparseFeatures } from '../../src/data/sparse-features.ts';
import { toyModelActivations } from '../../src/data/toy-model-activations.ts';
import { InvalidShapeError, InvalidTypeError } from '../../src/errors.ts';
import { ToyModel } from '../../src/models/toy-model.ts';

/** What trainers ask of their data: everything here is inferred, without an annotation or a cast. */
const train = ({ data }: { readonly data: ActivationData; readonly steps: number }) => activationSource(data);

describe('what trainers take as data', () => {
  const features = sparseFeatures({ nFeatures: 5, sparsity: 0.9 });
  const model = new ToyModel({ nFeatures: 5, nHidden: 2 }, createRandomSource(0));

  it('is any of these, and says what it is', async () => {
    async function* rows() {
      for (let i = 0; i < 3; i++) yield [i, 1];
    }
    const sources = [
      train({ data: features, steps: 1 }),
      train({ data: sparseFeatures({ nFeatures: 2, sparsity: [0.1, 0.9] }), steps: 1 }),
      train({ data: clusteredFeatures({ nTopics: 2, nFeatures: 5, alpha: 0.5, beta: [0.1, 2] }), steps: 1 }),
      train({ data: toyModelActivations(model, features), steps: 1 }),
      train({ data: toyModelActivations(model.featureDirections(), features), steps: 1 }),
      train({
        data: dictionaryFeatures({
          nFeatures: 9,
          dIn: 4,
          firing: { exactly: 3 },
          magnitudes: { kind: 'half-normal', std: 1 },
        }),
        steps: 1,
      }),
      train({ data: dictionaryFeatures({ nFeatures: 9, dIn: 4, firing: { zipf: { max: 0.4 } } }), steps: 1 }),
      train({ data: activationFiles('acts/*.safetensors', { shuffleBuffer: 100 }), steps: 1 }),
      train({ data: activationFiles(['a.npy', 'b.npy'], { target: ['c.npy', 'd.npy'] }), steps: 1 }),
      train({
        data: [
          [1, 2],
          [3, 4],
        ],
        steps: 1,
      }),
      train({ data: { data: new Float32Array(4), shape: [2, 2] }, steps: 1 }),
      train({ data: { data: [1, 2, 3, 4], shape: [2, 2] }, steps: 1 }),
      train({ data: { input: [[1, 2]], target: [[3]] }, steps: 1 }),
      train({ data: rows(), steps: 1 }),
      train({ data: rows, steps: 1 }),
      train({ data: () => [new Float32Array(3)], steps: 1 }),
      train({ data: new Set([[1, 2]]), steps: 1 }),
      train({
        data: generatedSource({
          description: { kind: 'ones' },
          width: 3,
          generator: () => ({ fill: into => into.fill(1) }),
        }),
        steps: 1,
      }),
    ];
    const kinds = sources.map(({ description }) => description['kind']);
    expect(kinds.slice(0, 5)).to.deep.equal([
      'sparse-features',
      'sparse-features',
      'clustered-features',
      'toy-model-activations',
      'toy-model-activations',
    ]);
    for (const { description } of sources) expect(JSON.parse(JSON.stringify(description))).to.deep.equal(description);
    const own = await sources.at(-1)!.open({ seed: 0, batchSize: 2 });
    expect([...(await own.sample(2)).data]).to.deep.equal([1, 1, 1, 1, 1, 1]);
    expect(own.batches.recipe!()).to.equal(undefined);
    expect(activationSource(features)).to.equal(features);
  });

  it('gives toy models features that are not drawn too', async () => {
    const rows = Array.from({ length: 200 }, (_, i) => [i, 1, 0, -i, 2]);
    const source = await toyModelActivations(model, activationSource(rows)).open({ seed: 0, batchSize: 10 });
    const given = await activationSource(rows).open({ seed: 0, batchSize: 10 });
    const [x, hidden] = [new Float32Array(300 * 5), new Float32Array(300 * 2)];
    await given.batches.fill({ activations: x }, 1);
    await source.batches.fill({ activations: hidden }, 1);
    const { data: w } = model.featureDirections();
    for (let row = 0; row < 300; row++) {
      let sum = 0;
      for (let j = 0; j < 5; j++) sum += x[5 * row + j]! * w[2 * j + 1]!;
      expect(hidden[2 * row + 1]).to.be.closeTo(sum, 1e-4 * (1 + Math.abs(sum)));
    }
    expect([source.width, source.rows, source.heldOutRows]).to.deep.equal([2, 190, 10]);
    let held = 0;
    for await (const { input } of source.heldOut(100, 4)) held += input.shape[0]!;
    expect(held).to.equal(10);
    expect((await source.sample(7)).shape).to.deep.equal([7, 2]);
    await source[Symbol.asyncDispose]();
  });

  it('is refused where a toy model does not fit its features', async () => {
    const narrow = sparseFeatures({ nFeatures: 4, sparsity: 0.9 });
    expect(() => toyModelActivations(model, narrow)).to.throw(InvalidShapeError, 'rows of 4 numbers');
    const given = toyModelActivations(
      model,
      activationSource([
        [1, 2],
        [3, 4],
      ]),
    );
    const failure = await given.open({ seed: 0, batchSize: 1 }).catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(InvalidShapeError);
    expect(() => toyModelActivations({ data: new Float32Array(4), shape: [4] }, narrow)).to.throw(InvalidShapeError);
    expect(() => toyModelActivations(3 as never, narrow)).to.throw(InvalidTypeError);
  });
});
