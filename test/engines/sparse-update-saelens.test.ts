/**
 * The sparse update beside SAELens's own trainer (float64): free decoder rows, the gradient clipped to norm 1, a sum over d_in, scheduled
 * learning rates and coefficients, and dead latents that are revived.
 */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import type { StepDescriptor, StepProgram } from '../../src/engines/engine.ts';
import { createSparseUpdateRunner } from '../../src/engines/sparse-update/runner.ts';
import { fromNested, type HostTensors, type NestedArray, zeros } from '../../src/tensor.ts';
import { describedProgram, initialState } from './sparse-update-oracle.ts';

interface Case {
  readonly config: {
    readonly d_in: number;
    readonly d_sae: number;
    readonly k: number;
    readonly rescale_acts_by_decoder_norm: boolean;
    readonly aux_loss_coefficient: number;
    readonly l1_coefficient: number;
    readonly l0_coefficient: number;
    readonly jumprelu_bandwidth: number;
    readonly jumprelu_ste_to_input: boolean;
    readonly matryoshka_widths?: readonly number[];
  };
  readonly dead_feature_window: number;
  readonly gradient_clip_norm: number;
  readonly optimizer: { readonly lr: number; readonly betas: [number, number]; readonly eps: number };
  readonly inputs: { readonly start: Readonly<Record<string, NestedArray>>; readonly batches: readonly NestedArray[] };
  readonly expected: {
    readonly steps: readonly {
      readonly learning_rate: number;
      readonly coefficients: Readonly<Record<string, number>>;
      readonly dead: number;
      readonly loss: number;
      readonly gradient_norm: number;
      readonly losses: Readonly<Record<string, number>>;
    }[];
    readonly parameters_after: Readonly<Record<string, Readonly<Record<string, NestedArray>>>>;
  };
}

function activationOf(architecture: string, { config, dead_feature_window }: Case): StepDescriptor['activation'] {
  switch (architecture) {
    case 'standard':
      return { kind: 'relu', l1: config.l1_coefficient };
    case 'jumprelu':
      return {
        kind: 'jumprelu',
        sparsityLoss: 'step',
        l0: config.l0_coefficient,
        bandwidth: config.jumprelu_bandwidth,
        gradientToInput: config.jumprelu_ste_to_input,
      };
    default:
      return {
        kind: config.matryoshka_widths ? 'matryoshka' : architecture,
        ...(config.matryoshka_widths && { widths: config.matryoshka_widths, prefixLosses: 'sum' }),
        k: config.k,
        rescaleByDecoderNorm: config.rescale_acts_by_decoder_norm,
        // Dead is what was silent for strictly more than the window.
        auxK: { form: 'saelens', coefficient: config.aux_loss_coefficient, deadAfter: dead_feature_window + 1 },
      };
  }
}

function programOf(architecture: string, given: Case): StepProgram {
  const { config, inputs, optimizer } = given;
  const batchSize = inputs.batches[0]!.length;
  const activation = activationOf(architecture, given);
  const revived = activation['auxK'] !== undefined;
  const descriptor: StepDescriptor = {
    kind: 'sparse-autoencoder',
    activation,
    decoder: 'free',
    transcoder: false,
    skip: false,
    reconstructionLoss: 'sum',
    clip: given.gradient_clip_norm,
    held: [],
    scalars: [
      'learning_rate',
      ...(architecture === 'standard' ? ['l1'] : []),
      ...(architecture === 'jumprelu' ? ['l0'] : []),
    ],
    countsFiring: revived,
    optimizer: { name: 'adam', learningRate: optimizer.lr, betas: optimizer.betas, eps: optimizer.eps, weightDecay: 0 },
    dIn: config.d_in,
    dSae: config.d_sae,
    dOut: config.d_in,
    batchSize,
  };
  const parameters: HostTensors = Object.fromEntries(
    Object.entries(inputs.start).map(([name, values]) => [name, fromNested(values)]),
  );
  const state = initialState(descriptor, parameters);
  return {
    ...describedProgram(descriptor, revived ? { ...state, 'buffers.silent': zeros([config.d_sae]) } : state),
    batch: {
      activations: [batchSize, config.d_in],
      learning_rate: [],
      ...(architecture === 'standard' && { l1: [] }),
      ...(architecture === 'jumprelu' && { l0: [] }),
    },
    metrics: ['loss', ...Object.keys(termsOf(config)).map(term => `losses.${term}`)],
  };
}

