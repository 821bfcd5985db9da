/** What `train sae` says of an autoencoder at its end, and what it warns of. */
import { expect } from 'chai';
import { activationSource } from '../../src/data/activation-data.ts';
import { createRandomSource } from '../../src/data/random-source.ts';
import { type HeldOutScore, scoreHeldOut, warningsOf } from '../../src/experiments/held-out-score.ts';
import { scoreBesideTruth } from '../../src/experiments/truth-score.ts';
import type { FrozenSae } from '../../src/models/frozen-sae.ts';
import { filled, fromNested, type HostTensor, hostTensor, zeros } from '../../src/tensor.ts';

/** An autoencoder whose latents are the four axes and their opposites, shortened by `scale`, with W_enc along them. */
function axes(scale = 1): FrozenSae {
  const rows = Array.from({ length: 8 }, (_, i) =>
    Array.from({ length: 4 }, (_, j) => (i % 4 === j ? (i < 4 ? 1 : -1) : 0)),
  );
  const W_dec = fromNested(rows.map(row => row.map(value => scale * value)));
  const W_enc = hostTensor(
    Array.from({ length: 32 }, (_, at) => 2 * rows[at % 8]![Math.floor(at / 8)]!),
    [4, 8],
  );
  return {
    architecture: 'standard',
    dIn: 4,
    dSae: 8,
    dOut: 4,
    applyBDecToInput: true,
    normalizeActivations: 'none',
    transcoder: false,
    weights: {
      W_enc,
      W_dec: { ...W_dec, data: W_dec.data.map(value => value / 2) },
      b_enc: zeros([8]),
      b_dec: zeros([4]),
    },
  };
}

async function score(sae: FrozenSae, rows: HostTensor): Promise<HeldOutScore> {
  await using opened = await activationSource(rows).open({ seed: 0, batchSize: 10, holdOut: 0.5 });
  return (await scoreHeldOut(sae, opened, { dictionary: true }))!;
}

describe('the score on held-out activations', () => {
  const random = createRandomSource(1);
  const rows = hostTensor(
    Float32Array.from({ length: 400 * 4 }, () => random.normal()),
    [400, 4],
  );

  it('has closed forms for an autoencoder of axes', async () => {
    const perfect = await score(axes(), rows);
    expect(perfect.samples).to.equal(200);
    expect(perfect.explained_variance).to.be.closeTo(1, 1e-6);
    expect(perfect.shrinkage).to.be.closeTo(1, 1e-6);
    expect(perfect.relative_reconstruction_bias).to.be.closeTo(1, 1e-6);
    // Each sample has one of each pair of opposite latents.
    expect([perfect.l0, perfect.l0_distribution.p5, perfect.l0_distribution.p95]).to.deep.equal([4, 4, 4]);
    // Of 28 pairs four are opposite, |cos| = 1.
    expect(perfect.dictionary!.c_dec).to.deep.equal({ mean: 4 / 28, latents: 8 });
    expect(perfect.dictionary!.encoder_decoder_cosine!.mean).to.be.closeTo(1, 1e-6);
    expect(perfect.dictionary!.s_dec!.samples).to.equal(200);
    // Half of all projections are positive: the median of |normal| is .6745, and at n = 4 they end.
    expect(Object.keys(perfect.dictionary!.s_dec!.by_n)).to.deep.equal(['1', '2', '4']);
    expect(perfect.dictionary!.s_dec!.by_n['2']).to.be.closeTo(0.6745, 0.08);
    expect(perfect.dictionary!.s_dec!.by_n['4']).to.be.closeTo(0, 0.02);
    expect(warningsOf(perfect, { dSae: 8 })).to.deep.equal([]);
    const short = await score(axes(0.7), rows);
    expect(short.shrinkage).to.be.closeTo(0.7, 1e-6);
    expect(short.relative_reconstruction_bias).to.be.closeTo(0.7, 1e-6);
  });

  it('warns of what is undefined and of what was not learned', async () => {
    const constant = await score(axes(), filled([40, 4], 2));
    expect(constant.explained_variance).to.equal(null);
    expect(warningsOf(constant, { dSae: 8 }).join()).to.match(/do not vary.*undefined/);
    const dead = { ...axes(), weights: { ...axes().weights, b_enc: filled([8], -100) } };
    const silent = await score(dead, rows);
    expect(silent.relative_reconstruction_bias).to.equal(null);
    expect(silent.shrinkage).to.equal(0);
    expect(warningsOf(silent, { dSae: 8 }).join()).to.include('no latent fired on any of 200 held-out samples');
    const wild = await score(axes(-5), rows);
    expect(wild.explained_variance).to.be.closeTo(-35, 1);
    expect(warningsOf(wild, { dSae: 8 }).join()).to.include('learned nothing');
    expect(warningsOf({ ...wild, explained_variance: 0.5, never_fired: 5 }, { dSae: 8 })).to.deep.equal([
      '5 of 8 latents fired on none of 200 held-out samples',
    ]);
  });

  it('beside the truth is perfect for the truth, and half as unique with every feature twice', () => {
    const trueDirections = fromNested([
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ]);
    const trueFeatures = fromNested([
      [1, 0, 0],
      [0, 2, 0],
      [0, 0, 3],
      [1, 1, 0],
    ]);
    const samples = { trueDirections, trueFeatures, activations: trueFeatures, reconstruction: trueFeatures };
    const truth = scoreBesideTruth({ ...samples, directions: trueDirections, features: trueFeatures });
    expect(truth).to.deep.equal({
      mcc: 1,
      uniqueness: 1,
      latent_f1: 1,
      latent_precision: 1,
      latent_recall: 1,
      shrinkage: 1,
    });
    const twice = fromNested([
      [1, 0, 0],
      [1, 0, 0],
      [0, 1, 0],
      [0, 1, 0],
      [0, 0, 1],
      [0, 0, 1],
    ]);
    // The second of each pair never fires.
    const features = {
      data: Float32Array.from({ length: 24 }, (_, i) => (i % 2 ? 0 : trueFeatures.data[i / 2]!)),
      shape: [4, 6],
    };
    const doubled = scoreBesideTruth({ ...samples, directions: twice, features });
    expect([doubled.mcc, doubled.uniqueness, doubled.latent_f1]).to.deep.equal([1, 0.5, 0.5]);
  });
});
