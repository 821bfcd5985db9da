import { expect } from 'chai';
import { EngineUnavailableError } from '../../src/errors.ts';
import { type LoadedSae, loadSae, loadToyModel } from '../../src/inference/node.ts';
import { leaveSwiftShader, useSwiftShader } from '../support/swiftshader.ts';
import { expectClose } from './close-to.ts';
import { parallelToyModel, reference, reluSae, tensor, thresholdSae, topKSae, toyModel } from './contract-graphs.ts';

describe('inference on WebGPU', () => {
  after(leaveSwiftShader);
  before(async function () {
    try {
      await useSwiftShader();
      await (await loadSae(reluSae(), { provider: 'webgpu' })).dispose();
    } catch (error) {
      console.log(`      skipped: WebGPU does not load here: ${(error as Error).message}`);
      if (!(error instanceof EngineUnavailableError) && process.platform === 'linux' && process.arch === 'x64')
        throw error;
      this.skip();
    }
  });

  const saes = { 'sae-topk': topKSae, 'sae-relu': reluSae, 'sae-jumprelu': thresholdSae };
  for (const [name, make] of Object.entries(saes)) {
    it(`agrees with the CPU to 1e-4: ${name}`, async () => {
      const { batches, x } = reference(name).inputs;
      const activations = tensor(batches ? batches[0] : x);
      const run = async (sae: LoadedSae) => {
        const { features, reconstruction } = await sae.forward(activations);
        const sparse = await sae.encode(activations, { sparse: true });
        return { features, reconstruction, decoded: await sae.decode(features), sparse };
      };
      await using cpu = await loadSae(make(), { provider: 'cpu' });
      await using webgpu = await loadSae(make(), { provider: 'webgpu', batchSize: 5 });
      expect(webgpu.provider).to.equal('webgpu');

      const [expected, actual] = [await run(cpu), await run(webgpu)];
      expectClose(actual.features, expected.features, 1e-4);
      expectClose(actual.reconstruction, expected.reconstruction, 1e-4);
      expectClose(actual.decoded, expected.decoded, 1e-4);
      expect(actual.sparse.indices).to.deep.equal(expected.sparse.indices);
      expect(actual.sparse.offsets).to.deep.equal(expected.sparse.offsets);
    });
  }

  for (const [name, make] of Object.entries({ 'toy-model': toyModel, 'parallel-toy-model': parallelToyModel })) {
    it(`agrees with PyTorch to 1e-4: ${name}`, async () => {
      const { inputs, expected } = reference(name);
      await using toy = await loadToyModel(make(), { provider: 'webgpu' });
      const { hidden, reconstruction } = await toy.forward(tensor(inputs['batches']![0]));
      expectClose(hidden, tensor(expected['hidden']), 1e-4);
      expectClose(reconstruction, tensor(expected['out']), 1e-4);
    });
  }

  it('answers calls that overlap, of two models at once', async () => {
    await using first = await loadSae(topKSae(), { provider: 'webgpu' });
    await using second = await loadSae(reluSae(), { provider: 'webgpu' });
    const activations = tensor(reference('sae-topk').inputs['batches']![0]);
    const calls = Array.from({ length: 12 }, (_, i) => (i % 2 ? first : second).encode(activations));
    const answers = await Promise.all(calls);
    for (const [i, answer] of answers.entries()) expect(answer).to.deep.equal(answers[i % 2]);
    expectClose(answers[1]!, tensor(reference('sae-topk').expected['features']), 1e-4);
  });
});
