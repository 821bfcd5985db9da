/** The models and training steps that are checked, of sizes from toys to large autoencoders. All are drawn from seeds. */
import { createRandomSource } from '../../src/data/random-source.ts';
import { importanceDecayByRatio } from '../../src/data/schedules.ts';
import type { StepProgram } from '../../src/engines/engine.ts';
import { frozenSaeToOnnx } from '../../src/export/frozen-sae-onnx.ts';
import { ACTIVATIONS, saeTrainable } from '../../src/models/sae-trainable.ts';
import { SparseAutoencoder } from '../../src/models/sparse-autoencoder.ts';
import { ToyModel } from '../../src/models/toy-model.ts';
import { type HostTensor, hostTensor, sizeOf } from '../../src/tensor.ts';
import { toyModelTrainable } from '../../src/training/losses.ts';
import { adam } from '../../src/training/optimizers.ts';
import { descriptorOf } from '../../src/training/train-sae.ts';
import { stepOf } from '../reference/training-checks.ts';
import type { TrainingCase } from '../reference/training-file.ts';

/** The size of a TopK autoencoder. */
export interface TopKSize {
  readonly dIn: number;
  readonly dSae: number;
  readonly k: number;
}

/** The sizes of the frozen TopK autoencoders that are run. */
export const TOPK_SIZES: readonly TopKSize[] = [
  { dIn: 512, dSae: 4096, k: 32 },
  { dIn: 768, dSae: 16_384, k: 32 },
  { dIn: 512, dSae: 131_072, k: 32 },
];

/** A training step, and the batches of a few of them. */
export interface TrainingWork {
  readonly name: string;
  /** The autoencoder that PyTorch trains for comparison; undefined for toy models. */
  readonly sae?: TopKSize;
  make(): { readonly program: StepProgram; readonly batches: Readonly<Record<string, Float32Array>> };
}

/** How many steps have their losses compared. */
export const COMPARED_STEPS = 5;
/** Samples in a batch. */
export const BATCH_SIZE = 1024;
/** Adam's betas for the autoencoders. */
export const BETAS: readonly [number, number] = [0, 0.999];

/** All training steps that are checked. */
export const TRAINING_WORKS: readonly TrainingWork[] = [
  { name: 'toy model 5 → 2', make: toyModelWork },
  saeWork({ dIn: 2, dSae: 5, k: 1 }),
  saeWork({ dIn: 512, dSae: 4096, k: 32 }),
  saeWork({ dIn: 768, dSae: 16_384, k: 32 }),
  saeWork({ dIn: 1024, dSae: 32_768, k: 32 }),
];

function saeWork(size: TopKSize): TrainingWork {
  const { dIn, dSae, k } = size;
  return {
    name: `TopK ${dIn}/${dSae}`,
    sae: size,
    make() {
      const sae = new SparseAutoencoder({ dIn, dSae, activation: { kind: 'topk', k } }, createRandomSource(1));
      const optimizer = { name: 'adam', learningRate: 1e-3, betas: BETAS } as const;
      return made({
        model: saeTrainable(sae),
        state: sae.state,
        optimizer,
        batches: { [ACTIVATIONS]: normals(2, COMPARED_STEPS, BATCH_SIZE, dIn) },
        constants: { k },
        descriptor: descriptorOf(sae, { batchSize: BATCH_SIZE, optimizer: adam(optimizer).options }),
      });
    },
  };
}

function toyModelWork() {
  const model = new ToyModel({ nFeatures: 5, nHidden: 2 }, createRandomSource(1));
  return made({
    model: toyModelTrainable(model, importanceDecayByRatio(5, 0.9)),
    state: model.state,
    optimizer: { name: 'adamw', learningRate: 1e-3, weightDecay: 0.01 },
    batches: { [model.inputName]: normals(2, COMPARED_STEPS, BATCH_SIZE, 5) },
    constants: {},
    descriptor: undefined,
  });
}

function made(training: Omit<TrainingCase, 'expected' | 'outputsOf'>) {
  const batches = Object.entries(training.batches).map(([name, { data }]) => [name, data]);
  return { program: stepOf(training), batches: Object.fromEntries(batches) as Record<string, Float32Array> };
}

/**
 * A frozen TopK autoencoder. With `ties`, latents come in equal pairs and k is odd, so that the last place of every sample goes to one of two
 * equal values: ONNX's TopK takes the one of the lower index.
 */
export function topKModel({ dIn, dSae, k }: TopKSize, ties = false): Uint8Array {
  const encoder = normals(3, dIn, dSae);
  const decoder = normals(4, dSae, dIn);
  const { data } = encoder;
  for (let at = 0; at < data.length; at++) (data as Float32Array)[at]! /= Math.sqrt(dIn);
  if (ties) for (let at = 0; at < data.length; at += 2) (data as Float32Array)[at + 1] = data[at]!;
  return frozenSaeToOnnx({
    architecture: 'topk',
    dIn,
    dSae,
    dOut: dIn,
    k: ties ? k - 1 + (k % 2) : k,
    applyBDecToInput: true,
    normalizeActivations: 'none',
    transcoder: false,
    weights: { W_enc: encoder, b_enc: zeros(dSae), W_dec: decoder, b_dec: zeros(dIn) },
  });
}

function zeros(size: number): HostTensor {
  return hostTensor(new Float32Array(size), [size]);
}

/** Sums of four uniform draws: near enough to normal, and fast for a hundred million of them. */
export function normals(seed: number, ...shape: number[]): HostTensor {
  const data = new Float32Array(sizeOf(shape));
  let state = seed;
  for (let i = 0; i < data.length; i++) {
    let sum = 0;
    for (let draw = 0; draw < 4; draw++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
      sum += (state >>> 0) / 2 ** 32;
    }
    data[i] = (sum - 2) * Math.sqrt(3);
  }
  return { data, shape };
}
