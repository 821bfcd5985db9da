import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { compileKernel, GENERATED } from '../../scripts/build-wasm.ts';
import type { StepDescriptor, StepProgram } from '../../src/engines/engine.ts';
import { acceptsSparseUpdate } from '../../src/engines/sparse-update/accept.ts';
import { createSparseUpdateRunner, type SparseUpdateRunner } from '../../src/engines/sparse-update/runner.ts';
import { DisposedError, DivergenceError } from '../../src/errors.ts';
import { fromNested, type HostTensors, hostTensor, type NestedArray, zeros } from '../../src/tensor.ts';
import {
  denseStep,
  describedProgram,
  describeStep,
  initialState,
  normals,
  plainState,
  randomParameters,
  uniforms,
} from './sparse-update-oracle.ts';

const PARAMETERS = ['V', 'W_enc', 'b_enc', 'b_dec'] as const;

interface Reference {
  readonly inputs: Record<(typeof PARAMETERS)[number], NestedArray> & {
    readonly batches: NestedArray[];
    readonly k: number;
  };
  readonly expected: {
    readonly losses: readonly number[];
    readonly parameters_after: Readonly<Record<string, Record<string, NestedArray>>>;
  };
}

function reference(name: string): Reference {
  return JSON.parse(readFileSync(new URL(`../reference/${name}.json`, import.meta.url), 'utf8')) as Reference;
}

function expectClose(got: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string): void {
  expect(got.length, what).to.equal(expected.length);
  for (let at = 0; at < expected.length; at++) {
    const bound = tolerance * Math.max(1, Math.abs(expected[at]!));
    expect(got[at], `${what}[${at}]`).to.be.closeTo(expected[at]!, bound);
  }
}

/** The whole suite for products of floats, and for products of bytes that say which latents may be active. */
for (const estimates of [false, true]) describeSparseUpdate(estimates);

