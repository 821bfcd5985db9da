/** Normalised activations in training: what is folded when frozen, what stays in the graph, and what is refused. SAELens's figures are in test/engines. */
import { expect } from 'chai';
import { createRandomSource } from '../../src/data/random-source.ts';
import { averageNormScale, scaledRows } from '../../src/data/scaled-source.ts';
import { InvalidValueError } from '../../src/errors.ts';
import { loadSae } from '../../src/inference/node.ts';
import type { ActivationConfig } from '../../src/models/architectures/registry.ts';
import { type HostTensor, hostTensor } from '../../src/tensor.ts';
import { trainSae, trainSaes } from '../../src/training/node.ts';

const [ROWS, WIDTH, LATENTS] = [600, 6, 80];

function rows(seed: number, size: number): HostTensor {
  const random = createRandomSource(seed);
  return hostTensor(
    Float32Array.from({ length: ROWS * WIDTH }, () => size * (random.normal() + 0.5)),
    [ROWS, WIDTH],
  );
}

const SETTINGS = { dSae: LATENTS, steps: 20, batchSize: 64, sampleSize: ROWS, holdOut: 0, learningRate: 0.01 };
const ACTIVATIONS: readonly ActivationConfig[] = [
  { kind: 'relu', l1: 0.01 },
  { kind: 'topk', k: 5, auxK: { deadAfter: 2 } },
  { kind: 'batchtopk', k: 5 },
  { kind: 'jumprelu', l0: 0.01 },
  { kind: 'gated', l1: 0.01 },
  { kind: 'matryoshka', k: 5, widths: [20, 40] },
];

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((largest, value, i) => Math.max(largest, Math.abs(value - b[i]!)), 0);
}

describe('normalised activations', () => {
  it('have a mean norm of √d after the scale of expected_average_only_in', () => {
    const given = rows(1, 30);
    const { data } = scaledRows(given, averageNormScale(given));
    let sum = 0;
    for (let row = 0; row < ROWS; row++) sum += Math.hypot(...data.subarray(row * WIDTH, (row + 1) * WIDTH));
    expect(sum / ROWS).to.be.closeTo(Math.sqrt(WIDTH), 1e-5);
    expect(averageNormScale(hostTensor(new Float32Array(8), [2, 4]))).to.equal(1);
  });

  for (const activation of ACTIVATIONS) {
    it(`${activation.kind}: trains as on rows that were scaled beforehand, and its file takes them as they are`, async () => {
      const given = rows(1, 30);
      const scale = averageNormScale(given);
      const { sae } = await trainSae({ ...SETTINGS, data: given, activation, normalize: 'expected_average_only_in' });
      const { sae: beforehand } = await trainSae({ ...SETTINGS, data: scaledRows(given, scale), activation });
      await using file = await loadSae(sae.toOnnx(), { provider: 'cpu' });
      await using other = await loadSae(beforehand.toOnnx(), { provider: 'cpu' });
      const ours = await file.forward(given);
      const theirs = await other.forward(scaledRows(given, scale));
      expect(largestDifference(ours.features.data, theirs.features.data)).to.be.below(1e-4);
      expect(
        largestDifference(ours.reconstruction.data, scaledRows(theirs.reconstruction, 1 / scale).data),
      ).to.be.below(2e-3);
      expect(Math.max(...theirs.features.data), 'something fires').to.be.above(0.1);
    });
  }

  it('are undone in the frozen graph where each sample is normalised by itself', async () => {
    for (const normalize of ['layer_norm', 'constant_norm_rescale'] as const) {
      const given = rows(2, 30);
      const { sae, history } = await trainSae({
        ...SETTINGS,
        steps: 200,
        data: given,
        activation: { kind: 'topk', k: 5 },
        normalize,
      });
      expect(history.loss.at(-1)).to.be.below(history.loss[0]! / 2);
      await using file = await loadSae(sae.toOnnx(), { provider: 'cpu' });
      const { features, reconstruction } = await file.forward(given);
      const squared = reconstruction.data.reduce((sum, value, i) => sum + (value - given.data[i]!) ** 2, 0);
      expect(squared / given.data.length, normalize).to.be.closeTo(history.loss.at(-1)!, history.loss.at(-1)!);
      // Ten times as long a sample has the same features, and ten times the reconstruction.
      const longer = await file.forward(scaledRows(given, 10));
      expect(largestDifference(longer.features.data, features.data)).to.be.below(1e-3);
      expect(largestDifference(longer.reconstruction.data, scaledRows(reconstruction, 10).data)).to.be.below(0.05);
    }
  });

  it('side by side are those of each run’s own sample', async () => {
    const [small, large] = [rows(3, 1), rows(3, 50)];
    const vary = [{ data: small }, { data: large }];
    const activation = { kind: 'topk', k: 3 } as const;
    const shared = { ...SETTINGS, dSae: 12, activation, normalize: 'expected_average_only_in', data: small } as const;
    const together = await trainSaes({ ...shared, vary });
    for (const [i, own] of vary.entries()) {
      const alone = await trainSae({ ...shared, ...own });
      expect(largestDifference(together[i]!.sae.encode(small).data, alone.sae.encode(small).data)).to.be.below(1e-4);
    }
    const [first, second] = together.map(({ sae }) => sae.config.inputScale);
    expect(first! / second!).to.be.closeTo(50, 1e-3);
  });

  it('are refused with AuxK where each sample is normalised by itself, as SAELens refuses them', async () => {
    const activation = { kind: 'topk', k: 3, auxK: {} } as const;
    const error = await trainSae({ ...SETTINGS, data: rows(1, 1), activation, normalize: 'layer_norm' }).catch(
      (reason: unknown) => reason,
    );
    expect(error).to.be.instanceOf(InvalidValueError);
    expect((error as Error).message).to.include('auxK does not go with normalize layer_norm');
    const unknown = { ...SETTINGS, data: rows(1, 1), activation, normalize: 'unit' as 'none' };
    expect(((await trainSae(unknown).catch((reason: unknown) => reason)) as Error).message).to.include(
      'choose from none',
    );
  });
});
