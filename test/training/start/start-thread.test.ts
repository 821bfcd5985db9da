/** A start computed off the calling thread: the same numbers, spread as far, and ended when it is not wanted any more. */
import { expect } from 'chai';
import { createRandomSource, type RandomSource } from '../../../src/data/random-source.ts';
import { startingDirections } from '../../../src/models/initialisation.ts';
import { type HostTensor, hostTensor } from '../../../src/tensor.ts';
import { startInThread } from '../../../src/training/start/start-thread.ts';
import { startHere } from '../../../src/training/start/start-work.ts';

function normals(rows: number, width: number, random: RandomSource): HostTensor {
  return hostTensor(
    Float32Array.from({ length: rows * width }, () => random.normal()),
    [rows, width],
  );
}

/** The largest cosine of each row with another. */
function nearest({ data, shape }: HostTensor): Float64Array {
  const [rows, width] = shape as [number, number];
  const largest = new Float64Array(rows).fill(-1);
  for (let a = 0; a < rows; a++) {
    for (let b = 0; b < a; b++) {
      let dot = 0;
      for (let i = 0; i < width; i++) dot += data[a * width + i]! * data[b * width + i]!;
      largest[a] = Math.max(largest[a]!, dot);
      largest[b] = Math.max(largest[b]!, dot);
    }
  }
  return largest;
}

function mean(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
}

/** `spread` with every comparison asked for, answered by plain arithmetic. */
function askedSpread(activations: HostTensor, dSae: number, random: RandomSource): HostTensor {
  const dIn = activations.shape[1]!;
  const asking = startingDirections('spread', { dIn, dSae, activations, random }, 0);
  let step = asking.next(new Float32Array(0));
  let questions = 0;
  while (!step.done) {
    questions++;
    const { rows, chosen } = step.value;
    const answer = new Float32Array(rows.length / dIn).fill(-1);
    for (let row = 0; row < answer.length; row++) {
      for (let other = 0; other < chosen.length / dIn; other++) {
        let dot = 0;
        for (let i = 0; i < dIn; i++) dot += rows[row * dIn + i]! * chosen[other * dIn + i]!;
        answer[row] = Math.max(answer[row]!, dot);
      }
    }
    step = asking.next(answer);
  }
  expect(questions).to.equal(Math.ceil(dSae / 128) - 1);
  return step.value;
}

describe('a start in a thread of its own', () => {
  it('has the bits of one in the calling thread, and leaves the random source where that does', async () => {
    const activations = normals(20_000, 32, createRandomSource(1));
    const shares: number[] = [];
    const thread = startInThread(undefined);
    const median = await thread.geometricMedian(activations, share => shares.push(share));
    expect(median).to.deep.equal(await startHere.geometricMedian(activations, () => {}));
    expect(shares.length).to.be.above(10);
    expect(shares).to.deep.equal([...shares].sort((a, b) => a - b));
    for (const kind of ['spread', 'blend', 'gaussian'] as const) {
      const request = { kind, dIn: 32, dSae: 300, activations, random: createRandomSource(2).state() };
      expect(await thread.directions(request, () => {}), kind).to.deep.equal(
        await startHere.directions(request, () => {}),
      );
    }
  });

  it('spreads many directions as far as one that compares them one by one', () => {
    const [alone, asked] = [0, 1, 2, 3, 4, 5].reduce<[number[], number[]]>(
      ([one, many], seed) => {
        const activations = normals(1500, 8, createRandomSource(100 + seed));
        const options = { dIn: 8, dSae: 400, activations };
        const asking = startingDirections('spread', { ...options, random: createRandomSource(seed) });
        const last = asking.next(new Float32Array(0));
        if (!last.done) throw new Error('so few are compared here');
        const spread = askedSpread(activations, 400, createRandomSource(seed));
        return [
          [...one, mean(nearest(last.value))],
          [...many, mean(nearest(spread))],
        ];
      },
      [[], []],
    );
    const any = mean([0, 1, 2].map(seed => mean(nearest(unit(normals(400, 8, createRandomSource(seed)))))));
    // Rows at random are nearer to each other, by ten times what the two forms differ.
    expect(any - mean(alone)).to.be.above(0.02);
    expect(Math.abs(mean(alone) - mean(asked))).to.be.below((any - mean(alone)) / 10);
  });

  it('compares very many with ONNX Runtime', async () => {
    const activations = normals(5000, 512, createRandomSource(3));
    const request = {
      kind: 'spread' as const,
      dIn: 512,
      dSae: 4500,
      activations,
      random: createRandomSource(4).state(),
    };
    const shares: number[] = [];
    const { directions } = await startInThread(undefined).directions(request, share => shares.push(share));
    expect(shares).to.have.length(Math.ceil(4500 / 128) - 1);
    const sample = new Set(Array.from({ length: 5000 }, (_, row) => unitRow(activations, row)));
    const chosen = new Set(Array.from({ length: 4500 }, (_, row) => unitRow(directions, row)));
    expect(
      [...chosen].every(first => sample.has(first)),
      'each is a row of the sample',
    ).to.equal(true);
    expect(chosen.size, 'and none is taken twice').to.be.equal(4500);
  });

  it('is ended by its signal, with the signal’s reason, wherever it is', async () => {
    const activations = normals(6000, 512, createRandomSource(3));
    const request = {
      kind: 'spread' as const,
      dIn: 512,
      dSae: 6000,
      activations,
      random: createRandomSource(4).state(),
    };
    const reason = new Error('not wanted');
    for (const at of [0, 0.2]) {
      const stop = new AbortController();
      let asked = 0;
      const work = startInThread(stop.signal).directions(request, share => {
        if (share < at || stop.signal.aborted) return;
        asked = performance.now();
        stop.abort(reason);
      });
      const error = await work.catch((thrown: unknown) => thrown);
      expect(error).to.equal(reason);
      // It does not hang. A busy machine may take many seconds to end a thread.
      expect(performance.now() - asked).to.be.below(60_000);
    }
    const median = new AbortController();
    const work = startInThread(median.signal).geometricMedian(activations, () => median.abort(reason));
    expect(await work.catch((thrown: unknown) => thrown)).to.equal(reason);
  });
});

function unit(tensor: HostTensor): HostTensor {
  const [rows, width] = tensor.shape as [number, number];
  const data = Float32Array.from(tensor.data);
  for (let row = 0; row < rows; row++) {
    const values = data.subarray(row * width, (row + 1) * width);
    const norm = Math.hypot(...values);
    for (let i = 0; i < width; i++) values[i]! /= norm;
  }
  return hostTensor(data, [rows, width]);
}

/** The first three numbers of a row scaled to norm 1, by which rows of normals are told apart. */
function unitRow({ data, shape }: HostTensor, row: number): string {
  const width = shape[1]!;
  const values = data.subarray(row * width, (row + 1) * width);
  const norm = Math.hypot(...values);
  return Array.from(values.subarray(0, 3), value => Math.round((1e4 * value) / norm)).join(' ');
}
