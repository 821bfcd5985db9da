import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { trainingCase } from '../../scripts/reference/training-file.ts';
import { createRandomSource } from '../../src/data/random-source.ts';
import { createOnnxRuntimeEngine } from '../../src/engines/onnxruntime.ts';
import { InvalidShapeError, InvalidValueError } from '../../src/errors.ts';
import type { ActivationConfig } from '../../src/models/architectures/registry.ts';
import { SparseAutoencoder, type SparseAutoencoderConfig } from '../../src/models/sparse-autoencoder.ts';
import { loadNodeRuntime } from '../../src/sessions/node.ts';
import { fromNested, type HostTensor } from '../../src/tensor.ts';
import { saeProgram } from '../training/sae-program.ts';
import { entryOf, expectClose, normals, readReference, rowNorms, rowsOf } from './tensors.ts';

const ACTIVATIONS: readonly ActivationConfig[] = [
  { kind: 'relu', l1: 0.01 },
  { kind: 'topk', k: 3 },
  { kind: 'batchtopk', k: 2.5, restartThresholdAt: 5 },
  { kind: 'jumprelu', l0: 0.01, bandwidth: 0.5, threshold: 0.2 },
];

function create(config: Partial<SparseAutoencoderConfig> = {}, seed = 1): SparseAutoencoder {
  const bias = normals([4], seed + 100).data;
  return new SparseAutoencoder(
    { dIn: 4, dSae: 12, activation: { kind: 'relu' }, ...config },
    createRandomSource(seed),
    {
      bias,
    },
  );
}

describe('SparseAutoencoder', () => {
  before(() => tf.setBackend('cpu'));

  for (const [kind, activation] of [
    ['relu', { kind: 'relu' }],
    ['topk', { kind: 'topk', k: 3 }],
    ['batchtopk', { kind: 'batchtopk', k: 2 }],
  ] as const) {
    it(`computes what PyTorch does, in training and once it is frozen: ${kind}`, () => {
      const { state, batches, expected } = trainingCase(kind, readReference(`sae-${kind}`));
      const sae = new SparseAutoencoder({ dIn: 4, dSae: 10, activation }, createRandomSource(0), { state });
      const batch = entryOf(batches['activations']!, 0);
      const { features, reconstruction, losses } = sae.trainingForward(batch);
      expectClose(features, fromNested(expected.outputs['features']!));
      expectClose(reconstruction, fromNested(expected.outputs['reconstruction']!));
      expect(Object.keys(losses)).to.deep.equal(kind === 'relu' ? ['mse', 'l1'] : ['mse']);
      if (kind !== 'relu') expect(losses['mse']).to.be.closeTo(expected.losses[0]!, 1e-5);
      // BatchTopK's code of a batch is not the one that its threshold gives.
      if (kind !== 'batchtopk') expectClose(sae.encode(batch), features);
    });
  }

  it('starts from unit rows, their transpose, no encoder bias and the given one', () => {
    const start = normals([12, 4], 3);
    for (const decoder of ['reparametrise', 'renormalise', 'unprojected', 'free'] as const) {
      const sae = new SparseAutoencoder(
        { dIn: 4, dSae: 12, activation: { kind: 'topk', k: 2 }, decoder },
        createRandomSource(1),
        { bias: [1, 2, 3, 4], directions: start },
      );
      const { W_enc, b_enc, b_dec, ...rest } = sae.state.parameters;
      const rows = rest[decoder === 'reparametrise' ? 'V' : 'W_dec']!;
      for (const norm of rowNorms(rows)) expect(norm).to.be.closeTo(1, 1e-6);
      rowNorms(start).forEach((norm, row) => {
        expectClose(entryOf(rows, row), { shape: [4], data: entryOf(start, row).data.map(value => value / norm) });
        for (let i = 0; i < 4; i++) expect(W_enc!.data[i * 12 + row]).to.equal(rows.data[row * 4 + i]);
      });
      expect(b_enc).to.deep.equal({ shape: [12], data: new Float32Array(12) });
      expect(Array.from(b_dec!.data)).to.deep.equal([1, 2, 3, 4]);
      expectClose(sae.featureDirections(), rows);
    }
  });

  it('draws directions uniformly on the sphere where none are given', () => {
    const config = { dIn: 3, dSae: 30_000, activation: { kind: 'relu' } } as const;
    const { data } = new SparseAutoencoder(config, createRandomSource(5)).state.parameters['V']!;
    // Archimedes: each coordinate is uniform on [-1, 1], with variance 1/3.
    const variance = data.reduce((sum, value) => sum + value ** 2, 0) / data.length;
    expect(variance).to.be.closeTo(1 / 3, 1e-6);
    const below = data.filter((value, i) => i % 3 === 0 && value < 0.5).length / 30_000;
    expect(below).to.be.closeTo(0.75, 4 * Math.sqrt((0.75 * 0.25) / 30_000));
  });

  it('encodes and decodes any leading dimensions, together and apart', () => {
    for (const activation of ACTIVATIONS) {
      const sae = create({ activation });
      const activations = normals([2, 3, 4], 2);
      const { features, reconstruction } = sae.forward(activations);
      expect([features.shape, reconstruction.shape]).to.deep.equal([
        [2, 3, 12],
        [2, 3, 4],
      ]);
      expect(sae.encode(activations)).to.deep.equal(features);
      expectClose(sae.decode(features), reconstruction);
      expect(sae.encode(normals([4], 2)).shape).to.deep.equal([12]);
    }
  });

  it('gives a sample the same features alone and in a batch, once it is frozen', () => {
    for (const activation of ACTIVATIONS) {
      const sae = create({ activation });
      if (activation.kind === 'batchtopk') {
        const threshold = { shape: [], data: Float32Array.of(0.8) };
        sae.state = { ...sae.state, buffers: { ...sae.state.buffers, threshold } };
      }
      const batch = normals([9, 4], 2);
      const together = sae.encode(batch);
      expect(together.data.filter(value => value > 0)).to.not.be.empty;
      for (let i = 0; i < 9; i++) expectClose(sae.encode(rowsOf(batch, i, i + 1)), rowsOf(together, i, i + 1));
    }
  });

  it('keeps features above the threshold, and only those', () => {
    const activation: ActivationConfig = { kind: 'batchtopk', k: 2 };
    const [sae, relu] = [create({ activation }), create()];
    sae.state = {
      ...sae.state,
      buffers: { ...sae.state.buffers, threshold: { shape: [], data: Float32Array.of(0.7) } },
    };
    const batch = normals([50, 4], 2);
    const expected = relu.encode(batch);
    expectClose(sae.encode(batch), {
      ...expected,
      data: expected.data.map(value => (value > Math.fround(0.7) ? value : 0)),
    });
  });

  it('refuses what does not fit', () => {
    const message = (config: Partial<SparseAutoencoderConfig>) => () => create(config);
    expect(message({ dIn: 0 })).to.throw(InvalidValueError, 'dIn must be positive');
    expect(message({ dSae: -2 })).to.throw(InvalidValueError, 'dSae must be positive');
    for (const kind of ['topk', 'batchtopk'] as const) {
      expect(message({ activation: { kind, k: 0 } })).to.throw(InvalidValueError, 'k must be positive');
      expect(message({ activation: { kind, k: Number.NaN } })).to.throw(InvalidValueError, 'k must be positive');
      expect(message({ activation: { kind, k: 13 } })).to.throw(
        InvalidValueError,
        'k must be less than or equal to d_sae 12, got 13',
      );
    }
    expect(message({ activation: { kind: 'topk', k: 1.5 } })).to.throw(InvalidValueError, 'k must be positive');
    expect(message({ activation: { kind: 'relu', l1: -1 } })).to.throw(InvalidValueError, 'l1');
    expect(message({ activation: { kind: 'abacus' } as never })).to.throw(InvalidValueError, 'choose from relu, topk');
    expect(message({ decoder: 'tied' as never })).to.throw(InvalidValueError, 'choose from reparametrise');
    const start = (given: object) => () =>
      new SparseAutoencoder({ dIn: 4, dSae: 12, activation: { kind: 'relu' } }, createRandomSource(1), given);
    expect(start({ bias: [1, 2] })).to.throw(InvalidShapeError, 'must have shape [4], got [2]');
    expect(start({ directions: normals([4, 12], 1) })).to.throw(InvalidShapeError, 'must have shape [12, 4]');
    expect(() => create().encode(normals([2, 5], 1))).to.throw(
      InvalidShapeError,
      'activations must have shape [..., 4]',
    );
    expect(() => create().decode(normals([2, 4], 1))).to.throw(InvalidShapeError, 'features must have shape [..., 12]');
  });
});

