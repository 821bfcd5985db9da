import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type ActivationFiles, openActivations } from '../../src/data/activation-files.ts';
import { FileFormatError, InvalidValueError } from '../../src/errors.ts';
import { writeNpy } from '../../src/files/npy.ts';
import { writeSafetensors } from '../../src/files/safetensors.ts';
import type { HostTensor } from '../../src/tensor.ts';

const WIDTH = 16;
/** Rows of each shard; about 4 MB in all. */
const SHARDS = [30_000, 20_001, 12_345];
const TOTAL = SHARDS.reduce((sum, rows) => sum + rows, 0);

/** Rows whose first number tells them apart. */
function shard(first: number, rows: number): HostTensor {
  const data = Float32Array.from({ length: rows * WIDTH }, (_, i) => first + Math.floor(i / WIDTH) + (i % WIDTH) / 32);
  return { data, shape: [rows, WIDTH] };
}

async function rowsOf(stream: ActivationFiles, count: number, batch = 1000): Promise<number[]> {
  const rows: number[] = [];
  for (let left = count; left > 0; left -= batch) {
    const into = new Float32Array(Math.min(batch, left) * WIDTH);
    await stream.fill({ activations: into });
    for (let at = 0; at < into.length; at += WIDTH) {
      // A row's last number tells that it came whole.
      if (into[at + WIDTH - 1] !== Math.fround(into[at]! + (WIDTH - 1) / 32)) expect.fail(`row ${into[at]} is torn`);
      rows.push(into[at]!);
    }
  }
  return rows;
}

async function errorOf(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => expect.fail('nothing was thrown'),
    (error: Error) => error,
  );
}

