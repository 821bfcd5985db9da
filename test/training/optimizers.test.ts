import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { InvalidValueError } from '../../src/errors.ts';
import { runEagerly } from '../../src/models/eager.ts';
import { type HostTensors, hostTensor } from '../../src/tensor.ts';
import { type AdamOptions, adam } from '../../src/training/optimizers.ts';

const START = [0.5, -1, 2, 0];

/** Gradients of every size, one of them zero at first. */
const gradientAt = (step: number): number[] => [
  Math.sin(step),
  1e-4 * Math.cos(step),
  30 / (step + 1),
  step < 3 ? 0 : -1,
];

function run(options: AdamOptions, steps: number, learningRateAt?: (step: number) => number): HostTensors {
  const optimizer = adam(options);
  const parameters = { p: hostTensor(START, [4]) };
  let state: HostTensors = { ...parameters, ...optimizer.init(parameters) };
  for (let step = 0; step < steps; step++) {
    state = runEagerly(
      ({ p, gradient, rate, ...moments }) => {
        const updated = optimizer.update({ p: p! }, { p: gradient! }, moments, rate);
        return { ...updated.parameters, ...updated.state };
      },
      {
        ...state,
        gradient: hostTensor(gradientAt(step), [4]),
        ...(learningRateAt && { rate: hostTensor([learningRateAt(step)], []) }),
      },
    );
  }
  return state;
}

/** Algorithms 1 of Kingma & Ba and 2 of Loshchilov & Hutter as they are printed, in float64. */
function published(
  options: Required<AdamOptions>,
  steps: number,
  learningRateAt = () => options.learningRate,
): number[] {
  const { betas, eps, weightDecay } = options;
  const [m, v, p] = [[0, 0, 0, 0], [0, 0, 0, 0], [...START]];
  for (let t = 1; t <= steps; t++) {
    const rate = learningRateAt();
    gradientAt(t - 1).forEach((g, i) => {
      m[i] = betas[0] * m[i]! + (1 - betas[0]) * g;
      v[i] = betas[1] * v[i]! + (1 - betas[1]) * g ** 2;
      const [mHat, vHat] = [m[i]! / (1 - betas[0] ** t), v[i]! / (1 - betas[1] ** t)];
      p[i] = p[i]! - rate * (mHat / (Math.sqrt(vHat) + eps) + weightDecay * p[i]!);
    });
  }
  return p;
}

describe('Adam and AdamW', () => {
  before(() => tf.setBackend('cpu'));

  const cases: AdamOptions[] = [
    {},
    { name: 'adamw' },
    { name: 'adamw', weightDecay: 0.3, learningRate: 0.02 },
    { learningRate: 0.005, betas: [0, 0.999] },
    { betas: [0.5, 0.9], eps: 1e-3, learningRate: 0.1 },
  ];
  for (const options of cases) {
    it(`follow the published algorithm: ${JSON.stringify(options)}`, () => {
      for (const steps of [1, 2, 3, 50, 300]) {
        const { p } = run(options, steps);
        published(adam(options).options, steps).forEach((value, i) => {
          expect(Math.abs(p!.data[i]! - value)).to.be.at.most(1e-5 * Math.max(1, Math.abs(value)));
        });
      }
    });
  }

  it('have PyTorch’s defaults', () => {
    expect(adam().options).to.deep.equal({
      name: 'adam',
      learningRate: 1e-3,
      betas: [0.9, 0.999],
      eps: 1e-8,
      weightDecay: 0,
    });
    expect(adam({ name: 'adamw' }).options.weightDecay).to.equal(0.01);
  });

  it('take the learning rate of each step where there is a schedule', () => {
    const constant = run({ learningRate: 0.01 }, 5);
    expect(run({ learningRate: 1 }, 5, () => 0.01)['p']!.data).to.deep.equal(constant['p']!.data);
    const stopped = run({}, 5, step => (step < 2 ? 1e-3 : 0));
    expect(stopped['p']!.data).to.deep.equal(run({}, 2)['p']!.data);
  });

  it('keep no first moment where β₁ is 0', () => {
    const parameters = { p: hostTensor(START, [4]) };
    expect(Object.keys(adam({ betas: [0, 0.999] }).init(parameters))).to.have.members(['c2', 'v.p']);
    expect(Object.keys(adam().init(parameters))).to.have.members(['c1', 'c2', 'm.p', 'v.p']);
  });

  it('refuse options outside their range', () => {
    const bad: [AdamOptions, string][] = [
      [{ learningRate: 0 }, 'learning rate must be positive, got 0'],
      [{ learningRate: Number.NaN }, 'learning rate'],
      [{ betas: [1, 0.9] }, 'betas must lie in [0, 1), got 1, 0.9'],
      [{ betas: [0.9, -0.1] }, 'betas'],
      [{ eps: 0 }, 'eps must be positive'],
      [{ name: 'adamw', weightDecay: -1 }, 'weight decay must be at least 0'],
      [{ weightDecay: 0.1 }, 'choose adamw'],
    ];
    for (const [options, message] of bad) expect(() => adam(options)).to.throw(InvalidValueError, message);
  });
});
