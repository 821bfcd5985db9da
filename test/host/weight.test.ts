/** Weights by name: in the graph, on disk, and what a model computes from them alone. Every expected value is written out. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { openHost } from '../../src/host/index.ts';
import type { GraphNode } from '../../src/onnx/graph.ts';
import { encodeModel } from '../../src/onnx/write.ts';

const [ROWS, COLUMNS] = [30, 20];
const values = Float32Array.from({ length: ROWS * COLUMNS }, (_, i) => (i % 97) - 48);

const node = (
  op: string,
  inputs: string[],
  outputs: string[],
  attributes: GraphNode['attributes'] = {},
): GraphNode => ({
  op,
  inputs,
  outputs,
  attributes,
});

describe('weights of a host model', () => {
  let folder: string;
  const at = () => join(folder, 'model.onnx');

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'monosemantic-weight-'));
    writeFileSync(
      at(),
      encodeModel({
        name: 'host',
        nodes: [
          node('Transpose', ['tied'], ['turned'], { perm: [1, 0] }),
          node('Cast', ['turned'], ['half'], { to: 10 }),
          node('Cast', ['half'], ['whole'], { to: 1 }),
          node('MatMul', ['x', 'whole'], ['logits']),
        ],
        initializers: [
          { name: 'tied', type: 'float32', shape: [ROWS, COLUMNS], data: values },
          { name: 'small', type: 'float32', shape: [2], data: Float32Array.of(3, 4) },
        ],
        inputs: [{ name: 'x', type: 'float32', shape: ['batch', COLUMNS] }],
        outputs: [{ name: 'logits', type: 'float32', shape: ['batch', ROWS] }],
      }),
    );
  });
  after(() => rmSync(folder, { recursive: true }));

  it('are read from where they lie on disk', async () => {
    await using host = await openHost(at());
    const tied = await host.weight('tied');
    expect([...tied.shape]).to.deep.equal([ROWS, COLUMNS]);
    expect(Array.from(tied.data)).to.deep.equal([...values]);
    expect(Array.from((await host.weight('small')).data)).to.deep.equal([3, 4]);
  });

  it('come transposed and from half precision where the model makes them so', async () => {
    await using host = await openHost(at());
    for (const name of ['turned', 'half', 'whole']) {
      const { data, shape } = await host.weight(name);
      expect([...shape], name).to.deep.equal([COLUMNS, ROWS]);
      const expected = Array.from(
        { length: data.length },
        (_, i) => values[(i % ROWS) * COLUMNS + Math.floor(i / ROWS)]!,
      );
      expect(Array.from(data), name).to.deep.equal(expected);
    }
  });

  it('are refused by name where there are none', async () => {
    await using host = await openHost(at());
    const problem = (name: string) =>
      host.weight(name).then(
        () => '',
        (error: Error) => error.message,
      );
    expect(await problem('tide')).to.match(/no weight named tide in .*; the nearest are tied/);
    expect(await problem('logits')).to.match(/logits of .* is no weight: it depends on the input x/);
  });
});