describe('activations from files', () => {
  let folder: string;
  let pattern: string;
  const opened: ActivationFiles[] = [];
  const open = async (...args: Parameters<typeof openActivations>): Promise<ActivationFiles> => {
    const stream = await openActivations(...args);
    opened.push(stream);
    return stream;
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'activations-'));
    pattern = join(folder, 'part-*.{npy,safetensors}');
    let first = 0;
    for (const [i, rows] of SHARDS.entries()) {
      const tensor = shard(first, rows);
      const file = join(folder, `part-${i}.${i === 1 ? 'safetensors' : 'npy'}`);
      await writeFile(file, i === 1 ? writeSafetensors({ acts: tensor }, {}) : writeNpy(tensor));
      first += rows;
    }
  });

  afterEach(async () => {
    for (const stream of opened.splice(0)) await stream.close();
  });

  after(() => rm(folder, { recursive: true }));

  it('gives every training row once an epoch, in another order each epoch, and never one held out', async () => {
    const stream = await open(pattern, { shuffleBuffer: 5000, holdOut: 0.1 });
    expect(stream.files).to.have.length(3);
    expect(stream.width).to.equal(WIDTH);
    expect(stream.rows + stream.heldOutRows).to.equal(TOTAL);
    expect(stream.heldOutRows).to.equal(3000 + 2001 + 1235);
    const first = await rowsOf(stream, stream.rows);
    expect(stream.state()).to.deep.equal({ epoch: 1, taken: 0, rows: stream.rows });
    const second = await rowsOf(stream, stream.rows);
    const held: number[] = [];
    for await (const { data, shape } of stream.heldOut(777)) {
      for (let row = 0; row < shape[0]!; row++) held.push(data[row * WIDTH]!);
    }
    const all = Array.from({ length: TOTAL }, (_, i) => i);
    for (const epoch of [first, second]) {
      const given = [...epoch, ...held].sort((a, b) => a - b);
      expect(given.every((row, i) => row === all[i]) && given.length === TOTAL).to.equal(true);
    }
    expect(second.slice(0, 50)).to.not.deep.equal(first.slice(0, 50));
    expect(held.slice(0, 3)).to.deep.equal([27_000, 27_001, 27_002]);
  });

  it('mixes rows of all files', async () => {
    const stream = await open(pattern, { shuffleBuffer: 8192, holdOut: 0 });
    const rows = await rowsOf(stream, 4000);
    const mean = rows.reduce((sum, row) => sum + row, 0) / rows.length;
    // 32 runs of 256 rows are drawn: the mean of their places deviates by TOTAL / √12 / √32.
    expect(Math.abs(mean - TOTAL / 2)).to.be.below((4 * TOTAL) / Math.sqrt(12 * 32));
    const neighbours = rows.slice(1).filter((row, i) => Math.abs(row - rows[i]!) < 256).length;
    expect(neighbours / rows.length).to.be.below(0.1);
  });

  it('gives the same rows for a seed, others for another, whatever the size of the batch', async () => {
    const rows = await rowsOf(await open(pattern, { seed: 1, shuffleBuffer: 3000 }), 9000);
    const small = await rowsOf(await open(pattern, { seed: 1, shuffleBuffer: 3000 }), 9000, 128);
    expect(small.join()).to.equal(rows.join());
    const other = await rowsOf(await open(pattern, { seed: 2, shuffleBuffer: 3000 }), 9000);
    expect(other.join()).to.not.equal(rows.join());
  });

  it('goes on to the same rows from a position that went through JSON', async () => {
    const stream = await open(pattern, { shuffleBuffer: 3000 });
    await rowsOf(stream, 13_579);
    const state = JSON.parse(JSON.stringify(stream.state()));
    expect(JSON.stringify(state).length).to.be.below(100);
    const rest = await rowsOf(stream, 20_000);
    const again = await open(pattern, { shuffleBuffer: 3000 });
    await rowsOf(again, 100);
    again.restore(state);
    expect((await rowsOf(again, 20_000)).join()).to.equal(rest.join());
    stream.restore(state);
    expect(await rowsOf(stream, 100)).to.deep.equal(rest.slice(0, 100));
  });

  it('samples training rows without moving the stream', async () => {
    const stream = await open(pattern, { holdOut: 0.5 });
    const { data, shape } = await stream.sample(500, 3);
    expect(shape).to.deep.equal([500, WIDTH]);
    expect(stream.state().taken).to.equal(0);
    const rows = Array.from({ length: 500 }, (_, i) => data[i * WIDTH]!);
    expect(new Set(rows).size).to.equal(500);
    const isTraining = (row: number) =>
      row < 15_000 || (row >= 30_000 && row < 40_000) || (row >= 50_001 && row < 56_173);
    expect(rows.filter(row => !isTraining(row))).to.deep.equal([]);
    expect((await stream.sample(1e9, 3)).shape[0]).to.be.at.most(stream.rows);
  });

  it('says what is wrong with files and options', async () => {
    expect((await errorOf(openActivations(join(folder, 'none-*.npy')))).message).to.include('no file matches');
    expect(await errorOf(openActivations(join(folder, 'none.npy')))).to.be.instanceOf(FileFormatError);
    expect(await errorOf(openActivations(pattern, { shuffleBuffer: 0 }))).to.be.instanceOf(InvalidValueError);
    expect(await errorOf(openActivations(pattern, { holdOut: 1 }))).to.be.instanceOf(InvalidValueError);
    expect(await errorOf(openActivations([]))).to.be.instanceOf(InvalidValueError);

    const narrow = join(folder, 'narrow.npy');
    await writeFile(narrow, writeNpy({ data: new Float32Array(6), shape: [2, 3] }));
    const widths = await errorOf(openActivations([join(folder, 'part-0.npy'), narrow]));
    expect(widths.message).to.include('narrow.npy').and.include('expected 16');

    const bad = join(folder, 'bad.npy');
    await writeFile(bad, writeNpy({ data: [1, 2, 3, 4, Number.NaN, 6], shape: [3, 2] }));
    const stream = await open(bad, { holdOut: 0 });
    const notFinite = await errorOf(stream.fill({ activations: new Float32Array(2) }));
    expect(notFinite.message).to.include('bad.npy').and.include('row 2');

    const other = await open(pattern);
    const elsewhere = () => other.restore({ epoch: 0, taken: 3, rows: 99 });
    expect(elsewhere).to.throw(FileFormatError, 'of other activations');
    expect(() => other.restore(null)).to.throw(FileFormatError, 'no place');
  });
});
