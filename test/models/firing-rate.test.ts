/** How often latents fire: counted by hand. */
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { runEagerly } from '../../src/models/eager.ts';
import { countedFiring, firingRateBuffers } from '../../src/models/firing-rate.ts';
import { type HostTensors, hostTensor } from '../../src/tensor.ts';
import { stackStates } from '../../src/training/side-by-side.ts';

/** Batches of four samples of three latents. */
const BATCHES = [
  [1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0],
  [1, 0, 0, 2, 0, 0, 3, 0, 0, 4, 0, 5],
  [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0],
];

function counted(buffers: HostTensors, batch: readonly number[], lead: readonly number[] = []): HostTensors {
  const features = hostTensor(batch, [...lead, 4, 3]);
  return runEagerly(({ input, ...given }) => countedFiring(given, input!, 2), { ...buffers, input: features });
}

describe('the firing rate', () => {
  before(() => tf.setBackend('cpu'));

  it('is the share of samples of the last whole window, and 1 before there is one', () => {
    let buffers = firingRateBuffers(3);
    const rates = BATCHES.map(batch => {
      buffers = counted(buffers, batch);
      return [...buffers['firing_rate']!.data];
    });
    expect(rates).to.deep.equal([
      [1, 1, 1],
      [6 / 8, 0, 1 / 8],
      [6 / 8, 0, 1 / 8],
    ]);
    expect([...counted(buffers, BATCHES[0]!)['firing_rate']!.data]).to.deep.equal([2 / 8, 1 / 8, 0]);
  });

  it('is each instance’s own side by side', () => {
    const one = firingRateBuffers(3);
    let { buffers } = stackStates([
      { parameters: {}, buffers: one },
      { parameters: {}, buffers: one },
    ]);
    for (const [a, b] of [
      [0, 1],
      [1, 2],
    ] as const)
      buffers = counted(buffers, [...BATCHES[a]!, ...BATCHES[b]!], [2]);
    expect([...buffers['firing_rate']!.data]).to.deep.equal([6 / 8, 0, 1 / 8, 4 / 8, 1 / 8, 1 / 8]);
  });
});
