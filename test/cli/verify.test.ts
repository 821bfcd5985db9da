import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { frozenSaeToOnnx } from '../../src/export/frozen-sae-onnx.ts';
import { loadSaeFolder } from '../../src/export/load-sae-folder.ts';
import { readNpy, writeNpy } from '../../src/files/npy.ts';
import { readNpz } from '../../src/files/npz.ts';
import { caseFolders, readAnswers } from '../export/checkpoint-cases.ts';
import { runCommand } from './run-command.ts';

describe('command line, verify and decoder norms', () => {
  let folder = '';
  const at = (name: string): string => join(folder, name);
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
  });
  after(() => rm(folder, { recursive: true }));

  for (const name of ['standard', 'topk', 'gated', 'whitened-batchtopk', 'gemma-scope-2', 'topk-layer-norm']) {
    it(`finds ${name} the same on given rows and on drawn ones`, async () => {
      await runCommand(['convert', caseFolders[name]!, at('a.onnx')]);
      await writeFile(at('x.npy'), writeNpy((await readAnswers(caseFolders[name]!)).x));
      for (const more of [[], ['--input', at('x.npy')], ['--seed', '7', '--rows', '20']]) {
        const run = await runCommand(['verify', at('a.onnx'), '--against', caseFolders[name]!, '--json', ...more]);
        expect([run.status, run.stderr]).to.deep.equal([0, '']);
        const said = JSON.parse(run.stdout);
        expect([said.same, said.weights.largest]).to.deep.equal([true, 0]);
        expect(said.features.largest).to.be.lessThan(1e-4);
        expect(said.active_per_row).to.be.greaterThan(0);
      }
    });
  }

  it('tells the hashes of both, and ends with status 1 where one weight differs', async () => {
    const { sae } = await loadSaeFolder(caseFolders['jumprelu']!);
    await writeFile(at('good.onnx'), frozenSaeToOnnx(sae));
    const good = await runCommand(['verify', at('good.onnx'), '--against', caseFolders['jumprelu']!]);
    expect(good.status).to.equal(0);
    const { createHash } = await import('node:crypto');
    const hash = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
    for (const path of [at('good.onnx'), join(caseFolders['jumprelu']!, 'sae_weights.safetensors')]) {
      expect(good.stdout).to.include(`sha256 ${hash(path)}  ${path}`);
    }
    for (const name of Object.keys(sae.weights)) {
      const weights = structuredClone(sae.weights);
      weights[name]!.data[3]! += 0.01;
      await writeFile(at('bad.onnx'), frozenSaeToOnnx({ ...sae, weights }));
      const bad = await runCommand(['verify', at('bad.onnx'), '--against', caseFolders['jumprelu']!]);
      expect(bad.status, name).to.equal(1);
      expect(bad.stderr, name).to.match(/^monosemantic: .*bad\.onnx: differs from [^\n]*\n$/);
    }
    const other = await runCommand(['verify', at('good.onnx'), '--against', caseFolders['sparsify']!]);
    expect([other.status, other.stderr.includes('d_in, d_sae and d_out')]).to.deep.equal([1, true]);
  });

  it('gives features times the norms of decoder rows with --fold-decoder-norm', async () => {
    const { sae } = await loadSaeFolder(caseFolders['standard']!);
    await writeFile(at('sae.onnx'), frozenSaeToOnnx(sae));
    const { x, features } = await readAnswers(caseFolders['standard']!);
    await writeFile(at('x.npy'), writeNpy(x));
    const norms = Array.from({ length: sae.dSae }, (_, j) =>
      Math.hypot(...sae.weights['W_dec']!.data.subarray(j * sae.dOut, (j + 1) * sae.dOut)),
    );
    const encode = ['encode', at('sae.onnx'), '--input', at('x.npy'), '--fold-decoder-norm', '--output'];
    expect((await runCommand([...encode, at('f.npy')])).status).to.equal(0);
    const dense = readNpy(await readFile(at('f.npy'))).data;
    features.data.forEach((value, i) => {
      expect(dense[i]).to.be.closeTo(value * norms[i % sae.dSae]!, 1e-5);
    });
    expect((await runCommand([...encode, at('f.npz'), '--sparse'])).status).to.equal(0);
    const sparse = readNpz(await readFile(at('f.npz')), { names: ['data'] }).get('data')!.data;
    expect([...sparse]).to.deep.equal([...dense].filter(value => value !== 0));
  });
});
