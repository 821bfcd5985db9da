/** Examples held while activations stream by are those that choosing from all of them would give. */
import { expect } from 'chai';
import { createRandomSource } from '../../src/data/random-source.ts';
import { HeldExamples } from '../../src/features/held-examples.ts';
import { LatentStatistics } from '../../src/features/latent-statistics.ts';
import { priorityKey, priorityOf } from '../../src/features/priority.ts';
import { forEachRun, Stretches } from '../../src/features/stretches.ts';

const INTERVALS = 10;
const PER_INTERVAL = 5;
const TOP = 20;

/** Offers activations of latent 0 in blocks of 64 rows, 0 where it does not fire; what is chosen in the end. */
function chosenOf(activations: Float32Array, seed: number) {
  const key = priorityKey(seed, 1);
  const held = new HeldExamples({ dSae: 1, top: TOP, intervals: INTERVALS, perInterval: PER_INTERVAL, key });
  const stretches = new Stretches(1, 3, 3);
  const offer = (list: ReturnType<Stretches['add']>) => {
    for (const stretch of list) forEachRun(stretch, (latent, run) => held.offer(latent, run, stretch));
  };
  for (let start = 0; start < activations.length; start += 64) {
    const block = activations.subarray(start, start + 64);
    const offsets = new Uint32Array(block.length + 1);
    block.forEach((value, i) => {
      offsets[i + 1] = offsets[i]! + (value > 0 ? 1 : 0);
    });
    const values = block.filter(value => value > 0);
    const sequences = Float64Array.from(block, (_, i) => Math.floor((start + i) / 50));
    offer(stretches.add({ offsets, latents: new Uint32Array(values.length), values, sequences }));
  }
  offer(stretches.end());
  const max = activations.reduce((most, value) => Math.max(most, value), 0);
  return { chosen: held.take(0, max), max, key };
}

/** The same, chosen from everything. */
function expectedOf(activations: Float32Array, max: number, key: number): string[] {
  const rows = Array.from({ length: activations.length }, (_, row) => row).filter(row => activations[row]! > 0);
  const byValue = rows.sort((a, b) => activations[b]! - activations[a]! || a - b);
  const expected = byValue.slice(0, TOP).map(row => `${row} top`);
  for (let interval = INTERVALS - 1; interval >= 0; interval--) {
    const members = byValue.filter(
      row => Math.min(INTERVALS - 1, Math.floor((activations[row]! * INTERVALS) / max)) === interval,
    );
    const sample = new Set(
      [...members].sort((a, b) => priorityOf(key, a, 0) - priorityOf(key, b, 0) || a - b).slice(0, PER_INTERVAL),
    );
    expected.push(...members.filter(row => sample.has(row)).map(row => `${row} ${interval}`));
  }
  return expected;
}

describe('held examples', () => {
  const count = 20_000;
  const distributions: Record<string, (random: ReturnType<typeof createRandomSource>, i: number) => number> = {
    exponential: random => -Math.log(1 - random.uniform()),
    uniform: random => random.uniform(),
    'half normal, silent on most rows': random => (random.uniform() < 0.1 ? Math.abs(random.normal()) : 0),
    rising: (random, i) => i / count + 0.1 * random.uniform(),
    falling: (random, i) => 1.1 - i / count + 0.1 * random.uniform(),
    'few distinct values': random => 1 + random.integer(7),
    'a maximum that jumps': (random, i) => random.uniform() * (i % 4999 === 0 ? 2 ** (i / 4999) : 1),
    constant: () => 2.5,
  };
  for (const [name, draw] of Object.entries(distributions)) {
    it(`are what choosing from all activations gives: ${name}`, () => {
      for (const seed of [0, 1, 2 ** 40]) {
        const random = createRandomSource(seed + 5);
        const activations = Float32Array.from({ length: count }, (_, i) => draw(random, i));
        const { chosen, max, key } = chosenOf(activations, seed);
        expect(chosen.map(({ row, group }) => `${row} ${group < 0 ? 'top' : group}`)).to.deep.equal(
          expectedOf(activations, max, key),
        );
        // The other activations in the context, three rows to each side within the sequence.
        for (const { row, before, after, pool, poolStart, poolEnd } of chosen) {
          const start = Math.max(Math.floor(row / 50) * 50, row - 3);
          const end = Math.min((Math.floor(row / 50) + 1) * 50, row + 4, count);
          expect([row - before, row + after + 1]).to.deep.equal([start, end]);
          const others = new Map(
            Array.from({ length: end - start }, (_, i) => start + i)
              .filter(other => other !== row && activations[other]! > 0)
              .map(other => [other - row, activations[other]!]),
          );
          const found = new Map<number, number>();
          for (let at = poolStart; at < poolEnd; at++) found.set(pool.offsets[at]!, pool.values[at]!);
          expect(found).to.deep.equal(others);
        }
      }
    });
  }

  it('are drawn evenly: each of 40 activations of an interval about as often over 2,000 seeds', () => {
    const activations = Float32Array.from({ length: 41 }, (_, i) => (i === 40 ? 1 : 0.51 + 0.001 * i));
    const drawn = new Int32Array(40);
    for (let seed = 0; seed < 2000; seed++) {
      for (const { row, group } of chosenOf(activations, seed).chosen) if (group === 5) drawn[row]!++;
    }
    // 2,000 · 5 / 40 = 250 expected, standard deviation 14.8: five of them to each side.
    for (const times of drawn) expect(times).to.be.within(176, 324);
  });
});

describe('latent statistics', () => {
  it('give exact histograms of values over sixty orders of magnitude, in any order', () => {
    const random = createRandomSource(3);
    for (const spread of [0, 1, 30]) {
      const values = Float32Array.from(
        { length: 5000 },
        () => 10 ** (spread * (2 * random.uniform() - 1)) * random.uniform(),
      );
      for (const order of [values, values.slice().reverse(), values.slice().sort()]) {
        const statistics = new LatentStatistics(1);
        for (let i = 0; i < order.length; i++) statistics.add(0, order, i, i + 1);
        const { width, counts } = statistics.histogram(0, 50);
        const expected = new Int32Array(50);
        for (const value of values) expected[Math.floor(value / width)]!++;
        expect([...counts]).to.deep.equal([...expected]);
        expect(statistics.max[0]! / width).to.be.within(44, 50);
        const shares = statistics.intervalShares(0, 10);
        expect(shares.reduce((a, b) => a + b, 0)).to.be.closeTo(1, 1e-5);
      }
    }
  });
});
