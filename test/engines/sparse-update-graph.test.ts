import { expect } from 'chai';
import { createRandomSource } from '../../src/data/random-source.ts';
import { createOnnxRuntimeEngine } from '../../src/engines/onnxruntime.ts';
import { createSparseUpdateRunner } from '../../src/engines/sparse-update/runner.ts';
import type { AuxKOptions } from '../../src/models/architectures/aux-k.ts';
import type { ActivationConfig } from '../../src/models/architectures/registry.ts';
import type { DecoderForm } from '../../src/models/decoder.ts';
import { SparseAutoencoder } from '../../src/models/sparse-autoencoder.ts';
import { loadNodeRuntime } from '../../src/sessions/node.ts';
import { saeProgram } from '../training/sae-program.ts';
import { normals, uniforms } from './sparse-update-oracle.ts';

interface Settings {
  readonly activation: ActivationConfig;
  readonly decoder?: DecoderForm;
  readonly holdBias?: boolean;
  readonly clip?: number;
  readonly reconstructionLoss?: 'mean' | 'sum';
  /** Whether every fourth latent starts with an encoder row of zeros, and not with a b_enc too low. */
  readonly zeroRows?: boolean;
}

/** Dead latents that start with a b_enc too low to fire, and count as dead from the start or soon after. */
const revived = (kind: 'topk' | 'batchtopk', k?: number, form?: 'saelens'): ActivationConfig => ({
  kind,
  k: 5,
  auxK: reviving(k, form),
});
const reviving = (k?: number, form?: 'saelens'): AuxKOptions => ({
  deadAfter: 2,
  coefficient: 0.5,
  ...(k !== undefined && { k }),
  ...(form && { form }),
});

const CASES: readonly (readonly [string, Settings])[] = [
  ...(['topk', 'batchtopk'] as const).flatMap(kind =>
    (['reparametrise', 'renormalise', 'free'] as const).map(
      decoder => [`${kind}, ${decoder}`, { activation: { kind, k: 5 }, decoder }] as const,
    ),
  ),
  ...(['reparametrise', 'renormalise', 'free'] as const).map(
    decoder => [`relu, ${decoder}`, { activation: { kind: 'relu', l1: 0.03 }, decoder }] as const,
  ),
  ['relu without a penalty', { activation: { kind: 'relu' } }],
  ['topk, the bias held', { activation: { kind: 'topk', k: 5 }, holdBias: true }],
  ['relu, the bias held', { activation: { kind: 'relu', l1: 0.03 }, holdBias: true }],
  ['topk, dead latents revived', { activation: revived('topk') }],
  ['topk, more dead latents than are revived', { activation: revived('topk', 3) }],
  ['batchtopk, dead latents revived, free', { activation: revived('batchtopk', 7), decoder: 'free' }],
  [
    'topk, dead latents revived as SAELens does',
    { activation: revived('topk', undefined, 'saelens'), decoder: 'free' },
  ],
  [
    'topk, revived as SAELens does from pre-activations of 0',
    { activation: revived('topk', undefined, 'saelens'), zeroRows: true },
  ],
  // Fewer dead latents than k, more than half of d_in.
  ['topk, revived as SAELens does, all', { activation: revived('topk', 40, 'saelens') }],
  ['batchtopk, revived as SAELens does, few', { activation: revived('batchtopk', 7, 'saelens') }],
  ['topk, by norms', { activation: { kind: 'topk', k: 5, rescaleByDecoderNorm: true }, decoder: 'free' }],
  ['batchtopk, by norms', { activation: { kind: 'batchtopk', k: 5, rescaleByDecoderNorm: true }, decoder: 'free' }],
  ['topk, summed', { activation: { kind: 'topk', k: 5 }, reconstructionLoss: 'sum' }],
  ...(['reparametrise', 'renormalise', 'free'] as const).map(
    decoder => [`topk, clipped, ${decoder}`, { activation: { kind: 'topk', k: 5 }, decoder, clip: 0.1 }] as const,
  ),
  ...(['reparametrise', 'renormalise', 'free'] as const).map(
    decoder =>
      [
        `jumprelu, ${decoder}`,
        { activation: { kind: 'jumprelu', l0: 0.01, bandwidth: 0.5, threshold: 0.3 }, decoder },
      ] as const,
  ),
  ['jumprelu, to the input', { activation: { kind: 'jumprelu', l0: 0.01, bandwidth: 0.5, gradientToInput: true } }],
  ...(['sum', 'mean'] as const).map(
    prefixLosses =>
      [
        `matryoshka, ${prefixLosses}`,
        { activation: { kind: 'matryoshka', k: 5, widths: [7, 40, 71, 96], prefixLosses } },
      ] as const,
  ),
  [
    'matryoshka, by norms, free, clipped, summed',
    {
      activation: { kind: 'matryoshka', k: 5, widths: [50], rescaleByDecoderNorm: true },
      decoder: 'free',
      clip: 0.1,
      reconstructionLoss: 'sum',
    },
  ],
  ...([undefined, 'saelens'] as const).map(
    form =>
      [
        `matryoshka, dead latents revived, ${form ?? 'openai'}, mean`,
        { activation: { kind: 'matryoshka', k: 5, widths: [60], prefixLosses: 'mean', auxK: reviving(7, form) } },
      ] as const,
  ),
  ...(['topk', 'batchtopk'] as const).map(
    kind =>
      [
        `${kind}, dead by rate`,
        { activation: { kind, k: 5, auxK: { deadAfter: 2, deadBelow: 0.1, coefficient: 0.5 } } },
      ] as const,
  ),
  ['topk, dead latents revived, renormalise', { activation: revived('topk', 4), decoder: 'renormalise' }],
];

