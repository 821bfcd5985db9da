import { cp, mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { expect } from 'chai';
import {
  type ActivationFileOptions,
  activationFiles,
  type OpenActivationFiles,
} from '../../src/data/activation-files.ts';
import type { OpenOptions } from '../../src/data/activation-source.ts';
import { checkActivations } from '../../src/data/check-activations.ts';
import { DisposedError, FileFormatError, InvalidShapeError, InvalidValueError } from '../../src/errors.ts';
import { writeNpy } from '../../src/files/npy.ts';
import { writeSafetensors } from '../../src/files/safetensors.ts';
import type { HostTensor } from '../../src/tensor.ts';

const WIDTH = 16;
/** Rows of each shard; about 4 MB in all. */
const SHARDS = [30_000, 20_001, 12_345];
const TOTAL = SHARDS.reduce((sum, rows) => sum + rows, 0);

/** Rows whose first number tells them apart. */
function shard(first: number, rows: number, width = WIDTH): HostTensor {
  const data = Float32Array.from({ length: rows * width }, (_, i) => first + Math.floor(i / width) + (i % width) / 32);
  return { data, shape: [rows, width] };
}

async function rowsOf(stream: OpenActivationFiles, count: number, batch = 1000): Promise<number[]> {
  const rows: number[] = [];
  for (let left = count; left > 0; left -= batch) {
    const into = new Float32Array(Math.min(batch, left) * WIDTH);
    await stream.batches.fill({ activations: into }, 1);
    for (let at = 0; at < into.length; at += WIDTH) {
      // A row's last number tells that it came whole.
      if (into[at + WIDTH - 1] !== Math.fround(into[at]! + (WIDTH - 1) / 32)) expect.fail(`row ${into[at]} is torn`);
      rows.push(into[at]!);
    }
  }
  return rows;
}

async function heldOutOf(stream: OpenActivationFiles, rows = 1e9, batchSize = 777): Promise<number[]> {
  const held: number[] = [];
  for await (const { input } of stream.heldOut(rows, batchSize)) {
    expect(input.shape[0]).to.be.at.most(batchSize);
    for (let row = 0; row < input.shape[0]!; row++) held.push(input.data[row * stream.width]!);
  }
  return held;
}

async function errorOf(promise: unknown): Promise<Error> {
  return Promise.resolve(promise).then(
    () => expect.fail('nothing was thrown'),
    (error: Error) => error,
  );
}

type Settings = ActivationFileOptions & Partial<OpenOptions>;

describe('activations from files', () => {
  let folder: string;
  let pattern: string;
  const opened: OpenActivationFiles[] = [];
  const open = async (files: string | readonly string[], settings: Settings = {}): Promise<OpenActivationFiles> => {
    const { seed = 0, batchSize = 100, holdOut, signal, ...options } = settings;
    const stream = await activationFiles(files, options).open({ seed, batchSize, holdOut, signal });
    opened.push(stream);
    return stream;
  };
  const put = async (name: string, contents: Uint8Array): Promise<string> => {
    await writeFile(join(folder, name), contents);
    return join(folder, name);
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
    for (const stream of opened.splice(0)) await stream[Symbol.asyncDispose]();
  });

  after(() => rm(folder, { recursive: true }));

  it('gives every training row once an epoch, in another order each epoch, and never one held out', async () => {
    const stream = await open(pattern, { shuffleBuffer: 5000, holdOut: 0.1 });
    expect(stream.files).to.have.length(3);
    expect(stream.width).to.equal(WIDTH);
    expect(stream.rows + stream.heldOutRows).to.equal(TOTAL);
    expect(stream.heldOutRows).to.equal(Math.round(TOTAL * 0.1));
    const first = await rowsOf(stream, stream.rows);
    expect(stream.batches.state()).to.deep.equal({ epoch: 1, buffer: 0, taken: 0 });
    const second = await rowsOf(stream, stream.rows);
    const held = await heldOutOf(stream);
    const all = Array.from({ length: TOTAL }, (_, i) => i);
    for (const epoch of [first, second]) {
      const given = [...epoch, ...held].sort((a, b) => a - b);
      expect(given.every((row, i) => row === all[i]) && given.length === TOTAL).to.equal(true);
    }
    expect(second.slice(0, 50)).to.not.deep.equal(first.slice(0, 50));
  });

  it('holds out a share of all rows, spread over each file, whatever the seed', async () => {
    const held = await heldOutOf(await open(pattern, { holdOut: 0.1, seed: 1 }));
    expect(await heldOutOf(await open(pattern, { holdOut: 0.1, seed: 2 }), 1e9, 100)).to.deep.equal(held);
    expect(await heldOutOf(await open(pattern, { holdOut: 0.1 }), 500, 64)).to.deep.equal(held.slice(0, 500));
    let first = 0;
    for (const rows of SHARDS) {
      // Of each tenth of each file too.
      for (let part = 0; part < 10; part++) {
        const [start, end] = [first + (part * rows) / 10, first + ((part + 1) * rows) / 10];
        const own = held.filter(row => row >= start && row < end).length;
        expect(own / (end - start), `part ${part} of ${rows} rows`).to.be.closeTo(0.1, 3 / (end - start));
      }
      first += rows;
    }
    const few = await heldOutOf(await open(pattern, { holdOut: 0.001 }));
    expect(few).to.have.length(Math.round(TOTAL * 0.001));
  });

  it('holds out one row of twenty files of one row at .05, and a twentieth of many files of four', async () => {
    const small = join(folder, 'small');
    await mkdir(small);
    for (let i = 0; i < 20; i++) await put(`small/one-${i}.npy`, writeNpy(shard(i, 1)));
    for (let i = 0; i < 50; i++) await put(`small/four-${i}.npy`, writeNpy(shard(4 * i, 4)));
    const ones = await open(join(small, 'one-*.npy'), { holdOut: 0.05 });
    expect([ones.rows, ones.heldOutRows]).to.deep.equal([19, 1]);
    expect(await heldOutOf(ones)).to.have.length(1);
    const fours = await open(join(small, 'four-*.npy'), { holdOut: 0.05 });
    expect([fours.rows, fours.heldOutRows]).to.deep.equal([190, 10]);
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
    const state = JSON.parse(JSON.stringify(stream.batches.state()));
    expect(JSON.stringify(state).length).to.be.below(100);
    const rest = await rowsOf(stream, 20_000);
    const again = await open(pattern, { shuffleBuffer: 3000 });
    await rowsOf(again, 100);
    await again.batches.restore(state);
    expect((await rowsOf(again, 20_000)).join()).to.equal(rest.join());
    await stream.batches.restore(state);
    expect(await rowsOf(stream, 100)).to.deep.equal(rest.slice(0, 100));
  });

  it('reads files once where one buffer holds all rows, and gives them in another order in each epoch', async () => {
    const rows = 1000;
    const file = await put('once.npy', writeNpy(shard(0, rows)));
    const settings = { shuffleBuffer: 3000, seed: 4, holdOut: 0 };
    const stream = await open(file, settings);
    const first = await rowsOf(stream, rows);
    const state = JSON.parse(JSON.stringify(stream.batches.state()));
    // A stream that begins in the second epoch reads the rows in the order of that epoch.
    const again = await open(file, settings);
    await again.batches.restore(state);
    const expected = await rowsOf(again, 2 * rows);
    await truncate(file, 200);
    const rest = await rowsOf(stream, 2 * rows);
    expect(rest).to.deep.equal(expected);
    for (const epoch of [rest.slice(0, rows), rest.slice(rows)]) {
      expect(new Set(epoch).size).to.equal(rows);
      expect(epoch).to.not.deep.equal(first);
    }
  });

  it('samples training rows of many places without moving the stream', async () => {
    const stream = await open(pattern, { holdOut: 0.5, seed: 3 });
    const { data, shape } = await stream.sample(500);
    expect(shape).to.deep.equal([500, WIDTH]);
    expect(stream.batches.state()).to.deep.equal({ epoch: 0, buffer: 0, taken: 0 });
    const rows = Array.from({ length: 500 }, (_, i) => data[i * WIDTH]!);
    expect(new Set(rows).size).to.equal(500);
    const held = new Set(await heldOutOf(stream));
    expect(rows.filter(row => held.has(row))).to.deep.equal([]);
    // There are 246 runs: two or three rows of each.
    expect(new Set(rows.map(row => Math.floor(row / 256))).size).to.be.above(150);
    const all = await stream.sample(1e9);
    expect(all.shape[0]).to.equal(stream.rows);
    expect((await (await open(pattern, { holdOut: 0.5, seed: 3 })).sample(500)).data).to.deep.equal(data);
  });

  it('gives as many rows of a sample as are asked for where some files are short', async () => {
    const lengths = [1, 2, 3, 300, 5];
    for (const [i, rows] of lengths.entries()) await put(`short-${i}.npy`, writeNpy(shard(1000 * i, rows)));
    const stream = await open(join(folder, 'short-*.npy'), { holdOut: 0 });
    for (const wanted of [1, 10, 100, 311]) expect((await stream.sample(wanted)).shape[0]).to.equal(wanted);
    expect((await stream.sample(312)).shape[0]).to.equal(311);
  });

  it('tells files by what they are, not by how they were named', async () => {
    const copies = join(folder, 'copies');
    await mkdir(copies, { recursive: true });
    for (const [i, type] of ['npy', 'safetensors', 'npy'].entries()) {
      await cp(join(folder, `part-${i}.${type}`), join(copies, `part-${i}.${type}`));
    }
    const identity = async (files: string | readonly string[], settings: Settings = {}): Promise<string> =>
      JSON.stringify((await open(files, settings)).identity);
    const own = await identity(pattern);
    const paths = [2, 0, 1].map(i => join(folder, `part-${i}.${i === 1 ? 'safetensors' : 'npy'}`));
    expect(await identity(paths)).to.equal(own);
    expect(await identity(paths.map(path => relative(process.cwd(), path)))).to.equal(own);
    expect(await identity([...paths, ...paths])).to.equal(own);
    expect(await identity(join(copies, 'part-*'))).to.equal(own);
    expect(own).to.not.include(folder);
    expect(own).to.have.length.below(400);
    expect(JSON.parse(own).input).to.include({ files: 3, rows: TOTAL, width: WIDTH });
    expect(JSON.stringify(activationFiles(pattern).description)).to.not.include(folder);

    // One number of another file with as many rows, at its end, makes other data; so do another order and other options.
    const other = shard(50_001, 12_345);
    other.data[other.data.length - 1]! += 1;
    await writeFile(join(copies, 'part-2.npy'), writeNpy(other));
    const different = [
      own,
      await identity(join(copies, 'part-*')),
      await identity(pattern, { seed: 1 }),
      await identity(pattern, { holdOut: 0.1 }),
      await identity(pattern, { shuffleBuffer: 100 }),
      await identity(pattern, { skipBadRows: true }),
      await identity(paths.slice(1)),
    ];
    expect(new Set(different).size).to.equal(different.length);
  });

  describe('with rows that are not finite', () => {
    let bad: string;
    let heldOutRow: number;
    before(async () => {
      const values = shard(0, 400);
      bad = await put('bad.npy', writeNpy(values));
      [heldOutRow] = (await heldOutOf(await open(bad, { holdOut: 0.05 }))) as [number];
      const data = values.data.slice();
      const trained = Array.from({ length: 400 }, (_, i) => i).filter(row => row !== heldOutRow);
      for (const row of [heldOutRow, trained[7]!, trained[300]!])
        data[row * WIDTH + 3] = row % 2 ? Number.NaN : -Infinity;
      await writeFile(bad, writeNpy({ data, shape: [400, WIDTH] }));
    });

    it('says which file and row, of training and of the held-out part alike', async () => {
      const training = await errorOf(rowsOf(await open(bad, { holdOut: 0 }), 400));
      expect(training).to.be.instanceOf(FileFormatError);
      expect(training.message).to.match(/bad\.npy: row \d+ holds (NaN|-Infinity) in column 3/);
      const heldOut = await errorOf(heldOutOf(await open(bad, { holdOut: 0.05 })));
      expect(heldOut).to.be.instanceOf(FileFormatError);
      expect(heldOut.message).to.include(`bad.npy: row ${heldOutRow} holds`);
    });

    it('leaves them out and counts them where that is asked for', async () => {
      const stream = await open(bad, { holdOut: 0.05, skipBadRows: true });
      expect(stream.skippedRows).to.equal(0);
      const rows = await rowsOf(stream, 378);
      expect(new Set(rows).size).to.equal(378);
      expect(stream.batches.state()).to.deep.equal({ epoch: 1, buffer: 0, taken: 0 });
      expect(await heldOutOf(stream)).to.have.length(19);
      expect(stream.skippedRows).to.equal(3);
      await rowsOf(stream, 378);
      expect(stream.skippedRows).to.equal(3);
      expect((await stream.sample(1e9)).shape[0]).to.equal(378);
      const state = JSON.parse(JSON.stringify(stream.batches.state()));
      const rest = await rowsOf(stream, 200);
      const again = await open(bad, { holdOut: 0.05, skipBadRows: true });
      await again.batches.restore(state);
      expect(await rowsOf(again, 200)).to.deep.equal(rest);
    });

    it('says so where no row is good', async () => {
      const none = await put(
        'none-good.npy',
        writeNpy({ data: new Float32Array(100).fill(Number.NaN), shape: [50, 2] }),
      );
      const stream = await open(none, { skipBadRows: true });
      const failure = await errorOf(stream.batches.fill({ activations: new Float32Array(2) }, 1));
      expect(failure).to.be.instanceOf(FileFormatError);
      expect(failure.message).to.include('every other training row');
    });

    it('are found by a check, with the norms of the others', async () => {
      const checked = await checkActivations(bad);
      expect(checked).to.include({ rows: 400, width: WIDTH, badRows: 3 });
      expect(checked.bad.map(({ row }) => row)).to.include(heldOutRow);
      const clean = shard(0, 400);
      const norms = Array.from({ length: 400 }, (_, row) =>
        Math.hypot(...clean.data.subarray(row * WIDTH, (row + 1) * WIDTH)),
      ).filter((_, row) => !checked.bad.some(found => found.row === row));
      norms.sort((a, b) => a - b);
      const { mean, min, max, median, outliers } = checked.norms!;
      expect(mean).to.be.closeTo(norms.reduce((sum, norm) => sum + norm, 0) / norms.length, 1e-6);
      expect([min, max]).to.deep.equal([norms[0], norms.at(-1)]);
      expect(median / norms[198]!).to.be.closeTo(1, 0.02);
      expect(outliers).to.equal(0);
    });

    it('are few among others of which some are very long', async () => {
      const data = new Float32Array(1000 * 2).fill(1);
      for (const row of [3, 500]) data[2 * row] = 100;
      const sinks = await put('sinks.npy', writeNpy({ data, shape: [1000, 2] }));
      const { norms, badRows } = await checkActivations(sinks);
      expect(badRows).to.equal(0);
      expect(norms!.outliers).to.equal(2);
      expect(norms!.median).to.be.closeTo(Math.SQRT2, 0.02);
    });
  });

  it('gives pairs of rows in one order, from other files or another tensor of the same', async () => {
    for (const [i, rows] of [300, 200].entries()) {
      const [input, target] = [shard(1000 * i, rows, 4), shard(1000 * i + 0.5, rows, 3)];
      await put(`pair-${i}.safetensors`, writeSafetensors({ mlp_in: input, mlp_out: target }));
      await put(`in-${i}.npy`, writeNpy(input));
      await put(`out-${i}.npy`, writeNpy(target));
    }
    const ways: [string, ActivationFileOptions][] = [
      [join(folder, 'in-*.npy'), { target: join(folder, 'out-*.npy') }],
      [join(folder, 'pair-*.safetensors'), { tensor: 'mlp_in', targetTensor: 'mlp_out' }],
    ];
    const firsts: Float32Array[] = [];
    for (const [files, options] of ways) {
      const stream = await open(files, { ...options, holdOut: 0.1 });
      expect([stream.width, stream.targetWidth]).to.deep.equal([4, 3]);
      const [activations, target] = [new Float32Array(450 * 4), new Float32Array(450 * 3)];
      await stream.batches.fill({ activations, target }, 1);
      for (let row = 0; row < 450; row++) expect(target[3 * row]).to.equal(activations[4 * row]! + 0.5);
      for await (const { input, target } of stream.heldOut(50, 20)) {
        for (let row = 0; row < input.shape[0]!; row++)
          expect(target!.data[3 * row]).to.equal(input.data[4 * row]! + 0.5);
      }
      firsts.push(activations);
    }
    expect(firsts[1]).to.deep.equal(firsts[0]);
    const unlike = await errorOf(open(join(folder, 'in-*.npy'), { target: join(folder, 'out-0.npy') }));
    expect(unlike).to.be.instanceOf(FileFormatError);
    const shorter = [join(folder, 'out-1.npy'), join(folder, 'out-2.npy')];
    await put('out-2.npy', writeNpy(shard(0, 10, 3)));
    expect((await errorOf(open(join(folder, 'in-*.npy'), { target: shorter }))).message).to.include('expected');
  });

  it('says what is wrong with files and options', async () => {
    expect((await errorOf(open(join(folder, 'none-*.npy')))).message).to.include('no file matches');
    expect(await errorOf(open(join(folder, 'none.npy')))).to.be.instanceOf(FileFormatError);
    expect(() => activationFiles(pattern, { shuffleBuffer: 0 })).to.throw(InvalidValueError);
    expect(await errorOf(open(pattern, { holdOut: 1 }))).to.be.instanceOf(InvalidValueError);
    expect(await errorOf(open([]))).to.be.instanceOf(InvalidValueError);

    const narrow = await put('narrow.npy', writeNpy({ data: new Float32Array(6), shape: [2, 3] }));
    const widths = await errorOf(open([join(folder, 'part-0.npy'), narrow]));
    expect(widths.message).to.include('part-0.npy').and.include('narrow.npy').and.include('expected');

    const stream = await open(pattern);
    expect(await errorOf(stream.batches.fill({ activations: new Float32Array(7) }, 1))).to.be.instanceOf(
      InvalidShapeError,
    );
    for (const [state, words] of [
      [{ epoch: 0, buffer: 99, taken: 3 }, 'of other activations'],
      [{ epoch: 0, buffer: 0, taken: 1e9 }, 'of other activations'],
      [null, 'no place'],
    ] as const) {
      const failure = await errorOf((async () => stream.batches.restore(state))());
      expect(failure).to.be.instanceOf(FileFormatError);
      expect(failure.message).to.include(words);
    }
  });

  it('names a file that is cut short while it is read', async () => {
    const cut = await put('cut.npy', writeNpy(shard(0, 4000)));
    const stream = await open(cut, { holdOut: 0 });
    await truncate(cut, 2000 * WIDTH);
    const failure = await errorOf(rowsOf(stream, 4000));
    expect(failure).to.be.instanceOf(FileFormatError);
    expect(failure.message).to.include('cut.npy').and.include('the file ends at byte');
  });

  it('stops opening when it is aborted, and reads nothing after it was disposed of', async () => {
    expect((await errorOf(open(pattern, { signal: AbortSignal.abort() }))).name).to.equal('AbortError');
    const stream = await open(pattern);
    await rowsOf(stream, 10);
    const reading = errorOf(rowsOf(stream, 60_000));
    await stream[Symbol.asyncDispose]();
    expect(await reading).to.be.instanceOf(DisposedError);
    expect(await errorOf(stream.sample(10))).to.be.instanceOf(DisposedError);
    expect(await errorOf(heldOutOf(stream))).to.be.instanceOf(DisposedError);
  });

  for (const type of ['float64', 'float16', 'bfloat16', 'int32'] as const) {
    it(`reads ${type}`, async () => {
      const values = { data: Float32Array.from({ length: 600 }, (_, i) => i % 128), shape: [200, 3], type };
      const file = await put(`${type}.safetensors`, writeSafetensors({ acts: values }));
      const stream = await open(file, { holdOut: 0 });
      const activations = new Float32Array(600);
      await stream.batches.fill({ activations }, 1);
      expect([...activations].sort((a, b) => a - b)).to.deep.equal([...values.data].sort((a, b) => a - b));
    });
  }
});
