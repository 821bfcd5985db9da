/** A model that never comes to an end, in a worker. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Graph } from '../../src/onnx/graph.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { floats, node, tensor, weight } from './contract-graphs.ts';

/** An autoencoder whose features go round a Loop of 2^53 turns. */
function endlessSae(): Uint8Array {
  const body: Graph = {
    name: 'turn',
    nodes: [node('Identity', ['go'], ['goes']), node('Abs', ['x'], ['y'])],
    initializers: [],
    inputs: [
      { name: 'turn', type: 'int64', shape: [] },
      { name: 'go', type: 'bool', shape: [] },
      floats('x', 'batch', 3),
    ],
    outputs: [{ name: 'goes', type: 'bool', shape: [] }, floats('y', 'batch', 3)],
  };
  const rows = tensor([
    [1, 0, 1],
    [0, 1, 1],
  ]);
  return encodeModel({
    name: 'endless',
    nodes: [
      node('MatMul', ['activations', 'W_enc'], ['pre']),
      node('Loop', ['turns', 'forever', 'pre'], ['features'], { body: { graph: body } }),
      node('MatMul', ['features', 'W_dec'], ['reconstruction']),
    ],
    initializers: [
      weight('W_enc', rows),
      weight('W_dec', { shape: [3, 2], data: Float32Array.from([1, 0, 0, 1, 1, 1]) }),
      { name: 'turns', type: 'int64', shape: [], data: [2 ** 53 - 1] },
      { name: 'forever', type: 'bool', shape: [], data: [1] },
    ],
    inputs: [floats('activations', 'batch', 2)],
    outputs: [floats('reconstruction', 'batch', 2), floats('features', 'batch', 3)],
  });
}

describe('a model that hangs in a worker', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
  });
  after(() => rm(folder, { recursive: true }));

  it('can be disposed of: its call is rejected, and the caller goes on', async () => {
    const file = join(folder, 'endless.onnx');
    await writeFile(file, endlessSae());
    // In a process of its own: nothing but a signal ends a thread that hangs in native code.
    const code = `
      import { loadSae } from ${JSON.stringify(new URL('../../src/inference/node.ts', import.meta.url).href)};
      const sae = await loadSae(${JSON.stringify(file)}, { worker: true, provider: 'cpu' });
      const call = sae.encode([[1, 2]]).then(() => 'answered', error => error.name);
      await sae.dispose();
      console.log('disposed,', await call);
    `;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code]);
    try {
      let said = '';
      for await (const chunk of child.stdout) {
        said += chunk;
        if (said.includes('\n')) break;
      }
      expect(said).to.equal('disposed, DisposedError\n');
    } finally {
      child.kill('SIGKILL');
    }
  });
});
