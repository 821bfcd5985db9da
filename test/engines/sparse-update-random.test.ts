/** Sizes and settings that nobody thought of, drawn at random: the sparse update must give what the recorded graph gives. */
import { expect } from 'chai';
import { createRandomSource } from '../../src/data/random-source.ts';
import { createOnnxRuntimeEngine } from '../../src/engines/onnxruntime.ts';
import { createSparseUpdateRunner } from '../../src/engines/sparse-update/runner.ts';
import type { ActivationConfig } from '../../src/models/architectures/registry.ts';
import type { DecoderForm } from '../../src/models/decoder.ts';
import { SparseAutoencoder } from '../../src/models/sparse-autoencoder.ts';
import { loadNodeRuntime } from '../../src/sessions/node.ts';
import type { AdamOptions } from '../../src/training/optimizers.ts';
import { saeProgram } from '../training/sae-program.ts';
import { normals, uniforms } from './sparse-update-oracle.ts';

/** More of them find more: MONOSEMANTIC_RANDOM_STEPS=1000. */
const DRAWS = Number(process.env['MONOSEMANTIC_RANDOM_STEPS'] ?? 60);
const STEPS = 4;
const TOLERANCE = 2e-4;

type Random = ReturnType<typeof createRandomSource>;

const whole = (random: Random, from: number, to: number): number =>
  from + Math.floor(random.uniform() * (to - from + 1));
const pick = <const Choice>(random: Random, ...choices: readonly Choice[]): Choice =>
  choices[whole(random, 0, choices.length - 1)]!;
const chance = (random: Random, share: number): boolean => random.uniform() < share;

function drawActivation(random: Random, dSae: number, batchSize: number, decoder: DecoderForm): ActivationConfig {
  const kind = pick(random, 'topk', 'batchtopk', 'matryoshka', 'relu', 'jumprelu');
  if (kind === 'relu') return { kind, l1: pick(random, 0, 0.01, 0.1) };
  if (kind === 'jumprelu') {
    const [l0, bandwidth, threshold] = [pick(random, 0, 0.01, 0.1), pick(random, 0.1, 0.5), pick(random, 0.05, 0.3, 1)];
    return { kind, l0, bandwidth, threshold, gradientToInput: chance(random, 0.3) };
  }
  const most = Math.min(dSae, pick(random, 3, 10, 60, dSae));
  // Of a batch, k need not be whole; at least one latent is chosen.
  const k = kind === 'topk' ? whole(random, 1, most) : Math.max(1.01 / batchSize, random.uniform() * most);
  const common = {
    k,
    ...(decoder === 'free' && chance(random, 0.6) && { rescaleByDecoderNorm: true }),
    ...(chance(random, 0.6) && {
      auxK: {
        deadAfter: whole(random, 1, 3),
        coefficient: pick(random, 0.5, 1 / 32),
        form: pick(random, 'openai', 'saelens'),
        ...(chance(random, 0.5) && { k: whole(random, 1, Math.max(1, dSae >> 1)) }),
        ...(chance(random, 0.3) && { deadBelow: 0.1 }),
      },
    }),
  };
  if (kind !== 'matryoshka') return { kind, ...common } as ActivationConfig;
  const widths = new Set([dSae, ...Array.from({ length: whole(random, 0, 4) }, () => whole(random, 1, dSae))]);
  return {
    kind,
    ...common,
    widths: [...widths].sort((a, b) => a - b),
    prefixLosses: pick(random, 'sum', 'mean'),
  };
}

/** Everything of a step and of how it is taken. */
function draw(seed: number) {
  const random = createRandomSource(seed);
  const isLarge = chance(random, 0.25);
  const dIn = isLarge ? whole(random, 100, 400) : whole(random, 1, 70);
  const dSae = isLarge ? whole(random, 200, 1500) : whole(random, 1, 260);
  const batchSize = isLarge ? whole(random, 1, 300) : whole(random, 1, 90);
  const decoder = pick<DecoderForm>(random, 'reparametrise', 'renormalise', 'free');
  const betas = [pick(random, 0, 0.9), 0.999] as const;
  const adam = { learningRate: 1e-3, betas, eps: 1e-5 };
  return {
    config: {
      dIn,
      dSae,
      activation: drawActivation(random, dSae, batchSize, decoder),
      decoder,
      reconstructionLoss: pick(random, 'mean', 'sum'),
    },
    norms: decoder === 'free' ? { decoderNorm: pick(random, 0.1, 1), encoderNorm: pick(random, 0.3, 1) } : {},
    batchSize,
    clip: chance(random, 0.4) ? pick(random, 0.1, 1, 100) : 0,
    holdBias: chance(random, 0.2),
    optimizer: (chance(random, 0.5)
      ? { name: 'adamw', weightDecay: 0.1, ...adam }
      : { name: 'adam', ...adam }) as AdamOptions,
    /** Of b_enc; and whether every fourth latent is far below all that fire. */
    shift: pick(random, 0, -0.5, -1.5),
    hasDead: chance(random, 0.5),
    way: {
      threads: whole(random, 1, 4),
      estimates: chance(random, 0.5),
      denseFrom: pick(random, 0, 0.2, 2),
    },
  };
}

describe('the sparse update of steps drawn at random', () => {
  it(`gives what the recorded graph gives, ${DRAWS} times`, async () => {
    const engine = createOnnxRuntimeEngine(await loadNodeRuntime());
    for (let seed = 0; seed < DRAWS; seed++) {
      const drawn = draw(seed);
      const { config, norms, batchSize, clip, holdBias, optimizer, shift, hasDead, way } = drawn;
      const sae = new SparseAutoencoder(config, createRandomSource(seed), norms);
      const { program } = saeProgram(
        {
          batchSize,
          clip,
          start: { holdBias },
          optimizer,
          // The graph counts active latents of 64 samples.
          reports: { l0: batchSize <= 64, ...(sae.countsFiring && { deadAfter: 2 * batchSize }) },
        },
        [sae],
      );
      const bias = program.state['parameters.b_enc']!.data;
      for (let latent = 0; latent < bias.length; latent++) {
        bias[latent] = hasDead && latent % 4 === 0 ? -1.5 * Math.sqrt(config.dIn) : shift;
      }
      const activations = normals(STEPS * batchSize * config.dIn, uniforms(seed));
      const graph = await engine.prepare(program);
      const sparse = await createSparseUpdateRunner(program, { anySize: true, ...way });
      try {
        const [expected, got] = [await graph.run(STEPS, { activations }), await sparse.run(STEPS, { activations })];
        const told = (what: string): string => `${what} of draw ${seed}: ${JSON.stringify(drawn)}`;
        for (const metric of program.metrics) {
          for (let step = 0; step < STEPS; step++) {
            const value = expected[metric]![step]!;
            // One sample's latent may lie on a threshold.
            const tolerance = metric === 'l0' ? 1.5 / batchSize : TOLERANCE * Math.max(1, Math.abs(value));
            expect(got[metric]![step], told(`${metric} ${step}`)).to.be.closeTo(value, tolerance);
          }
        }
        const [theirs, ours] = [await graph.read(), await sparse.read()];
        for (const [entry, { data }] of Object.entries(theirs)) {
          const own = ours[entry]!.data;
          const worst = data.reduce((most, value, at) => Math.max(most, Math.abs(value - own[at]!)), 0);
          const scale = data.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
          expect(worst / scale, told(entry)).to.be.at.most(TOLERANCE);
        }
      } finally {
        await graph.dispose();
        await sparse.dispose();
      }
    }
  });
});
