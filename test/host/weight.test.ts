/** Weights by name: in the graph, on disk, and what a model computes from them alone. Every expected value is written out. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { openHost } from '../../src/host/index.ts';
import { encodeProto } from '../../src/onnx/cut.ts';
import type { GraphNode } from '../../src/onnx/graph.ts';
import { readModel } from '../../src/onnx/read.ts';
import { readTensor } from '../../src/onnx/tensor-values.ts';
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

  it('of integers are dequantised as the model does it: by DequantizeLinear', async () => {
    const file = join(folder, 'linear.onnx');
    const codes = Int32Array.from({ length: 6 }, (_, i) => i - 2);
    const { proto } = readModel(
      encodeModel({
        name: 'host',
        nodes: [
          node('DequantizeLinear', ['codes', 'step'], ['head']),
          node('MatMul', ['x', 'head'], ['product']),
          node('Gather', ['product', 'places'], ['logits'], { axis: 1 }),
        ],
        initializers: [
          { name: 'codes', type: 'float32', shape: [2, 3], data: new Float32Array(6) },
          { name: 'step', type: 'float32', shape: [], data: Float32Array.of(0.5) },
          { name: 'places', type: 'int64', shape: [1], data: [2] },
        ],
        inputs: [{ name: 'x', type: 'float32', shape: ['batch', 2] }],
        outputs: [{ name: 'logits', type: 'float32', shape: ['batch', 1] }],
      }),
    );
    // What is written here has no integers of 32 bits.
    Object.assign(proto.graph.initializer![0]!, { dataType: 6, rawData: new Uint8Array(codes.buffer) });
    writeFileSync(file, encodeProto(proto));
    await using host = await openHost(file);
    const { data, shape } = await host.weight('codes');
    expect([...shape]).to.deep.equal([2, 3]);
    expect(Array.from(data)).to.deep.equal([-1, -0.5, 0, 0.5, 1, 1.5]);
    const problem = await host.weight('places').catch((error: Error) => error.message);
    expect(problem).to.match(/places of .* is int64, read by Gather: what its numbers stand for is known only of/);
  });

  it('of four bits are what MatMulNBits multiplies with, [in, out]', async () => {
    const file = fileURLToPath(new URL('hosts/cached-int4.onnx', import.meta.url));
    const { graph } = readModel(readFileSync(file)).proto;
    const raw = (name: string) => readTensor(graph.initializer!.find(tensor => tensor.name === name)!).data;
    await using host = await openHost(file);
    // b0_u: [16, 32] in blocks of 16. Two numbers to a byte, the lower one first; 8 is zero.
    const [inner, width, block] = [16, 32, 16];
    const { data, shape } = await host.weight('b0_u_q');
    expect([...shape]).to.deep.equal([inner, width]);
    const [bytes, scales] = [raw('b0_u_q'), raw('b0_u_s')];
    Array.from(data).forEach((value, at) => {
      const [k, n] = [Math.floor(at / width), at % width];
      const byte = bytes[(n * inner + k) >> 1]!;
      const code = k % 2 ? byte >> 4 : byte & 15;
      expect(value).to.be.closeTo((code - 8) * scales[n * (inner / block) + Math.floor(k / block)]!, 1e-6);
    });
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
