/** Rows from files: sequences from positions and from the shape of token ids, labels from CSV, and files that do not fit. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type FileRowOptions, openFileRows } from '../../src/features/file-rows.ts';
import { LabelValues, type RowBlock, rowBlocks } from '../../src/features/row-blocks.ts';
import { writeNpy } from '../../src/files/npy.ts';
import { writeSafetensors } from '../../src/files/safetensors.ts';
import { rejection } from '../inference/rejection.ts';
import { normals } from './bundle-cases.ts';

describe('rows from files', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'monosemantic-rows-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  const write = (
    name: string,
    data: ArrayLike<number>,
    shape: readonly number[],
    type: 'int32' | 'float32' | 'float16',
  ) => {
    const path = join(folder, name);
    writeFileSync(path, writeNpy({ data, shape, type }));
    return path;
  };
  const range = (count: number) => Array.from({ length: count }, (_, i) => i);

  /** All rows of the files, in blocks of seven. */
  async function readAll(options: FileRowOptions) {
    const rows = await openFileRows(options);
    const labels = (rows.labelColumns ?? []).map(name => new LabelValues(name));
    const read = { activations: [] as number[], sequences: [] as number[], records: [] as number[][], labels };
    try {
      for await (const block of rowBlocks(rows, 7, labels)) {
        read.activations.push(...block.activations);
        read.sequences.push(...block.sequences);
        const width = block.records.length / block.rows;
        for (let row = 0; row < block.rows; row++)
          read.records.push([...block.records.subarray(row * width, (row + 1) * width)]);
      }
      return read;
    } finally {
      await rows.close();
    }
  }

  it('of several files, with positions that start anew', async () => {
    const values = normals(1, 30);
    const activations = [
      write('a.npy', values.subarray(0, 12), [4, 3], 'float32'),
      write('b.npy', values.subarray(12), [6, 3], 'float32'),
    ];
    const positions = write('p.npy', [0, 1, 2, 3, 1, 4, 5, 0, 0, 1], [10], 'int32');
    const tokens = write('t.npy', range(10), [10], 'int32');
    const read = await readAll({ activations, tokens, positions });
    expect(read.activations).to.deep.equal([...values]);
    expect(read.sequences).to.deep.equal([0, 0, 0, 0, 1, 1, 1, 2, 3, 3]);
    expect(read.records[5]).to.deep.equal([5, 4]);
  });

  it('with targets, a file for each or two tensors of one', async () => {
    const [x, y] = [normals(5, 12), normals(6, 8)];
    const files = [
      write('x0.npy', x.subarray(0, 6), [2, 3], 'float32'),
      write('x1.npy', x.subarray(6), [2, 3], 'float32'),
    ];
    const target = [
      write('y0.npy', y.subarray(0, 4), [2, 2], 'float32'),
      write('y1.npy', y.subarray(4), [2, 2], 'float32'),
    ];
    const pairs = join(folder, 'pairs.safetensors');
    writeFileSync(pairs, writeSafetensors({ in: { data: x, shape: [4, 3] }, out: { data: y, shape: [4, 2] } }));
    for (const options of [
      { activations: files, target },
      { activations: pairs, tensor: 'in', targetTensor: 'out' },
    ]) {
      const rows = await openFileRows(options);
      const blocks: RowBlock[] = [];
      for await (const block of rowBlocks(rows, 3, [])) blocks.push(block);
      expect(rows.targetWidth).to.equal(2);
      expect(blocks.flatMap(block => [...block.activations])).to.deep.equal([...x]);
      expect(blocks.flatMap(block => [...block.target!])).to.deep.equal([...y]);
      await rows.close();
    }
  });

  it('with token ids [sequences, length], and with pairs of sequence and position', async () => {
    const activations = write('c.npy', normals(2, 24), [12, 2], 'float16');
    const tokens = write('t2.npy', range(12), [3, 4], 'int32');
    const byShape = await readAll({ activations, tokens });
    expect(byShape.sequences).to.deep.equal([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
    expect(byShape.records[6]).to.deep.equal([6, 2]);
    const pairs = range(12).flatMap(row => [[9, 4, 7][Math.floor(row / 4)]!, 3 + (row % 4)]);
    const positions = write('pairs.npy', pairs, [12, 2], 'int32');
    const byPairs = await readAll({ activations, tokens, positions });
    expect(byPairs.sequences).to.deep.equal([9, 9, 9, 9, 4, 4, 4, 4, 7, 7, 7, 7]);
    expect(byPairs.records[6]).to.deep.equal([6, 5]);
    // Without positions all rows with tokens are one sequence; without tokens they belong to none.
    const flat = write('t3.npy', range(12), [12], 'int32');
    expect((await readAll({ activations, tokens: flat })).sequences).to.deep.equal(Array(12).fill(0));
    expect((await readAll({ activations })).sequences).to.deep.equal(Array(12).fill(-1));
  });

  it('with labels: quoted cells, line ends in cells, empty ones', async () => {
    const activations = write('d.npy', normals(3, 4), [4, 1], 'float32');
    const labels = join(folder, 'labels.csv');
    writeFileSync(labels, '\uFEFFkind, note\r\ncat,"a, b"\r\ndog,"two\nlines ""quoted"""\ncat,\n\n,x');
    const { records, labels: columns } = await readAll({ activations, labels });
    expect(columns.map(({ name, values }) => [name, ...values])).to.deep.equal([
      ['kind', 'cat', 'dog'],
      ['note', 'a, b', 'two\nlines "quoted"', 'x'],
    ]);
    expect(records.map(record => record.slice(2))).to.deep.equal([
      [0, 0],
      [1, 1],
      [0, -1],
      [-1, 2],
    ]);
  });

  it('refuses files that do not fit, and names them', async () => {
    const activations = write('e.npy', normals(4, 10), [5, 2], 'float32');
    const message = async (more: Partial<FileRowOptions>) => {
      const error = await rejection(readAll({ activations, ...more }));
      expect(error.name).to.equal('FileFormatError');
      return error.message;
    };
    const csv = (text: string) => {
      writeFileSync(join(folder, 'bad.csv'), text);
      return { labels: join(folder, 'bad.csv') };
    };
    expect(await message({ tokens: write('t4.npy', range(4), [4], 'int32') })).to.match(
      /t4\.npy: token ids \[4\] for 5/,
    );
    expect(await message({ positions: write('p4.npy', range(12), [6, 2], 'int32') })).to.match(
      /positions \[6, 2\] for 5/,
    );
    expect(await message({ tokens: join(folder, 'none.npy') })).to.match(/none\.npy: there is no such file/);
    expect(await message({ tokens: write('t5.npy', [0, 1, 2, 3, 0.5], [5], 'float32') })).to.match(
      /token of row 4 is 0\.5/,
    );
    expect(await message({ activations: [activations, write('w.npy', [1, 2, 3], [1, 3], 'float32')] })).to.match(
      /rows of 3/,
    );
    expect(await message({ target: write('y5.npy', [1, 2, 3], [3, 1], 'float32') })).to.match(
      /y5\.npy: 3 rows of targets, expected 5/,
    );
    expect(await message({ targetTensor: 'y' })).to.match(/e\.npy: holds one array and not y as well/);
    expect(await message({ target: [activations, activations] })).to.match(/1 files of activations and 2 of targets/);
    expect(await message(csv('a\n1\n2\n3'))).to.match(/bad\.csv: it has 3 rows of labels/);
    expect(await message(csv('a\n1\n2\n3\n4\n5\n6'))).to.match(/more rows of labels/);
    writeFileSync(join(folder, 'plain.csv'), 'x,1\ny,2\nx,3\n\ny,4\nz,5\n');
    const { labels } = await readAll({ activations, labels: join(folder, 'plain.csv') });
    expect(labels.map(({ name, values }) => [name, ...values])).to.deep.equal([
      ['label', 'x', 'y', 'z'],
      ['label 2', '1', '2', '3', '4', '5'],
    ]);
    expect(await message(csv('a,b\n1,2\n3'))).to.match(/row 1 has 1 cells, expected 2/);
    expect(await message(csv(''))).to.match(/expected labels/);
  });
});