describe('autoencoders side by side', () => {
  const STEPS = 50;
  const BATCH = 16;
  const instances = [11, 12, 13];

  for (const activation of ACTIVATIONS) {
    for (const decoder of ['reparametrise', 'renormalise', 'unprojected', 'free'] as const) {
      it(`train as each would alone: ${activation.kind}, ${decoder}`, async () => {
        const engine = createOnnxRuntimeEngine(await loadNodeRuntime());
        const train = async (saes: readonly SparseAutoencoder[], activations: HostTensor) => {
          const { program } = saeProgram({ batchSize: BATCH, steps: STEPS }, saes);
          const runner = await engine.prepare(program, { maxSteps: STEPS });
          const metrics = await runner.run(STEPS, { activations: activations.data });
          const state = await runner.read();
          await runner.dispose();
          return { metrics, state };
        };
        const saes = instances.map(seed => create({ activation, decoder }, seed));
        const batches = normals([STEPS, instances.length, BATCH, 4], 7);
        const together = await train(saes, batches);
        for (const [i, sae] of saes.entries()) {
          const own = Array.from({ length: STEPS }, (_, step) => entryOf(entryOf(batches, step), i).data);
          const data = Float32Array.from(own.flatMap(batch => [...batch]));
          const alone = await train([sae], { shape: [STEPS, BATCH, 4], data });
          expect(Object.keys(alone.state).filter(name => name.startsWith('parameters.'))).to.have.length.at.least(4);
          for (const [name, value] of Object.entries(alone.state)) {
            if (!/^(parameters|buffers)\./.test(name)) continue;
            expectClose(entryOf(together.state[name]!, i), value, 1e-5);
          }
          const losses = Float32Array.from({ length: STEPS }, (_, step) => together.metrics['losses']![step * 3 + i]!);
          expectClose({ shape: [STEPS], data: losses }, { shape: [STEPS], data: alone.metrics['loss']! }, 1e-5);
        }
      });
    }
  }
});
