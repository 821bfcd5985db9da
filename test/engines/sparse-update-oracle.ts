/** A sparse autoencoder's training step written densely in float64, with nothing in common with what it checks. */
import type { StepDescriptor, StepProgram } from '../../src/engines/engine.ts';
import { type HostTensor, type HostTensors, hostTensor } from '../../src/tensor.ts';

/** Deterministic uniform numbers on [0, 1) (mulberry32). */
export function uniforms(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** `count` numbers of mean 0 and standard deviation about 1. */
export function normals(count: number, random: () => number): Float32Array {
  return Float32Array.from({ length: count }, () => 2 * (random() + random() + random() - 1.5));
}

export function describeStep(
  sizes: Pick<StepDescriptor, 'dIn' | 'dSae' | 'batchSize'> & { readonly k: number },
  options: {
    readonly kind?: 'topk' | 'batchtopk';
    readonly decoder?: StepDescriptor['decoder'];
    readonly optimizer?: Partial<StepDescriptor['optimizer']>;
  } = {},
): StepDescriptor {
  const { k, ...dimensions } = sizes;
  return {
    kind: 'sparse-autoencoder',
    activation: { kind: options.kind ?? 'topk', k },
    decoder: options.decoder ?? 'reparametrise',
    transcoder: false,
    skip: false,
    reconstructionLoss: 'mean',
    held: [],
    scalars: [],
    countsFiring: false,
    dOut: sizes.dIn,
    optimizer: {
      name: 'adam',
      learningRate: 0.005,
      betas: [0.9, 0.999],
      eps: 1e-8,
      weightDecay: 0,
      ...options.optimizer,
    },
    ...dimensions,
  };
}

/** The state before the first step: given parameters, zero moments. */
export function initialState(descriptor: StepDescriptor, parameters: HostTensors): HostTensors {
  const hasMomentum = descriptor.optimizer.betas[0] !== 0;
  const state: Record<string, HostTensor> = { 'optimizer.c2': hostTensor([0], []) };
  if (hasMomentum) state['optimizer.c1'] = hostTensor([0], []);
  for (const [name, tensor] of Object.entries(parameters)) {
    const zeros = () => hostTensor(new Float32Array(tensor.data.length), tensor.shape);
    state[`parameters.${name}`] = tensor;
    if (hasMomentum) state[`optimizer.m.${name}`] = zeros();
    state[`optimizer.v.${name}`] = zeros();
  }
  if (['batchtopk', 'matryoshka'].includes(descriptor.activation['kind'] as string)) {
    state['buffers.threshold'] = hostTensor([0], []);
    state['buffers.steps'] = hostTensor([0], []);
  }
  return state;
}

/** Random parameters; decoder rows of unit norm where they must be. */
export function randomParameters({ dIn, dSae, decoder }: StepDescriptor, random: () => number): HostTensors {
  const rows = normals(dSae * dIn, random);
  const encoder = new Float32Array(dIn * dSae);
  for (let latent = 0; latent < dSae; latent++) {
    const row = rows.subarray(latent * dIn, (latent + 1) * dIn);
    const norm = Math.hypot(...row);
    for (let i = 0; i < dIn; i++) encoder[i * dSae + latent] = row[i]! / norm;
    if (decoder === 'renormalise') for (let i = 0; i < dIn; i++) row[i]! /= norm;
  }
  return {
    [decoder === 'renormalise' ? 'W_dec' : 'V']: hostTensor(rows, [dSae, dIn]),
    W_enc: hostTensor(encoder, [dIn, dSae]),
    b_enc: hostTensor(
      normals(dSae, random).map(value => value * 0.05),
      [dSae],
    ),
    b_dec: hostTensor(
      normals(dIn, random).map(value => value * 0.1),
      [dIn],
    ),
  };
}

/** A program whose step is known by its descriptor alone: nothing here may call the function. */
export function describedProgram(descriptor: StepDescriptor, state: HostTensors): StepProgram {
  return {
    step: () => {
      throw new Error('the step was called instead of accelerated');
    },
    state,
    batch: { activations: [descriptor.batchSize, descriptor.dIn] },
    metrics: ['loss'],
    descriptor,
  };
}

/** Steps `state` (plain arrays by name, changed in place) on one batch; the loss before the update. */
export function denseStep(
  descriptor: StepDescriptor,
  state: Record<string, number[]>,
  batch: ArrayLike<number>,
): number {
  const { dIn, dSae, batchSize, decoder, activation, optimizer } = descriptor;
  const decoderName = decoder === 'reparametrise' ? 'V' : 'W_dec';
  const V = state[`parameters.${decoderName}`]!;
  const encoder = state['parameters.W_enc']!;
  const encoderBias = state['parameters.b_enc']!;
  const decoderBias = state['parameters.b_dec']!;
  const norms = Array.from({ length: dSae }, (_, j) =>
    decoder === 'reparametrise' ? Math.hypot(...V.slice(j * dIn, (j + 1) * dIn)) : 1,
  );
  const weight = (j: number, i: number) => V[j * dIn + i]! / norms[j]!;

  const scores: number[] = [];
  for (let b = 0; b < batchSize; b++) {
    for (let j = 0; j < dSae; j++) {
      let sum = encoderBias[j]!;
      for (let i = 0; i < dIn; i++) sum += (batch[b * dIn + i]! - decoderBias[i]!) * encoder[i * dSae + j]!;
      scores.push(sum);
    }
  }
  const features = selectDense(scores, descriptor);
  const active = features.filter(value => value > 0);

  const gradient: number[] = [];
  let squares = 0;
  for (let b = 0; b < batchSize; b++) {
    for (let i = 0; i < dIn; i++) {
      let sum = decoderBias[i]!;
      for (let j = 0; j < dSae; j++) {
        const value = features[b * dSae + j]!;
        if (value > 0) sum += value * weight(j, i);
      }
      const error = sum - batch[b * dIn + i]!;
      squares += error ** 2;
      gradient.push((2 * error) / (batchSize * dIn));
    }
  }

  const decoderGradient = new Array<number>(dSae * dIn).fill(0);
  const encoderGradient = new Array<number>(dSae * dIn).fill(0);
  const encoderBiasGradient = new Array<number>(dSae).fill(0);
  const decoderBiasGradient = new Array<number>(dIn).fill(0);
  for (let b = 0; b < batchSize; b++) {
    for (let i = 0; i < dIn; i++) decoderBiasGradient[i]! += gradient[b * dIn + i]!;
    for (let j = 0; j < dSae; j++) {
      const value = features[b * dSae + j]!;
      if (!(value > 0)) continue;
      let featureGradient = 0;
      for (let i = 0; i < dIn; i++) {
        featureGradient += gradient[b * dIn + i]! * weight(j, i);
        decoderGradient[j * dIn + i]! += value * gradient[b * dIn + i]!;
      }
      encoderBiasGradient[j]! += featureGradient;
      for (let i = 0; i < dIn; i++) {
        encoderGradient[i * dSae + j]! += featureGradient * (batch[b * dIn + i]! - decoderBias[i]!);
        decoderBiasGradient[i]! -= featureGradient * encoder[i * dSae + j]!;
      }
    }
  }
  for (let j = 0; j < dSae; j++) {
    let along = 0;
    for (let i = 0; i < dIn; i++) along += decoderGradient[j * dIn + i]! * weight(j, i);
    for (let i = 0; i < dIn; i++) {
      decoderGradient[j * dIn + i] = (decoderGradient[j * dIn + i]! - along * weight(j, i)) / norms[j]!;
    }
  }

  const [beta1, beta2] = optimizer.betas;
  const advance = (correction: number[], beta: number): number => {
    correction[0] = correction[0]! * beta + (1 - beta);
    return correction[0];
  };
  const c2 = advance(state['optimizer.c2']!, beta2);
  const c1 = beta1 === 0 ? 1 : advance(state['optimizer.c1']!, beta1);
  const gradients = {
    [decoderName]: decoderGradient,
    W_enc: encoderGradient,
    b_enc: encoderBiasGradient,
    b_dec: decoderBiasGradient,
  };
  for (const [name, g] of Object.entries(gradients)) {
    const p = state[`parameters.${name}`]!;
    const m = state[`optimizer.m.${name}`];
    const v = state[`optimizer.v.${name}`]!;
    for (let at = 0; at < p.length; at++) {
      let direction = g[at]!;
      if (m) direction = m[at] = beta1 * m[at]! + (1 - beta1) * direction;
      v[at] = beta2 * v[at]! + (1 - beta2) * g[at]! ** 2;
      p[at]! *= 1 - optimizer.learningRate * optimizer.weightDecay;
      p[at]! -= (optimizer.learningRate * (direction / c1)) / (Math.sqrt(v[at]! / c2) + optimizer.eps);
    }
  }
  if (decoder === 'renormalise') {
    for (let j = 0; j < dSae; j++) {
      const norm = Math.hypot(...V.slice(j * dIn, (j + 1) * dIn));
      for (let i = 0; i < dIn; i++) V[j * dIn + i]! /= norm;
    }
  }
  if (activation['kind'] === 'batchtopk') moveThreshold(state, active.length > 0 ? Math.min(...active) : 0);
  return squares / (batchSize * dIn);
}

/** Features [batch, d_sae]: the largest positive scores of each row or of the batch, the first of equals. */
function selectDense(scores: readonly number[], { dSae, batchSize, activation }: StepDescriptor): number[] {
  const features = new Array<number>(scores.length).fill(0);
  const k = Number(activation['k']);
  const take = (from: number, to: number, count: number) => {
    const order = Array.from({ length: to - from }, (_, at) => from + at);
    order.sort((a, b) => scores[b]! - scores[a]! || a - b);
    for (const at of order.slice(0, count)) features[at] = Math.max(0, scores[at]!);
  };
  if (activation['kind'] === 'batchtopk') take(0, scores.length, Math.floor(k * batchSize));
  else for (let b = 0; b < batchSize; b++) take(b * dSae, (b + 1) * dSae, k);
  return features;
}

function moveThreshold(state: Record<string, number[]>, smallest: number): void {
  const threshold = state['buffers.threshold']!;
  if (smallest > 0) threshold[0] = threshold[0] === 0 ? smallest : 0.99 * threshold[0]! + 0.01 * smallest;
  state['buffers.steps']![0]!++;
}

/** Plain arrays of a state, for `denseStep` to change. */
export function plainState(state: HostTensors): Record<string, number[]> {
  return Object.fromEntries(Object.entries(state).map(([name, { data }]) => [name, Array.from(data)]));
}