interface Way {
  readonly denseFrom?: number;
  readonly estimates: boolean;
}

/**
 * Latents are found from products of floats, or from estimates; those chosen by threshold, and dead ones, go as lists or through products of
 * matrices, as many as there are: each case in all ways.
 */
function inAllWays([name, settings]: (typeof CASES)[number]): (readonly [string, Settings, Way])[] {
  const { activation } = settings;
  const lists = (estimates: boolean): Way => ({ denseFrom: 2, estimates });
  const ways: (readonly [string, Settings, Way])[] = [
    [name, settings, lists(false)],
    [`${name}, by estimates`, settings, lists(true)],
  ];
  const isThreshold = !['topk', 'batchtopk', 'matryoshka'].includes(activation.kind);
  const revives = 'auxK' in activation && activation.auxK !== undefined;
  if (isThreshold || revives) ways.push([`${name}, products`, settings, { denseFrom: 0, estimates: false }]);
  if (revives) ways.push([`${name}, products, by estimates`, settings, { denseFrom: 0, estimates: true }]);
  return ways;
}

describe('the sparse update beside the recorded graph', () => {
  for (const [name, settings, way] of CASES.flatMap(inAllWays)) {
    it(`gives the same losses and state: ${name}`, async () => {
      const {
        activation,
        decoder = 'reparametrise',
        holdBias = false,
        zeroRows = false,
        reconstructionLoss = 'mean',
        clip = 0,
      } = settings;
      const config = { dIn: 21, dSae: 96, activation, decoder, reconstructionLoss };
      const random = uniforms(11);
      const steps = 5;
      const activations = normals(steps * 32 * 21, random);
      const sae = new SparseAutoencoder(config, createRandomSource(4), {
        ...(decoder === 'free' && { decoderNorm: 0.7, encoderNorm: 1 }),
      });
      const { program } = saeProgram(
        {
          batchSize: 32,
          start: { holdBias },
          clip,
          // Of fewer samples than the graph counts, so that both count the same.
          reports: { l0: true, deadAfter: 64 },
          // A larger eps than usual keeps Adam from turning rounding into whole steps where gradients vanish.
          optimizer: { learningRate: 1e-3, betas: [0.9, 0.999], eps: 1e-5 },
        },
        [sae],
      );
      // Every fourth latent never fires of itself, but for some rows that come near.
      const bias = program.state['parameters.b_enc']!.data;
      const encoder = program.state['parameters.W_enc']!.data;
      for (let latent = 0; latent < bias.length; latent += 4) {
        if (!zeroRows) bias[latent] = -1.5;
        else for (let at = latent; at < encoder.length; at += bias.length) encoder[at] = 0;
      }
      const graph = await createOnnxRuntimeEngine(await loadNodeRuntime()).prepare(program);
      const sparse = await createSparseUpdateRunner(program, { threads: 2, anySize: true, ...way });
      try {
        const expected = await graph.run(steps, { activations });
        const got = await sparse.run(steps, { activations });
        for (let step = 0; step < steps; step++) {
          expect(program.metrics).to.include.members(['l0', 'dead']);
          for (const name of program.metrics) {
            const value = expected[name]![step]!;
            expect(got[name]![step], `${name} ${step}`).to.be.closeTo(value, 1e-5 * Math.max(1, value));
          }
        }
        const [theirs, ours] = [await graph.read(), await sparse.read()];
        expect(Object.keys(ours)).to.have.members(Object.keys(theirs));
        for (const [entry, { shape, data }] of Object.entries(theirs)) {
          expect(ours[entry]!.shape, entry).to.deep.equal(shape);
          const worst = data.reduce((most, value, at) => Math.max(most, Math.abs(value - ours[entry]!.data[at]!)), 0);
          expect(worst, entry).to.be.below(1e-5);
        }
        const { auxK } = settings.activation as { readonly auxK?: AuxKOptions };
        if (auxK?.deadBelow !== undefined) {
          const rates = theirs['buffers.firing_rate']!.data;
          const rare = rates.filter(rate => rate < auxK.deadBelow!).length;
          expect(rare, 'dead latents').to.be.within(1, rates.length - 1);
          expect(theirs['buffers.window_steps']!.data[0], 'a window is under way').to.equal(1);
        } else if (auxK) {
          expect(Math.max(...theirs['buffers.silent']!.data), 'dead latents').to.be.above(2);
        }
      } finally {
        await graph.dispose();
        await sparse.dispose();
      }
    });
  }
});
