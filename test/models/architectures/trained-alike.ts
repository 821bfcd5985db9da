/** What training promises of every architecture: the same bits after a stop, and the same numbers side by side as alone. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { sparseFeatures } from '../../../src/data/sparse-features.ts';
import { toyModelActivations } from '../../../src/data/toy-model-activations.ts';
import type { ActivationConfig } from '../../../src/models/architectures/registry.ts';
import { trainSae, trainSaes } from '../../../src/training/node.ts';
import type { SaeSettings } from '../../../src/training/sae-settings.ts';
import { expectClose, normals } from '../tensors.ts';

/** Small, and with an ε that leaves gradients alone that are 0 but for rounding. */
export const SETTINGS = {
  data: toyModelActivations(normals([8, 4], 7), sparseFeatures({ nFeatures: 8, sparsity: 0.7 })),
  dSae: 12,
  start: { directions: 'gaussian', bias: 'zero' },
  optimizer: { learningRate: 0.01, betas: [0.9, 0.999], eps: 1e-3 },
  batchSize: 32,
  steps: 30,
  seed: 2,
} as const satisfies Omit<SaeSettings, 'activation'>;

/** Stops training at step 10 and goes on from the checkpoint: the state and the losses are those of a run that never stopped. */
export async function expectSameBitsResumed(activation: ActivationConfig): Promise<void> {
  const settings = { ...SETTINGS, activation };
  const checkpoint = await mkdtemp(join(tmpdir(), 'architecture-'));
  try {
    const whole = await trainSae(settings);
    const interruption = new AbortController();
    const stopped = await trainSae(settings, {
      checkpoint,
      signal: interruption.signal,
      stepsPerCall: 5,
      onProgress: ({ step }) => step >= 10 && interruption.abort(),
    });
    expect(stopped.sae.state).to.not.deep.equal(whole.sae.state);
    const resumed = await trainSae(settings, { checkpoint, resume: true });
    expect(resumed.sae.state).to.deep.equal(whole.sae.state);
    expect(resumed.history.loss).to.deep.equal(whole.history.loss);
  } finally {
    await rm(checkpoint, { recursive: true });
  }
}

/** Trains one for each of `activations` side by side, and each alone. */
export async function expectAsAlone(activations: readonly ActivationConfig[]): Promise<void> {
  const vary = activations.map((activation, seed) => ({ activation, seed, sampleSeed: 0 }));
  const together = await trainSaes({ ...SETTINGS, activation: activations[0]!, vary });
  for (const [i, own] of vary.entries()) {
    const alone = await trainSae({ ...SETTINGS, ...own });
    for (const part of ['parameters', 'buffers'] as const) {
      for (const [name, value] of Object.entries(alone.sae.state[part])) {
        expectClose(together[i]!.sae.state[part][name], value, 1e-5);
      }
    }
  }
}
