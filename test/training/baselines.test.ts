/** The baselines of "Sanity Checks for SAEs": decoders and encoders that stay where they start, or near. */
import { expect } from 'chai';
import { createRandomSource } from '../../src/data/random-source.ts';
import { sparseFeatures } from '../../src/data/sparse-features.ts';
import { InvalidValueError } from '../../src/errors.ts';
import { type HostTensor, hostTensor } from '../../src/tensor.ts';
import { trainSae, trainSaes } from '../../src/training/node.ts';
import type { SaeSettings } from '../../src/training/sae-settings.ts';

const [ROWS, WIDTH, LATENTS] = [500, 8, 12];
const random = createRandomSource(5);
const data = hostTensor(
  Float32Array.from({ length: ROWS * WIDTH }, () => random.normal()),
  [ROWS, WIDTH],
);
const SETTINGS: SaeSettings = {
  data,
  dSae: LATENTS,
  steps: 60,
  batchSize: 64,
  holdOut: 0,
  learningRate: 0.05,
  activation: { kind: 'topk', k: 3 },
};

/** Cosines of rows of one matrix with those of another. */
function cosines(a: HostTensor, b: HostTensor): number[] {
  const [rows, width] = a.shape as [number, number];
  return Array.from({ length: rows }, (_, i) => {
    const [x, y] = [a, b].map(({ data }) => data.slice(i * width, (i + 1) * width)) as [Float32Array, Float32Array];
    return x.reduce((sum, value, j) => sum + value * y[j]!, 0) / Math.hypot(...x) / Math.hypot(...y);
  });
}

describe('baselines that hold weights', () => {
  for (const decoder of ['reparametrise', 'renormalise', 'unprojected', 'free'] as const) {
    it(`keep the rows of a decoder that is ${decoder} within a cosine of their start, at it where they would leave it`, async () => {
      const { sae, start } = await trainSae({ ...SETTINGS, decoder, start: { holdDecoder: 0.8 } });
      const { sae: loose } = await trainSae({ ...SETTINGS, decoder });
      const held = cosines(sae.featureDirections(), start.featureDirections());
      expect(Math.min(...held)).to.be.closeTo(0.8, 1e-5);
      expect(Math.max(...held), 'one that never came to the edge').to.be.above(0.8001);
      expect(Math.min(...cosines(loose.featureDirections(), start.featureDirections()))).to.be.below(0.79);
      if (decoder === 'renormalise') {
        for (let i = 0; i < LATENTS; i++) {
          expect(Math.hypot(...sae.featureDirections().data.slice(i * WIDTH, (i + 1) * WIDTH))).to.be.closeTo(1, 1e-5);
        }
      }
    });
  }

  it('keep them in steps so large that only active latents would be touched', async () => {
    const wide = createRandomSource(6);
    const rows = Float32Array.from({ length: 512 * 64 }, () => wide.normal());
    const { sae, start } = await trainSae({
      ...SETTINGS,
      data: hostTensor(rows, [512, 64]),
      dSae: 512,
      start: { holdDecoder: 0.9 },
    });
    expect(Math.min(...cosines(sae.featureDirections(), start.featureDirections()))).to.be.closeTo(0.9, 1e-5);
  });

  it('side by side are each near their own start', async () => {
    const vary = [{ seed: 1 }, { seed: 2 }];
    const generated = sparseFeatures({ nFeatures: WIDTH, sparsity: 0.5 });
    const results = await trainSaes({ ...SETTINGS, data: generated, start: { holdDecoder: 0.9 }, vary });
    for (const { sae, start } of results) {
      expect(Math.min(...cosines(sae.featureDirections(), start.featureDirections()))).to.be.closeTo(0.9, 1e-5);
    }
  });

  it('leave the encoder, or the decoder, to the bit where it starts', async () => {
    const { sae, start } = await trainSae({ ...SETTINGS, start: { holdEncoder: true } });
    expect(sae.state.parameters['W_enc']!.data).to.deep.equal(start.state.parameters['W_enc']!.data);
    expect(sae.state.parameters['V']!.data).not.to.deep.equal(start.state.parameters['V']!.data);
    const decoder = await trainSae({ ...SETTINGS, start: { holdDecoder: true } });
    expect(decoder.sae.state.parameters['V']!.data).to.deep.equal(decoder.start.state.parameters['V']!.data);
  });

  it('refuse a cosine that is none', async () => {
    for (const holdDecoder of [1, 0, -0.5]) {
      await trainSae({ ...SETTINGS, start: { holdDecoder } }).then(
        () => expect.fail(`${holdDecoder} was taken`),
        error => expect(error).to.be.instanceOf(InvalidValueError),
      );
    }
  });
});
