import { expect } from 'chai';
import { HoldOut, isHeldOutOfStream } from '../../src/data/hold-out.ts';
import { createRandomSource } from '../../src/data/random-source.ts';

/** All rows that are held out, by asking for each next one. */
function rowsOf(holdOut: HoldOut): number[] {
  const rows: number[] = [];
  for (let row = holdOut.next(0); row < Number.POSITIVE_INFINITY; row = holdOut.next(row + 1)) rows.push(row);
  return rows;
}

describe('rows held out', () => {
  const random = createRandomSource(1);

  it('are the share of all, rounded, one of every part of equal length', () => {
    for (let trial = 0; trial < 100; trial++) {
      const total = 1 + random.integer(5000);
      const share = random.uniform();
      const holdOut = new HoldOut(total, share);
      const rows = rowsOf(holdOut);
      expect(rows).to.have.length(Math.round(total * share));
      expect(new Set(rows).size).to.equal(rows.length);
      const isInPart = (row: number, i: number): boolean =>
        row >= Math.floor((i * total) / rows.length) - 1 && row < Math.ceil(((i + 1) * total) / rows.length);
      expect(rows.every(isInPart)).to.equal(true);
      for (let i = 0; i < 20; i++) {
        const row = random.integer(total + 1);
        expect(holdOut.before(row)).to.equal(rows.filter(held => held < row).length);
        expect(holdOut.next(row)).to.equal(rows.find(held => held >= row) ?? Number.POSITIVE_INFINITY);
      }
    }
  });

  it('have no period', () => {
    // A twentieth of rows that come in texts of 20: every place of a text is held out about equally often (chi-square, 19 degrees).
    const counts = new Array<number>(20).fill(0);
    for (const row of rowsOf(new HoldOut(200_000, 0.05))) counts[row % 20]!++;
    const chiSquare = counts.reduce((sum, count) => sum + (count - 500) ** 2 / 500, 0);
    expect(chiSquare).to.be.below(43.8);
  });

  it('are counted right among 10^13 rows', () => {
    const holdOut = new HoldOut(1e13, 0.05);
    expect(holdOut.count).to.equal(5e11);
    for (let i = 0; i < 100; i++) {
      const row = Math.floor(random.uniform() * 1e13);
      const next = holdOut.next(row);
      expect(holdOut.before(next)).to.equal(holdOut.before(row));
      expect(holdOut.before(next + 1)).to.equal(holdOut.before(row) + 1);
    }
  });

  it('of a stream are the same share of it, wherever it ends', () => {
    for (const share of [0.05, 0.3, 0.999]) {
      let [held, most] = [0, 0];
      for (let row = 0; row < 10_000; row++) {
        held += Number(isHeldOutOfStream(row, share));
        most = Math.max(most, Math.abs(held - (row + 1) * share));
      }
      expect(most).to.be.below(2);
    }
    expect(Array.from({ length: 100 }, (_, row) => isHeldOutOfStream(row, 0)).includes(true)).to.equal(false);
  });
});