/** SAELens's names of the terms. */
function termsOf({ matryoshka_widths = [] }: Case['config']): Readonly<Record<string, string>> {
  const inner = matryoshka_widths.slice(0, -1).map(width => [`mse_${width}`, `inner_mse_loss_${width}`]);
  return {
    mse: 'mse_loss',
    l1: 'l1_loss',
    l0: 'l0_loss',
    aux_k: 'auxiliary_reconstruction_loss',
    ...Object.fromEntries(inner),
  };
}

describe('the sparse update beside SAELens', () => {
  for (const name of [
    'standard',
    'topk',
    'topk-not-rescaled',
    'topk-gradients-about-1',
    'batchtopk',
    'matryoshka',
    'jumprelu-step',
    'jumprelu-threshold-at-zero',
  ]) {
    // With .3 some steps go as lists and some through products of whole matrices.
    for (const [threads, denseFrom, estimates] of [
      [1, 2, false],
      [3, 2, false],
      [2, 2, true],
      [2, 0, false],
      [2, 0.3, true],
    ] as const) {
      it(`trains as its trainer does: ${name}, ${threads} threads, dense from ${denseFrom}${estimates ? ', by estimates' : ''}`, async () => {
        const file = new URL(`../reference/saelens-training/${name}.json`, import.meta.url);
        const given = JSON.parse(readFileSync(file, 'utf8')) as Case & { readonly architecture: string };
        const { architecture, inputs, expected } = given;
        const program = programOf(architecture, given);
        const runner = await createSparseUpdateRunner(program, { threads, anySize: true, denseFrom, estimates });
        try {
          for (const [at, step] of expected.steps.entries()) {
            const { coefficients } = step;
            const reported = await runner.run(1, {
              activations: fromNested(inputs.batches[at % inputs.batches.length]!).data,
              learning_rate: Float32Array.of(step.learning_rate),
              ...(architecture === 'standard' && { l1: Float32Array.of(coefficients['l1']!) }),
              ...(architecture === 'jumprelu' && { l0: Float32Array.of(coefficients['l0']!) }),
            });
            const what = `${name} at step ${at}`;
            expect(reported['loss']![0], `loss of ${what}`).to.be.closeTo(step.loss, 2e-5 * Math.max(1, step.loss));
            for (const [term, theirs] of Object.entries(termsOf(given.config))) {
              const value = step.losses[theirs] ?? 0;
              const tolerance = 2e-5 * Math.max(1, value);
              expect(reported[`losses.${term}`]![0], `${term} of ${what}`).to.be.closeTo(value, tolerance);
            }
            const after = expected.parameters_after[at + 1];
            if (!after) continue;
            const state = await runner.read();
            for (const parameter of Object.keys(inputs.start)) {
              const theirs = fromNested(after[parameter]!).data;
              const ours = state[`parameters.${parameter}`]!.data;
              for (let i = 0; i < theirs.length; i++) {
                expect(ours[i], `${parameter}[${i}] of ${what}`).to.be.closeTo(theirs[i]!, 2e-5);
              }
            }
          }
          // Each case is worth its name: it clips, and has dead latents where it revives them.
          expect(Math.max(...expected.steps.map(({ gradient_norm }) => gradient_norm))).to.be.above(1);
        } finally {
          await runner.dispose();
        }
      });
    }
  }
});
