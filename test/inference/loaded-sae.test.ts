import { expect } from 'chai';
import { createRandomSource } from '../../src/data/random-source.ts';
import { DisposedError, InvalidShapeError, InvalidTypeError, InvalidValueError } from '../../src/errors.ts';
import { type LoadedSae, loadSae } from '../../src/inference/node.ts';
import { METADATA_KEYS } from '../../src/onnx/metadata.ts';
import { onnx } from '../../src/onnx/proto.ts';
import { type HostTensor, toNested } from '../../src/tensor.ts';
import { expectClose } from './close-to.ts';
import {
  normalisingSae,
  reference,
  reluSae,
  tensor,
  thresholdSae,
  topKSae,
  trainedWeights,
} from './contract-graphs.ts';
import { rejection } from './rejection.ts';

/** Activations to run; PyTorch's answers are to the first batch. */
function activationsOf(name: string): HostTensor {
  const { batches, x } = reference(name).inputs;
  return tensor(batches ? batches[0] : x);
}

function randomActivations(count: number, width = 4): HostTensor {
  const random = createRandomSource(7);
  return { data: Float32Array.from({ length: count * width }, () => random.normal()), shape: [count, width] };
}

for (const worker of [false, true]) {
  describe(`inference: SAE ${worker ? 'in a worker' : 'in this thread'}`, () => {
    /** One of each: a worker takes half a second to start from source. */
    const opened = new Map<string, Promise<LoadedSae>>();
    function open(make: () => Uint8Array, batchSize?: number): Promise<LoadedSae> {
      const key = `${make.name} ${batchSize}`;
      const sae = opened.get(key) ?? loadSae(make(), { worker, provider: 'cpu', ...(batchSize && { batchSize }) });
      opened.set(key, sae);
      return sae;
    }
    after(() => Promise.all([...opened.values()].map(async sae => (await sae).dispose())));

    const cases = { 'sae-topk': topKSae, 'sae-relu': reluSae, 'sae-jumprelu': thresholdSae };
    for (const [name, make] of Object.entries(cases)) {
      it(`gives PyTorch's features and reconstruction: ${name}`, async () => {
        const sae = await open(make);
        const activations = activationsOf(name);
        const features = tensor(reference(name).expected['features']);
        const reconstruction = tensor(reference(name).expected['reconstruction']);

        expectClose(await sae.encode(activations), features);
        expectClose(await sae.decode(features), reconstruction);
        const both = await sae.forward(activations);
        expectClose(both.features, features);
        expectClose(both.reconstruction, reconstruction);
        expect([sae.dIn, sae.dSae, sae.dOut, sae.provider]).to.deep.equal([4, 10, 4, 'cpu']);
      });

      it(`gives the features that fire, and takes them back: ${name}`, async () => {
        const sae = await open(make, 5);
        const activations = activationsOf(name);
        const dense = await sae.encode(activations);
        const sparse = await sae.encode(activations, { sparse: true });
        expect(sparse.shape).to.deep.equal([12, 10]);
        expect(await sae.encode(activations, { sparse: true })).to.deep.equal(sparse);

        const rebuilt = new Float32Array(120);
        for (let row = 0; row < 12; row++) {
          const [start, end] = [sparse.offsets[row]!, sparse.offsets[row + 1]!];
          const fired = [...sparse.indices.subarray(start, end)];
          expect(fired).to.deep.equal(fired.toSorted((a, b) => a - b));
          for (let at = start; at < end; at++) rebuilt[row * 10 + sparse.indices[at]!] = sparse.values[at]!;
        }
        expect(rebuilt).to.deep.equal(dense.data);
        expect(sparse.values.every(value => value !== 0)).to.equal(true);
        expect(await sae.decode(sparse)).to.deep.equal(await sae.decode(dense));
      });
    }

    it('gives the decoder’s rows as feature directions, and the metadata', async () => {
      const sae = await open(topKSae);
      expect(await sae.featureDirections()).to.deep.equal(trainedWeights('sae-topk')['W_dec']);
      expect(sae.metadata.kind).to.equal('sparse-autoencoder');
      expect(sae.metadata.config).to.deep.equal({ architecture: 'topk', d_in: 4, d_sae: 10, k: 3 });
    });

    it('takes nested arrays, a bare Float32Array with its shape, and any leading dimensions', async () => {
      const sae = await open(reluSae);
      const activations = activationsOf('sae-relu');
      const features = await sae.encode(activations);
      expect(await sae.encode(toNested(activations) as number[][])).to.deep.equal(features);
      expect(await sae.encode(activations.data, { shape: [12, 4] })).to.deep.equal(features);
      const grid = await sae.encode({ ...activations, shape: [3, 2, 2, 4] });
      expect(grid).to.deep.equal({ data: features.data, shape: [3, 2, 2, 10] });
      const single = await sae.encode([...activations.data.subarray(0, 4)]);
      expectClose(single, { data: features.data.slice(0, 10), shape: [10] });
    });

    it('gives the same in batches of any size, and nothing for no samples', async () => {
      const whole = await open(topKSae);
      const cut = await open(topKSae, 7);
      const activations = randomActivations(100);
      expectClose(await cut.encode(activations), await whole.encode(activations), 1e-6);
      expectClose(
        (await cut.forward(activations)).reconstruction,
        (await whole.forward(activations)).reconstruction,
        1e-6,
      );
      expect((await cut.encode(activations, { sparse: true })).indices).to.deep.equal(
        (await whole.encode(activations, { sparse: true })).indices,
      );
      expect(await cut.encode(randomActivations(0))).to.deep.equal({ data: new Float32Array(0), shape: [0, 10] });
      expect((await cut.encode(randomActivations(0), { sparse: true })).offsets).to.deep.equal(new Uint32Array([0]));
    });

    it('answers calls that overlap each with its own', async () => {
      const sae = await open(topKSae, 3);
      const inputs = Array.from({ length: 20 }, (_, i) => {
        const { data, shape } = randomActivations(10);
        return { data: data.map(value => value * (i + 1)), shape };
      });
      const together = await Promise.all(inputs.map(input => sae.encode(input)));
      for (const [i, input] of inputs.entries()) expect(together[i]).to.deep.equal(await sae.encode(input));
    });

    it('steers: a changed feature moves the reconstruction along its direction', async () => {
      const sae = await open(topKSae);
      const { features, reconstruction } = await sae.forward(activationsOf('sae-topk'));
      const steered = { ...features, data: features.data.slice() };
      steered.data[3]! += 2;
      const moved = await sae.decode(steered);
      const direction = (await sae.featureDirections()).data.subarray(12, 16);
      const expected = reconstruction.data.map((value, i) => value + (i < 4 ? 2 * direction[i]! : 0));
      expectClose(moved, { data: expected, shape: reconstruction.shape });
    });

    it('gives a decoder what it needs beside the features', async () => {
      const declared = () => normalisingSae();
      const undeclared = () => normalisingSae({ isDeclared: false });
      for (const [make, name] of [
        [declared, 'norm'],
        [undeclared, 'activations'],
      ] as const) {
        const sae = await open(make, 5);
        const activations = activationsOf('sae-relu');
        const { features, reconstruction } = await sae.forward(activations);
        const inputs = await sae.decoderInputs(activations);
        expect(Object.keys(inputs)).to.deep.equal([name]);
        expectClose(await sae.decode(features, { inputs }), reconstruction);

        const error = await rejection(sae.decode(features));
        expect(error).to.be.instanceOf(InvalidValueError);
        expect(error.message).to.contain(name);
        const short = { [name]: { data: new Float32Array(3), shape: [3, 1] } };
        expect(await rejection(sae.decode(features, { inputs: short }))).to.be.instanceOf(InvalidShapeError);
      }
    });

    it('refuses other widths, NaN and what is no numbers, naming them', async () => {
      const sae = await open(reluSae);
      const message = async (call: Promise<unknown>, type: new (...args: never[]) => Error) => {
        const error = await rejection(call);
        expect(error).to.be.instanceOf(type);
        return error.message;
      };
      expect(await message(sae.encode([[1, 2, 3]]), InvalidShapeError)).to.contain(
        'activations have the shape [1, 3]; expected [..., 4]',
      );
      expect(await message(sae.decode([[1, 2, 3]]), InvalidShapeError)).to.contain(
        'features have the shape [1, 3]; expected [..., 10]',
      );
      expect(await message(sae.encode([[1, 2, 3, 4], [1]]), InvalidShapeError)).to.contain('unequal length');
      expect(await message(sae.encode(new Float32Array(8)), InvalidShapeError)).to.contain('needs its shape');
      expect(await message(sae.encode(new Float32Array(9), { shape: [2, 4] }), InvalidShapeError)).to.contain(
        '9 values',
      );
      expect(
        await message(
          sae.encode([
            [1, 2, 3, 4],
            [5, 6, Number.NaN, 8],
          ]),
          InvalidValueError,
        ),
      ).to.contain('NaN at [1, 2]');
      expect(await message(sae.encode([[1, 2, 3, Number.POSITIVE_INFINITY]]), InvalidValueError)).to.contain(
        'Infinity at [0, 3]',
      );
      expect(await message(sae.encode('numbers' as never), InvalidTypeError)).to.contain('string');
      const sparse = {
        shape: [1, 10],
        offsets: new Uint32Array([0, 1]),
        indices: new Uint32Array([10]),
        values: new Float32Array([1]),
      };
      expect(await message(sae.decode(sparse), InvalidValueError)).to.contain('feature 10');
      expect(await message(sae.decode({ ...sparse, shape: [1, 9] }), InvalidShapeError)).to.contain('[1, 9]');
    });

    it('frees its sessions once, after the calls made before', async () => {
      let pending: Promise<HostTensor>;
      let sae: LoadedSae;
      {
        await using scoped = await loadSae(topKSae(), { worker, provider: 'cpu' });
        sae = scoped;
        pending = sae.encode(randomActivations(1000));
      }
      expect((await pending).shape).to.deep.equal([1000, 10]);
      await sae.dispose();
      for (const call of [
        () => sae.encode([[1, 2, 3, 4]]),
        () => sae.decode([new Array(10).fill(0)]),
        () => sae.featureDirections(),
      ]) {
        expect(await rejection(call())).to.be.instanceOf(DisposedError);
      }
    });

    it('names the option that is wrong', async () => {
      expect((await rejection(loadSae(reluSae(), { worker, batchSize: 0 }))).message).to.contain('batchSize 0');
      expect((await rejection(loadSae(reluSae(), { worker, provider: 'gpu' as never }))).message).to.contain(
        'cuda, webgpu, cpu',
      );
      const newer = onnx.ModelProto.decode(new Uint8Array(reluSae()));
      newer.metadataProps!.find(({ key }) => key === METADATA_KEYS.schema)!.value = '2';
      const error = await rejection(loadSae(onnx.ModelProto.encode(newer).finish(), { worker }));
      expect(error.message).to.equal("monosemantic.schema is '2'; this version reads schema 1");
    });
  });
}