function describeSparseUpdate(estimates: boolean): void {
  async function withRunner<Result>(
    descriptor: StepDescriptor,
    state: HostTensors,
    threads: number,
    use: (runner: SparseUpdateRunner) => Promise<Result>,
  ): Promise<Result> {
    const program = describedProgram(descriptor, state);
    const runner = await createSparseUpdateRunner(program, { threads, anySize: true, estimates });
    try {
      return await use(runner);
    } finally {
      await runner.dispose();
    }
  }

  describe(`the sparse update${estimates ? ', by estimates' : ''}`, () => {
    for (const kind of ['topk', 'batchtopk'] as const) {
      for (const threads of [1, 3]) {
        it(`trains as PyTorch does: ${kind}, ${threads} threads`, async () => {
          const { inputs, expected } = reference(`sae-${kind}`);
          const descriptor = describeStep(
            { dIn: 4, dSae: 10, batchSize: 12, k: inputs.k },
            { kind, optimizer: { betas: [0, 0.999] } },
          );
          const parameters = Object.fromEntries(PARAMETERS.map(name => [name, fromNested(inputs[name])]));
          const batches = inputs.batches.map(batch => fromNested(batch).data);
          await withRunner(descriptor, initialState(descriptor, parameters), threads, async runner => {
            const losses: number[] = [];
            for (let step = 1; step <= 20; step++) {
              const { loss } = await runner.run(1, { activations: batches[(step - 1) % 3]! });
              losses.push(loss![0]!);
              const after = expected.parameters_after[step];
              if (!after) continue;
              const state = await runner.read();
              for (const name of PARAMETERS) {
                const what = `${name} after ${step}`;
                expectClose(state[`parameters.${name}`]!.data, fromNested(after[name]!).data, 1e-5, what);
              }
            }
            expectClose(losses, expected.losses, 1e-5, 'loss');
          });
        });
      }
    }

    const cases: readonly { readonly name: string; readonly descriptor: StepDescriptor }[] = [
      { name: 'odd d_in', descriptor: describeStep({ dIn: 7, dSae: 37, batchSize: 9, k: 4 }) },
      { name: 'd_in above a block of columns', descriptor: describeStep({ dIn: 71, dSae: 90, batchSize: 12, k: 5 }) },
      { name: 'k = 1', descriptor: describeStep({ dIn: 6, dSae: 20, batchSize: 8, k: 1 }) },
      { name: 'k = d_sae', descriptor: describeStep({ dIn: 5, dSae: 12, batchSize: 6, k: 12 }) },
      { name: 'one sample, dead latents', descriptor: describeStep({ dIn: 8, dSae: 300, batchSize: 1, k: 3 }) },
      {
        name: 'β1 = 0, latents idle for steps on end',
        descriptor: describeStep({ dIn: 8, dSae: 60, batchSize: 2, k: 3 }, { optimizer: { betas: [0, 0.9] } }),
      },
      {
        name: 'β1 = 0, renormalise',
        descriptor: describeStep(
          { dIn: 9, dSae: 40, batchSize: 16, k: 3 },
          { decoder: 'renormalise', optimizer: { betas: [0, 0.99] } },
        ),
      },
      {
        name: 'renormalise, AdamW',
        descriptor: describeStep(
          { dIn: 9, dSae: 40, batchSize: 16, k: 3 },
          { decoder: 'renormalise', optimizer: { name: 'adamw', weightDecay: 0.1 } },
        ),
      },
      {
        name: 'BatchTopK',
        descriptor: describeStep({ dIn: 11, dSae: 150, batchSize: 13, k: 2.5 }, { kind: 'batchtopk' }),
      },
      {
        name: 'BatchTopK, more wanted than are positive',
        descriptor: describeStep({ dIn: 5, dSae: 12, batchSize: 6, k: 11 }, { kind: 'batchtopk' }),
      },
      {
        name: 'BatchTopK, one of the batch, AdamW',
        descriptor: describeStep(
          { dIn: 6, dSae: 30, batchSize: 8, k: 1 / 8 },
          { kind: 'batchtopk', optimizer: { name: 'adamw', weightDecay: 0.1 } },
        ),
      },
    ];
    for (const [index, { name, descriptor }] of cases.entries()) {
      for (const threads of index < 2 ? [1, 2] : [2]) {
        it(`trains as a dense float64 step does: ${name}, ${threads} threads`, async () => {
          const random = uniforms(7);
          const state = initialState(descriptor, randomParameters(descriptor, random));
          const oracle = plainState(state);
          const steps = 8;
          const activations = normals(steps * descriptor.batchSize * descriptor.dIn, random);
          const size = descriptor.batchSize * descriptor.dIn;
          const losses = Array.from({ length: steps }, (_, step) =>
            denseStep(descriptor, oracle, activations.subarray(step * size, (step + 1) * size)),
          );
          await withRunner(descriptor, state, threads, async runner => {
            const { loss } = await runner.run(steps, { activations });
            expectClose(loss!, losses, 1e-5, 'loss');
            const read = await runner.read();
            expect(Object.keys(read)).to.have.members(Object.keys(state));
            for (const [entry, values] of Object.entries(oracle)) {
              expect(read[entry]!.shape, entry).to.deep.equal(state[entry]!.shape);
              // Where a gradient is near zero Adam takes whole steps on its rounding; moments are far below 1.
              const scale = entry.startsWith('optimizer.') ? Math.max(...values.map(Math.abs)) : 1;
              expectClose(read[entry]!.data, values, 2e-5 * scale, entry);
            }
          });
        });
      }
    }

    /** Small integers, and equal latents: every score is exact, and most are tied. */
    function tied(kind: 'topk' | 'batchtopk', k: number) {
      // A large eps keeps Adam's first step from turning rounding into whole steps.
      const descriptor = describeStep({ dIn: 5, dSae: 90, batchSize: 11, k }, { kind, optimizer: { eps: 0.1 } });
      const random = uniforms(3);
      const integers = (count: number, below: number) =>
        Float32Array.from({ length: count }, () => Math.floor(random() * below) - 1);
      const rows = normals(90 * 5, random);
      const parameters = {
        V: hostTensor(rows, [90, 5]),
        W_enc: hostTensor(integers(90 * 5, 3), [5, 90]),
        b_enc: hostTensor(integers(90, 3), [90]),
        b_dec: zeros([5]),
      };
      return { descriptor, state: initialState(descriptor, parameters), activations: integers(11 * 5, 4) };
    }

    for (const [kind, k] of [
      ['topk', 4],
      ['topk', 30],
      ['batchtopk', 3.7],
      ['batchtopk', 30],
    ] as const) {
      for (const threads of [1, 3]) {
        it(`takes the first of equal activations, exactly as many as wanted: ${kind} ${k}, ${threads} threads`, async () => {
          const { descriptor, state, activations } = tied(kind, k);
          const oracle = plainState(state);
          const expected = denseStep(descriptor, oracle, activations);
          await withRunner(descriptor, state, threads, async runner => {
            const { loss } = await runner.run(1, { activations });
            expect(loss![0]).to.be.closeTo(expected, 1e-5);
            const read = await runner.read();
            for (const [entry, values] of Object.entries(oracle)) expectClose(read[entry]!.data, values, 1e-6, entry);
          });
        });
      }
    }

    it('looks again where the threshold falls from one batch to the next', async () => {
      const descriptor = describeStep({ dIn: 6, dSae: 70, batchSize: 10, k: 3 }, { kind: 'batchtopk' });
      const random = uniforms(5);
      const state = initialState(descriptor, randomParameters(descriptor, random));
      const oracle = plainState(state);
      const batches = [1, 0.2, 3, 0.01].map(scale => normals(60, random).map(value => value * scale));
      const losses = batches.map(batch => denseStep(descriptor, oracle, batch));
      for (const threads of [1, 2]) {
        await withRunner(descriptor, state, threads, async runner => {
          const { loss } = await runner.run(4, {
            activations: Float32Array.from(batches.flatMap(batch => [...batch])),
          });
          expectClose(loss!, losses, 1e-5, 'loss');
          const { 'buffers.threshold': threshold } = await runner.read();
          expect(threshold!.data[0]).to.be.closeTo(oracle['buffers.threshold']![0]!, 1e-5);
        });
      }
    });

    it('keeps a batch whose candidates overflow its room', async () => {
      // Scores rise from row to row, so that what was kept is pushed out again and again.
      const descriptor = describeStep({ dIn: 4, dSae: 200, batchSize: 30, k: 1 }, { kind: 'batchtopk' });
      const random = uniforms(9);
      const state = initialState(descriptor, randomParameters(descriptor, random));
      const batch = normals(120, random).map((value, at) => value * (1 + Math.floor(at / 4)));
      const expected = denseStep(descriptor, plainState(state), batch);
      await withRunner(descriptor, state, 1, async runner => {
        const { loss } = await runner.run(1, { activations: batch });
        expect(loss![0]).to.be.closeTo(expected, 1e-5 * expected);
      });
    });

    it('restarts the threshold after the step that the descriptor names', async () => {
      const plain = describeStep({ dIn: 6, dSae: 40, batchSize: 10, k: 3 }, { kind: 'batchtopk' });
      const descriptor = { ...plain, activation: { ...plain.activation, restartThresholdAt: 3 } };
      const random = uniforms(5);
      const state = initialState(descriptor, randomParameters(descriptor, random));
      const activations = normals(240, random);
      await withRunner(descriptor, state, 2, async runner => {
        await runner.run(4, { activations });
        const restarted = (await runner.read())['buffers.threshold']!.data[0]!;
        const oracle = plainState(state);
        for (let step = 0; step < 4; step++) {
          if (step === 3) oracle['buffers.threshold']![0] = 0;
          denseStep(descriptor, oracle, activations.subarray(step * 60, (step + 1) * 60));
        }
        expect(restarted).to.be.closeTo(oracle['buffers.threshold']![0]!, 1e-5);
      });
    });

    const ordinary = describeStep({ dIn: 10, dSae: 130, batchSize: 16, k: 4 });
    const ordinaryState = () => initialState(ordinary, randomParameters(ordinary, uniforms(1)));
    const batchesOf = (steps: number, seed = 2) => normals(steps * 160, uniforms(seed));

    it('follows a scheduled learning rate', async () => {
      const state = ordinaryState();
      const rates = [0.005, 0.001, 0];
      const oracle = plainState(state);
      const activations = batchesOf(3);
      rates.forEach((learningRate, step) => {
        const scheduled = { ...ordinary, optimizer: { ...ordinary.optimizer, learningRate } };
        denseStep(scheduled, oracle, activations.subarray(step * 160, (step + 1) * 160));
      });
      await withRunner(ordinary, state, 2, async runner => {
        await runner.run(3, { activations, learning_rate: Float32Array.from(rates) });
        const read = await runner.read();
        expectClose(read['parameters.W_enc']!.data, oracle['parameters.W_enc']!, 2e-5, 'W_enc');
      });
    });

    it('repeats to the bit, however the steps are divided into calls', async () => {
      const activations = batchesOf(6);
      const whole = await withRunner(ordinary, ordinaryState(), 2, async runner => {
        await runner.run(6, { activations });
        return runner.read();
      });
      const divided = await withRunner(ordinary, ordinaryState(), 2, async runner => {
        await runner.run(2, { activations: activations.subarray(0, 320) });
        await runner.run(4, { activations: activations.subarray(320) });
        return runner.read();
      });
      expect(divided).to.deep.equal(whole);
    });

    it('is not changed by reading, with latents that wait for their next gradient', async () => {
      const descriptor = describeStep({ dIn: 10, dSae: 130, batchSize: 16, k: 1 }, { optimizer: { betas: [0, 0.9] } });
      const state = initialState(descriptor, randomParameters(descriptor, uniforms(1)));
      const activations = batchesOf(6);
      const [read, unread] = await Promise.all(
        [true, false].map(isRead =>
          withRunner(descriptor, state, 1, async runner => {
            for (let step = 0; step < 6; step++) {
              await runner.run(1, { activations: activations.subarray(step * 160, (step + 1) * 160) });
              if (isRead) await runner.read();
            }
            return runner.read();
          }),
        ),
      );
      expect(read).to.deep.equal(unread);
    });

    for (const kind of ['topk', 'batchtopk'] as const) {
      for (const decoder of ['reparametrise', 'renormalise'] as const) {
        for (const beta1 of [0, 0.9]) {
          it(`goes on from a state that was read with the same bits as if it had never stopped: ${kind}, ${decoder}, β1 = ${beta1}`, async () => {
            // A width with a remainder for SIMD, and few enough active latents that some wait for their next gradient.
            const options = { kind, decoder, optimizer: { betas: [beta1, 0.999] as const } };
            const descriptor = describeStep({ dIn: 90, dSae: 130, batchSize: 16, k: 1 }, options);
            const start = initialState(descriptor, randomParameters(descriptor, uniforms(1)));
            const batch = 16 * 90;
            const activations = normals(30 * batch, uniforms(2));
            for (const threads of [1, 2]) {
              const run = (from: number, to: number, state: HostTensors) =>
                withRunner(descriptor, state, threads, async runner => {
                  await runner.run(to - from, { activations: activations.subarray(from * batch, to * batch) });
                  return runner.read();
                });
              const resumed = await run(21, 30, await run(10, 21, await run(0, 10, start)));
              expect(resumed, `${threads} threads`).to.deep.equal(await run(0, 30, start));
            }
          });
        }
      }
    }

    for (const threads of [1, 2]) {
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
        it(`stops at a batch with ${bad} before it touches the state, ${threads} threads`, async () => {
          const activations = batchesOf(5);
          const good = await withRunner(ordinary, ordinaryState(), threads, async runner => {
            await runner.run(2, { activations: activations.subarray(0, 320) });
            return runner.read();
          });
          activations[2 * 160 + 7] = bad;
          await withRunner(ordinary, ordinaryState(), threads, async runner => {
            const error = await runner.run(5, { activations }).catch((caught: unknown) => caught);
            expect(error).to.be.instanceOf(DivergenceError);
            expect((error as DivergenceError).step).to.equal(2);
            expect(await runner.read()).to.deep.equal(good);
            // And it can go on with better data.
            await runner.run(1, { activations: batchesOf(1) });
          });
        });
      }
    }

    for (const kind of ['topk', 'batchtopk'] as const) {
      it(`does not overlook a weight that is not a number: ${kind}`, async () => {
        const descriptor = { ...ordinary, activation: { kind, k: 4 } };
        const parameters = randomParameters(descriptor, uniforms(1));
        parameters['W_enc']!.data[129] = Number.NaN;
        await withRunner(descriptor, initialState(descriptor, parameters), 2, async runner => {
          const error = await runner.run(1, { activations: batchesOf(1) }).catch((caught: unknown) => caught);
          expect(error).to.be.instanceOf(DivergenceError);
        });
      });
    }

    it('leaves the caller free while it works, and takes requests in turn', async () => {
      await withRunner(ordinary, ordinaryState(), 2, async runner => {
        const order: string[] = [];
        const running = runner.run(200, { activations: batchesOf(200) }).then(() => order.push('run'));
        const reading = runner.read().then(state => order.push(`read after ${state['optimizer.c2'] ? 'it' : '?'}`));
        const timer = new Promise(resolve => setTimeout(resolve, 0)).then(() => order.push('timer'));
        await Promise.all([running, reading, timer]);
        expect(order).to.deep.equal(['timer', 'run', 'read after it']);
      });
    });

    it('does not grow from step to step', async () => {
      await withRunner(ordinary, ordinaryState(), 2, async runner => {
        const activations = batchesOf(1);
        const repeat = async (times: number) => {
          for (let step = 0; step < times; step++) await runner.run(1, { activations });
        };
        await repeat(300);
        const before = process.memoryUsage().rss;
        await repeat(3000);
        // A leak of one batch and its pre-activations a step would be 44 MB; what other tests left is collected meanwhile or not.
        expect(process.memoryUsage().rss - before).to.be.below(30e6);
      });
    });

    it('refuses what it does not know, by name', async () => {
      const start = (change: Partial<StepProgram>) =>
        createSparseUpdateRunner({ ...describedProgram(ordinary, ordinaryState()), ...change }, { anySize: true }).then(
          () => expect.fail('it started'),
          (error: Error) => error.message,
        );
      expect(await start({ metrics: ['loss', 'losses'] })).to.contain('metric "losses"');
      // Without a clip nothing adds up the whole gradient.
      expect(await start({ metrics: ['loss', 'gradient_norm'] })).to.contain('metric "gradient_norm"');
      expect(await start({ batch: { activations: [16, 10], mask: [16] } })).to.contain('input "mask"');
      expect(await start({ batch: { activations: [16, 11] } })).to.contain('must have shape [16, 10], got [16, 11]');
      expect(await start({ state: { ...ordinaryState(), 'buffers.age': zeros([130]) } })).to.contain('"buffers.age"');
      const { 'parameters.b_enc': _, ...incomplete } = ordinaryState();
      expect(await start({ state: incomplete })).to.contain('no "parameters.b_enc"');
      const misshapen = { ...ordinaryState(), 'parameters.b_enc': zeros([131]) };
      expect(await start({ state: misshapen })).to.contain('must have shape [130], got [131]');
    });

    it('rejects batches of a wrong length, and work after its end', async () => {
      const runner = await createSparseUpdateRunner(describedProgram(ordinary, ordinaryState()), { anySize: true });
      const message = await runner.run(2, { activations: batchesOf(1) }).catch((error: Error) => error.message);
      expect(message).to.contain('take 320 numbers, got 160');
      await runner.dispose();
      await runner.dispose();
      expect(await runner.read().catch((error: unknown) => error)).to.be.instanceOf(DisposedError);
    });
  });
}

