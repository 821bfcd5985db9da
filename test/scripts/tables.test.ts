/** The tables of the field: their closed forms, what they are made of, and one of them built small. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { featureHedging, hedged } from '../../scripts/tables/feature-hedging.ts';
import { KeptResults } from '../../scripts/tables/kept-results.ts';
import { sparseButWrongData, truthError } from '../../scripts/tables/sparse-but-wrong.ts';
import { greedyMean, pearson } from '../../scripts/tables/sparse-inference.ts';
import { intoDocument, meanOf } from '../../scripts/tables/table.ts';
import { frozenSaeToOnnx } from '../../src/export/frozen-sae-onnx.ts';
import { loadSae } from '../../src/inference/node.ts';
import { hostTensor } from '../../src/tensor.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tables-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('feature hedging', () => {
  it('has its optimum where a search finds it', () => {
    for (const [p, q] of [
      [0.25, 0.2],
      [0.5, 0.5],
      [0.1, 0.9],
    ] as const) {
      const loss = (angle: number, b: readonly [number, number]): number => {
        const n = [-Math.sin(angle), Math.cos(angle)] as const;
        const off = (x: number, y: number): number => (n[0] * (x - b[0]) + n[1] * (y - b[1])) ** 2;
        return (1 - p) * (b[0] ** 2 + b[1] ** 2) + p * ((1 - q) * off(1, 0) + q * off(1, 1));
      };
      const { rows, bias } = hedged(p, q);
      const [found] = rows;
      const least = loss(Math.atan2(found![1], found![0]), bias);
      let searched = Number.POSITIVE_INFINITY;
      for (let angle = -1.6; angle < 1.6; angle += 0.02) {
        for (let x = -0.2; x <= 0.2; x += 0.02) {
          for (let y = -0.2; y <= 0.2; y += 0.02) searched = Math.min(searched, loss(angle, [x, y]));
        }
      }
      expect(least).to.be.at.most(searched);
      expect(searched - least).to.be.below(1e-3);
    }
  });

  it('is found by training, within .02 in every component: the table, small', async () => {
    const began = performance.now();
    const { rows, verdict } = await featureHedging({ out: folder, seeds: 1, batchSize: 256 });
    const training = performance.now() - began;
    expect(verdict).to.match(/^It holds/);
    expect(rows).to.have.length(7);
    expect(rows[0]!.slice(0, 3)).to.deep.equal(['independent, one latent', 'W_dec', '(1.000, 0.000)']);
    // (f_0 + f_1) / √2: absorption. And the part of f_1 that one latent takes in.
    expect(rows[5]![2]).to.equal('(0.707, 0.707)');
    expect(rows[2]![2]).to.equal('(0.970, 0.243)');
    // What is kept is not trained again.
    const started = performance.now();
    expect((await featureHedging({ out: folder, seeds: 1, batchSize: 256 })).rows).to.deep.equal(rows);
    expect(performance.now() - started).to.be.below(training / 4);
  });
});

describe('Sparse but Wrong', () => {
  it('has the loss of one latent that mixes two features in closed form', async () => {
    // E L = m² [P1 (1 − α)² + P12 (1 − 2α)²] / (α² + (1 − α)²): .4, .154 at P1 = P12 = .4; .5, .25 at .5.
    for (const [alpha, p, printed] of [
      [1, 0.4, 0.4],
      [0.6, 0.4, 0.154],
      [1, 0.5, 0.5],
      [0.5, 0.5, 0.25],
    ] as const) {
      const norm = Math.hypot(alpha, 1 - alpha);
      const direction = [alpha / norm, (1 - alpha) / norm];
      const bytes = frozenSaeToOnnx({
        architecture: 'topk',
        dIn: 2,
        dSae: 1,
        dOut: 2,
        k: 1,
        applyBDecToInput: true,
        normalizeActivations: 'none',
        transcoder: false,
        weights: {
          W_enc: hostTensor(Float32Array.from(direction), [2, 1]),
          b_enc: hostTensor(new Float32Array(1), [1]),
          W_dec: hostTensor(Float32Array.from(direction), [1, 2]),
          b_dec: hostTensor(new Float32Array(2), [2]),
        },
      });
      await using sae = await loadSae(bytes, { provider: 'cpu' });
      const { reconstruction } = await sae.forward(hostTensor(Float32Array.from([1, 0, 1, 1]), [2, 2]));
      const [a, b, c, d] = reconstruction.data as unknown as [number, number, number, number];
      const loss = p * ((a - 1) ** 2 + b ** 2) + p * ((c - 1) ** 2 + (d - 1) ** 2);
      const expected = (p * (1 - alpha) ** 2 + p * (1 - 2 * alpha) ** 2) / norm ** 2;
      expect(loss).to.be.closeTo(expected, 1e-6);
      expect(loss).to.be.closeTo(printed, 5e-4);
    }
  });

  it("has the truth's error as numpy drew it with the same matrix", async () => {
    // numpy, 100,000 samples: L0 10.95; the k · B largest kept: 9.578, 8.220, 4.769, 1.196 at k = 1, 2, 5, 9; the k largest of each: 4.958 at 5.
    const { features } = await sparseButWrongData();
    const open = await features.open({ seed: 3, batchSize: 1024 });
    const rows = await open.sample(20_000);
    expect(rows.data.reduce((count, value) => count + Number(value > 0), 0) / 20_000).to.be.closeTo(10.95, 0.15);
    for (const [k, error] of [
      [1, 9.578],
      [2, 8.22],
      [5, 4.769],
      [9, 1.196],
    ] as const) {
      expect(truthError(rows, k, false) / error).to.be.closeTo(1, 0.05);
    }
    expect(truthError(rows, 5, true) / 4.958).to.be.closeTo(1, 0.05);
  });
});

describe('sparse inference', () => {
  it('correlates and matches as numpy does', () => {
    // numpy.corrcoef of (1, 2, 4) with (3, 1, 2) is -0.32732684, with (2, 4, 8) it is 1.
    const a = hostTensor(Float32Array.from([1, 2, 4, 5, 5, 5]), [2, 3]);
    const b = hostTensor(Float32Array.from([3, 1, 2, 2, 4, 8]), [2, 3]);
    const [first, second, ...constant] = pearson(a, b).data;
    expect(first).to.be.closeTo(0.32732684, 1e-6);
    expect(second).to.be.closeTo(1, 1e-6);
    expect(constant).to.deep.equal([0, 0]);
    // Greedily .9 and .1, not .8 and .7.
    expect(greedyMean(hostTensor(Float32Array.from([0.9, 0.8, 0.7, 0.1]), [2, 2]))).to.be.closeTo(0.5, 1e-6);
  });
});

describe('tables', () => {
  it('keep results by their settings', async () => {
    let made = 0;
    const make = async (): Promise<number> => ++made;
    const file = join(folder, 'a', 'b.jsonl');
    const results = new KeptResults(file);
    expect(await results.keep('c', { steps: 1 }, make)).to.equal(1);
    expect(await results.keep('c', { steps: 1 }, make)).to.equal(1);
    expect(await results.keep('c', { steps: 2 }, make)).to.equal(2);
    const asked = { steps: 2, seeds: 5 };
    expect(await results.get('c', asked)).to.equal(undefined);
    expect(await results.get('c', asked, ['seeds'])).to.equal(2);
    expect(await results.get('c', { steps: 3 }, ['seeds'])).to.equal(undefined);
    expect(results.used).to.equal('{"name":"c","settings":{"steps":2},"result":2}\n');
  });

  it('compute a result again whose line was torn, and keep those of other processes', async () => {
    const file = join(folder, 'torn.jsonl');
    await writeFile(file, '{"name":"first","settings":{},"result":1}\n{"name":"second","sett');
    const [one, other] = [new KeptResults(file), new KeptResults(file)];
    expect(await one.get('first', {})).to.equal(1);
    expect(await one.keep('second', {}, async () => 2)).to.equal(2);
    expect(await other.keep('third', {}, async () => 3)).to.equal(3);
    const never = (): never => expect.fail('is kept');
    expect(await one.keep('third', {}, async () => never())).to.equal(3);
    expect(await other.keep('second', {}, async () => never())).to.equal(2);
  });

  it('are put into the document between their markers', async () => {
    const path = join(folder, 'study.md');
    await writeFile(path, 'before\n<!-- F9 -->\nold\n<!-- end of F9 -->\nafter\n');
    await intoDocument(path, 'F9', 'new');
    expect(await readFile(path, 'utf8')).to.equal('before\n<!-- F9 -->\n\nnew\n\n<!-- end of F9 -->\nafter\n');
    expect(await intoDocument(path, 'F8', 'new').catch((error: Error) => error.message)).to.contain('no place for F8');
  });

  it('have intervals of Student’s t', () => {
    // t of two degrees of freedom is 4.3027; deviation 1, three values.
    expect(meanOf([1, 2, 3], 3)).to.equal('2.000 ± 2.484');
    expect(meanOf([5], 1)).to.equal('5.0');
  });
});
