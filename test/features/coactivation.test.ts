/** Co-activation: all pairs, and the same from a sample that holds all rows; and what the sample keeps. */
import { expect } from 'chai';
import { createRandomSource } from '../../src/data/random-source.ts';
import { PairCounts, SampledPairs } from '../../src/features/coactivation.ts';
import { priorityKey } from '../../src/features/priority.ts';
import { RowSample } from '../../src/features/row-sample.ts';

const LATENTS = 60;

/** Rows of latents that fire, each with a probability of its own. */
function firingRows(count: number): Uint32Array[] {
  const random = createRandomSource(9);
  return Array.from({ length: count }, () =>
    Uint32Array.from([...Array(LATENTS).keys()].filter(latent => random.uniform() < latent / LATENTS / 3)),
  );
}

describe('co-activation', () => {
  const rows = firingRows(800);
  const pairs = new PairCounts(LATENTS);
  for (const latents of rows) pairs.add(latents, 0, latents.length);

  it('ranks the partners of each latent by Jaccard index, ties by number', () => {
    const most = 7;
    const { latents, counts, jaccard } = pairs.nearest(most);
    const sets = Array.from(
      { length: LATENTS },
      (_, latent) => new Set(rows.flatMap((row, number) => (row.includes(latent) ? [number] : []))),
    );
    for (let latent = 0; latent < LATENTS; latent++) {
      const expected = sets
        .map((set, other) => {
          const both = [...set].filter(row => sets[latent]!.has(row)).length;
          return { other, both, jaccard: both / (set.size + sets[latent]!.size - both) };
        })
        .filter(({ other, both }) => other !== latent && both > 0)
        .sort((a, b) => b.jaccard - a.jaccard || a.other - b.other)
        .slice(0, most);
      const at = latent * most;
      expect([...latents.subarray(at, at + expected.length)]).to.deep.equal(expected.map(({ other }) => other));
      expect([...counts.subarray(at, at + expected.length)]).to.deep.equal(expected.map(({ both }) => both));
      expected.forEach((entry, i) => {
        expect(jaccard[at + i]).to.equal(Math.fround(entry.jaccard));
      });
      expect([...latents.subarray(at + expected.length, at + most)].every(other => other === -1)).to.equal(true);
    }
  });

  it('is the same from a sample of all rows', () => {
    const { latents, counts, jaccard } = new SampledPairs(LATENTS, rows).nearest(9);
    expect({ latents, counts, jaccard }).to.deep.equal({
      latents: pairs.nearest(9).latents,
      counts: pairs.nearest(9).counts,
      jaccard: pairs.nearest(9).jaccard,
    });
  });

  it('samples rows evenly, within its bounds, whatever their number', () => {
    for (const [rowLimit, entryLimit] of [
      [500, 1e9],
      [1e9, 2000],
    ] as const) {
      const sample = new RowSample({ rows: rowLimit, entries: entryLimit, key: priorityKey(3, 1) });
      const latents = Uint32Array.of(1, 2, 3, 4);
      for (let row = 0; row < 100_000; row++) {
        if (!sample.wants(row)) continue;
        sample.offer({ row, sequence: -1, token: -1, previousToken: -1, position: -1, labels: [], latents });
      }
      const kept = sample.rows();
      expect(kept).to.have.length.within(180, 500);
      // Half of them in each half of the rows: four standard deviations.
      const first = kept.filter(({ row }) => row < 50_000).length;
      expect(Math.abs(first - kept.length / 2)).to.be.below(2 * Math.sqrt(kept.length));
    }
  });
});