describe('acceptsSparseUpdate', () => {
  const large = describeStep({ dIn: 512, dSae: 4096, batchSize: 1024, k: 32 });

  it('takes large TopK and BatchTopK steps and says so', () => {
    expect(acceptsSparseUpdate(large).accepted).to.equal(true);
    const batchTopk = describeStep({ dIn: 512, dSae: 4096, batchSize: 1024, k: 31.5 }, { kind: 'batchtopk' });
    expect(acceptsSparseUpdate(batchTopk)).to.include({ accepted: true });
    expect(acceptsSparseUpdate(large).reason).to.contain('topk, 512 × 4096');
  });

  it('gives a small step to one worker, whatever the machine has, and takes as many as are asked for', async () => {
    const descriptor = describeStep({ dIn: 32, dSae: 128, batchSize: 256, k: 4 });
    const program = describedProgram(descriptor, initialState(descriptor, randomParameters(descriptor, uniforms(1))));
    for (const [threads, used] of [
      [undefined, '1 thread'],
      [2, '2 threads'],
    ] as const) {
      const runner = await createSparseUpdateRunner(program, { threads });
      expect(runner.description.reason).to.match(new RegExp(`${used}$`));
      await runner.dispose();
    }
  });

  it('divides among more memories what 4 GiB cannot hold', () => {
    const huge = describeStep({ dIn: 4096, dSae: 131_072, batchSize: 1024, k: 32 });
    expect(acceptsSparseUpdate(huge).reason).to.match(/in [4-9] memories of at most 4 GiB/);
  });

  const declined: readonly [string, StepDescriptor][] = [
    ['is below', describeStep({ dIn: 2, dSae: 5, batchSize: 2048, k: 1 })],
    ['activation gated', { ...large, activation: { kind: 'gated' } }],
    ['decoder tied', { ...large, decoder: 'tied' as never }],
    ['decoder unprojected', { ...large, decoder: 'unprojected' }],
    ['held near their start', { ...large, leastDecoderCosine: 0.8 }],
    ['an L1 penalty of -1', { ...large, activation: { kind: 'relu', l1: -1 } }],
    ['jumprelu with sparsityLoss tanh', { ...large, activation: { kind: 'jumprelu', sparsityLoss: 'tanh' } }],
    ['bandwidth', { ...large, activation: { kind: 'jumprelu', bandwidth: 0 } }],
    ['has no norms', { ...large, activation: { kind: 'topk', k: 4, rescaleByDecoderNorm: true } }],
    ['W_enc cannot be held', { ...large, held: ['b_dec', 'W_enc'] }],
    ['clip = 0', { ...large, clip: 0 }],
    ['transcoders', { ...large, transcoder: true }],
    ['when each latent fired', { ...large, activation: { kind: 'topk', k: 4, auxK: {} } }],
    ['a changing k', { ...large, scalars: ['learning_rate', 'k'] }],
    // What was added after this list is not done by it.
    ['a step with tomorrow', { ...large, tomorrow: 1 } as StepDescriptor],
    ['topk with tomorrow', { ...large, activation: { kind: 'topk', k: 4, tomorrow: 1 } }],
    [
      'an auxiliary loss with tomorrow',
      { ...large, countsFiring: true, activation: { kind: 'topk', k: 4, auxK: { tomorrow: 1 } } },
    ],
    ['Adam with weight decay', { ...large, optimizer: { ...large.optimizer, weightDecay: 0.1 } }],
    ['eps = 0', { ...large, optimizer: { ...large.optimizer, eps: 0 } }],
    ['k = 2.5', { ...large, activation: { kind: 'topk', k: 2.5 } }],
    ['k = 0', { ...large, activation: { kind: 'batchtopk', k: 0 } }],
    ['does not fit', { ...large, dIn: 1 << 20, dOut: 1 << 20, dSae: 1 << 24 }],
  ];
  for (const [reason, descriptor] of declined) {
    it(`declines, with the reason: ${reason}`, () => {
      const acceptance = acceptsSparseUpdate(descriptor);
      expect(acceptance.accepted).to.equal(false);
      expect(acceptance.reason).to.contain(reason);
    });
  }
});

describe('the compiled kernel', () => {
  it('is what its sources compile to', async () => {
    expect(await compileKernel()).to.equal(readFileSync(GENERATED, 'utf8'));
  });
});
