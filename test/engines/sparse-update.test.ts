import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import type { StepDescriptor } from '../../src/engines/engine.ts';
import { createSparseUpdateRunner, type SparseUpdateRunner } from '../../src/engines/sparse-update/runner.ts';
import { fromNested, type HostTensors, type NestedArray } from '../../src/tensor.ts';
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

async function withRunner<Result>(
  descriptor: StepDescriptor,
  state: HostTensors,
  threads: number,
  use: (runner: SparseUpdateRunner) => Promise<Result>,
): Promise<Result> {
  const runner = await createSparseUpdateRunner(describedProgram(descriptor, state), { threads, anySize: true });
  try {
    return await use(runner);
  } finally {
    await runner.dispose();
  }
}

describe('the sparse update', () => {
  for (const kind of ['topk', 'batchtopk'] as const) {
    for (const threads of [1, 2, 3]) {
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
    { name: 'd_in above a block of columns', descriptor: describeStep({ dIn: 71, dSae: 150, batchSize: 20, k: 5 }) },
    { name: 'k = 1', descriptor: describeStep({ dIn: 6, dSae: 20, batchSize: 8, k: 1 }) },
    { name: 'k = d_sae', descriptor: describeStep({ dIn: 5, dSae: 12, batchSize: 6, k: 12 }) },
    { name: 'one sample, dead latents', descriptor: describeStep({ dIn: 8, dSae: 300, batchSize: 1, k: 3 }) },
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
  for (const { name, descriptor } of cases) {
    for (const threads of [1, 2]) {
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
            // Where a gradient is near zero Adam takes whole steps on its rounding.
            expectClose(read[entry]!.data, values, 2e-5, entry);
          }
        });
      });
    }
  }
});
