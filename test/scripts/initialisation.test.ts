/** The study of starts: what it counts, how it explains, and cells of its published table trained again. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Cell, nameOf, PARTS } from '../../scripts/initialisation/design.ts';
import { shortfall } from '../../scripts/initialisation/explain.ts';
import { mixtures } from '../../scripts/initialisation/mixtures.ts';
import { report } from '../../scripts/initialisation/report.ts';
import { type CellResult, foundAgain, type Run, runCell } from '../../scripts/initialisation/run-cell.ts';
import { sphericalKMeans } from '../../scripts/initialisation/spherical-k-means.ts';
import { worldSettings, writeWorlds } from '../../scripts/initialisation/worlds.ts';
import { createRandomSource } from '../../src/data/random-source.ts';
import { readNpy } from '../../src/files/npy.ts';
import { hostTensor } from '../../src/tensor.ts';

const RUN: Run = {
  seed: 0,
  foundAtStart: 0,
  found: 10,
  foundEitherSign: 10,
  foundOver: [0, 10],
  fvuAtStart: 1,
  fvu: 0.1,
  loss: 1,
  l0: 1,
  dead: 0,
  duplicates: 0,
  mixtures: 0,
  biasMoved: 0,
  biasMissed: 0,
  cDec: 0,
  chance: 0,
};

function cellOf(runs: readonly Partial<Run>[]): CellResult {
  return {
    sought: 10,
    looks: [0, 1],
    runs: runs.map((run, seed) => ({ ...RUN, ...run, seed })),
    again: { pwMcc: 1, above: 1, chance: { pwMcc: 0, above: 0 } },
  };
}

describe('the study of starts', () => {
  it('counts latents between two true directions, not those at one or at none', () => {
    const truth = hostTensor([1, 0, 0, 0, 1, 0, 0, 0, 1], [3, 3]);
    const rows = (...values: number[]) => hostTensor(values, [values.length / 3, 3]);
    expect(mixtures(rows(1, 1, 0), truth, 0.9)).to.equal(1);
    expect(mixtures(rows(1, 0.1, 0), truth, 0.9)).to.equal(0);
    // A difference of two is no sum of them; (1, 1, 1) is √(2/3) from each plane.
    expect(mixtures(rows(1, -1, 0), truth, 0.9)).to.equal(0);
    expect(mixtures(rows(1, 1, 1), truth, 0.9)).to.equal(0);
    expect(mixtures(rows(1, 1, 1), truth, 0.8)).to.equal(1);
    expect(mixtures(rows(1, 1, 0, 0, 2, 1.5, 0, 0, 3), truth, 0.9)).to.equal(2);
    // e_1 = (1, 0, 0) and e_2 = (.6, .8, 0): of (.8, .4, .447) the projection has the norm .894.
    const oblique = hostTensor([1, 0, 0, 0.6, 0.8, 0], [2, 3]);
    expect(mixtures(rows(0.8, 0.4, 0.4472136), oblique, 0.9)).to.equal(0);
    expect(mixtures(rows(0.8, 0.4, 0.4472136), oblique, 0.89)).to.equal(1);
  });

  it('tells an optimiser that falls short from an objective that prefers something else', () => {
    const truth = cellOf([{ loss: 1 }, { loss: 1.02 }, { loss: 0.98 }]);
    const short = (losses: readonly number[]) =>
      shortfall(cellOf(losses.map((loss, i) => ({ loss, found: 5 + (i % 2) }))), truth);
    expect(short([1.2, 1.23, 1.17]).explanation).to.equal('optimiser');
    expect(short([0.8, 0.83, 0.77]).explanation).to.equal('objective');
    expect(short([0.8, 1.3, 1.05])).to.include({ explanation: 'both', higher: 2, lower: 1 });
    expect(short([1.005, 1.02, 0.975]).explanation).to.equal('undecided');
    expect(shortfall(cellOf([{}, { found: 9 }, {}]), truth).explanation).to.equal('reaches it');
    // Differences of −.5, −.4, −.5 in the share found.
    expect(short([1.2, 1.23, 1.17]).found.mean).to.be.closeTo(-1.4 / 3, 1e-9);
  });

  it('has as centres the directions of the unit rows that are nearest to each', () => {
    const random = createRandomSource(3);
    const [n, d, count] = [400, 5, 12];
    const rows = hostTensor(
      Float32Array.from({ length: n * d }, () => random.normal() * 3),
      [n, d],
    );
    const centres = sphericalKMeans(rows, count, createRandomSource(1), 100);
    const unit = (row: ArrayLike<number>): number[] => Array.from(row, value => value / Math.hypot(...Array.from(row)));
    const rowsOf = ({ data }: { data: Float32Array }): number[][] =>
      Array.from({ length: data.length / d }, (_, i) => unit(data.subarray(i * d, (i + 1) * d)));
    const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, k) => sum + x * b[k]!, 0);
    const own = rowsOf(centres);
    const sums = own.map(() => new Array<number>(d).fill(0));
    for (const row of rowsOf(rows)) {
      const cosines = own.map(centre => dot(centre, row));
      const nearest = cosines.indexOf(Math.max(...cosines));
      for (const [k, value] of row.entries()) sums[nearest]![k]! += value;
    }
    for (const [i, sum] of sums.entries()) expect(dot(unit(sum), own[i]!)).to.be.closeTo(1, 1e-6);
  });

  it('parts two opposite bundles of rows, whichever rows it begins with, and leaves no centre without rows', () => {
    const random = createRandomSource(5);
    const rows = hostTensor(
      Float32Array.from({ length: 300 }, (_, i) => (i % 3 === 0 ? (i % 2 === 0 ? 1 : -1) * 9 : random.normal())),
      [100, 3],
    );
    for (let seed = 0; seed < 20; seed++) {
      const { data } = sphericalKMeans(rows, 2, createRandomSource(seed));
      expect(data[0]! * data[3]!, `seed ${seed}`).to.be.below(-0.9);
    }
    // All rows are one of two directions: of three centres one would have none.
    const two = hostTensor([1, 0, 0, 1, 2, 0, 0, 3], [4, 2]);
    const { data } = sphericalKMeans(two, 3, createRandomSource(0));
    for (let i = 0; i < 3; i++) expect(Math.hypot(data[2 * i]!, data[2 * i + 1]!)).to.be.closeTo(1, 1e-6);
  });

  it('has the same directions found again, and random ones not', () => {
    const eye = hostTensor([1, 0, 0, 0, 1, 0, 0, 0, 1], [3, 3]);
    const turned = hostTensor([0, 0, -2, 1, 0, 0, 0, 1, 0], [3, 3]);
    const { pwMcc, above, chance } = foundAgain([eye, turned]);
    expect([pwMcc, above]).to.deep.equal([1, 1]);
    expect(chance.pwMcc).to.be.within(0.5, 0.95);
  });

  it('names every cell once, and prints what there is', () => {
    const names = Object.values(PARTS).flatMap(part => part.map(nameOf));
    expect(new Set(names).size).to.equal(names.length);
    const { tables, csv } = report(new Map());
    expect(tables['sizes']!.setting).to.contain('Not run: star, gaussian;');
    expect(csv.split('\n')).to.have.length(3);
  });

  it('writes its worlds for others', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'worlds-'));
    try {
      await writeWorlds(folder);
      const read = async (name: string) => readNpy(await readFile(join(folder, `${name}.npy`)), { file: name });
      for (const [world, features, width, rows] of [
        ['star', 5, 2, 10_000],
        ['hundred', 100, 25, 4000],
        ['thousand', 1000, 100, 2000],
      ] as const) {
        const [dictionary, heldOut, bias] = [
          await read(`${world}-dictionary`),
          await read(`${world}-held-out`),
          await read(`${world}-bias`),
        ];
        expect([dictionary.shape, heldOut.shape, bias.shape]).to.deep.equal([
          [features, width],
          [rows, width],
          [width],
        ]);
        if (world !== 'star') expect(Math.hypot(...(bias.data as Float32Array))).to.be.closeTo(1, 1e-6);
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('gives its published numbers again', async function () {
    this.timeout(300_000);
    const [header, ...lines] = (await readFile('docs/study.csv', 'utf8')).trim().split('\n');
    const names = header!.split(',');
    const published = lines.map(line => Object.fromEntries(line.split(',').map((value, i) => [names[i]!, value])));
    const world = await worldSettings('star').make();
    for (const start of ['gaussian', 'spread'] as const) {
      const cell: Cell = { ...PARTS['star']!.find(cell => cell.start === start && cell.bias === 'trained')!, seeds: 3 };
      const { runs } = await runCell(cell, world);
      for (const { seed, found, foundAtStart, dead } of runs) {
        const row = published.find(row =>
          Object.entries({ ...cell, seed }).every(([key, value]) => key === 'seeds' || row[key] === String(value)),
        );
        expect([found, foundAtStart, dead].map(String), `${start}, seed ${seed}`).to.deep.equal(
          ['found', 'foundAtStart', 'dead'].map(name => row![name]),
        );
      }
    }
  });
});
