import { expect } from 'chai';
import { FileFormatError } from '../../src/errors.ts';
import { loadToyModel } from '../../src/inference/node.ts';
import { expectClose } from './close-to.ts';
import { parallelToyModel, reference, reluSae, tensor, toyModel } from './contract-graphs.ts';
import { rejection } from './rejection.ts';

describe('inference: toy model', () => {
  const cases = [
    { name: 'toy-model', make: toyModel, sizes: [undefined, 5, 2] },
    { name: 'parallel-toy-model', make: parallelToyModel, sizes: [3, 4, 2] },
  ];
  for (const { name, make, sizes } of cases) {
    it(`gives PyTorch's hidden activations and reconstruction: ${name}`, async () => {
      await using toy = await loadToyModel(make(), { provider: 'cpu', batchSize: 6 });
      const { inputs, expected } = reference(name);
      const features = tensor(inputs['batches']![0]);
      const [hidden, reconstruction] = [tensor(expected['hidden']), tensor(expected['out'])];
      expectClose(await toy.encode(features), hidden);
      expectClose(await toy.decode(hidden), reconstruction);
      const both = await toy.forward(features);
      expectClose(both.hidden, hidden);
      expectClose(both.reconstruction, reconstruction);
      expect(await toy.featureDirections()).to.deep.equal(tensor(inputs['W']));
      expect([toy.nInstances, toy.nFeatures, toy.nHidden]).to.deep.equal(sizes);
    });
  }

  it('refuses an SAE, and says what loads it', async () => {
    const error = await rejection(loadToyModel(reluSae()));
    expect(error).to.be.instanceOf(FileFormatError);
    expect(error.message).to.contain('use loadSae');
  });
});
