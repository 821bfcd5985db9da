import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { FileFormatError } from '../../src/errors.ts';
import { loadSaeFromFiles } from '../../src/export/load-sae-checkpoint.ts';
import { loadSaeFolder, saveSaelensFolder } from '../../src/export/load-sae-folder.ts';
import { applyPlainSae } from '../../src/export/plain-sae.ts';
import { saveSae } from '../../src/export/save-sae.ts';
import { openModel } from '../../src/inference/load.ts';
import { readSource } from '../../src/inference/node-source.ts';
import { saeRequest } from '../../src/inference/requests.ts';
import { loadNodeRuntime } from '../../src/sessions/node.ts';
import { caseFolders, expectClose, readAnswers } from './checkpoint-cases.ts';

const python = process.env['MONOSEMANTIC_PYTHON'] ?? 'python3';

describe('SAEs with their weights beside the .onnx', () => {
  let folder = '';
  let path = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
    path = join(folder, 'sae.onnx');
    const { sae } = await loadSaeFolder(caseFolders['topk-layer-norm']!);
    // As if an ONNX file could hold no more than 1 kB.
    expect(await saveSae(path, sae, {}, { largestModel: 1000 })).to.deep.equal([path, `${path}.data`]);
  });
  after(() => rm(folder, { recursive: true }));

  it('stay in one file while they fit', async () => {
    const { sae } = await loadSaeFolder(caseFolders['topk']!);
    const alone = join(folder, 'alone.onnx');
    expect(await saveSae(alone, sae)).to.deep.equal([alone]);
    expect(await readdir(folder)).to.not.include('alone.onnx.data');
  });

  it('are read back as they were, from disk and from bytes', async () => {
    const { sae } = await loadSaeFolder(caseFolders['topk-layer-norm']!);
    expect((await loadSaeFolder(path)).sae.weights).to.deep.equal(sae.weights);
    const bytes = { 'x/sae.onnx': await readFile(path), 'y/sae.onnx.data': await readFile(`${path}.data`) };
    expect(loadSaeFromFiles(bytes).sae.weights).to.deep.equal(sae.weights);
    expect(() => loadSaeFromFiles({ 'x/sae.onnx': bytes['x/sae.onnx'] })).to.throw(FileFormatError, 'sae.onnx.data');
  });

  for (const [what, largestInlined] of [
    ['brought into the model', 2 ** 28],
    ['left on disk for ONNX Runtime to map', 100],
  ] as const) {
    it(`give the features of the project that made them, ${what}`, async () => {
      const model = await readSource(path, { largestInlined });
      expect(model.beside === undefined).to.equal(largestInlined > 100);
      const loaded = await openModel(model, saeRequest({}), loadNodeRuntime);
      const { x, features, reconstruction } = await readAnswers(caseFolders['topk-layer-norm']!);
      const actual = await loaded.forward(x);
      expectClose(actual.code, features, 'features');
      expectClose(actual.reconstruction, reconstruction, 'reconstruction');
      const { sae } = await loadSaeFolder(path);
      expect((await loaded.featureDirections()).data).to.deep.equal(sae.weights['W_dec']!.data);
      await loaded.dispose();
    });
  }

  it('are refused on disk where the data are short, hold NaN, or lie elsewhere', async () => {
    const data = await readFile(`${path}.data`);
    const failure = async (): Promise<string> =>
      readSource(path, { largestInlined: 100 }).then(
        () => '',
        (error: unknown) => {
          expect(error).to.be.instanceOf(FileFormatError);
          return (error as Error).message;
        },
      );
    await truncate(`${path}.data`, data.length - 1);
    expect(await failure()).to.include(`has ${data.length - 1} bytes`);
    const damaged = Buffer.from(data);
    damaged.writeFloatLE(Number.NaN, 8);
    await writeFile(`${path}.data`, damaged);
    expect(await failure()).to.match(/holds NaN at \[0, 2\]/);
    await rm(`${path}.data`);
    expect(await failure()).to.include('cannot be read');
    const outside = await mkdtemp(join(tmpdir(), 'monosemantic-'));
    await writeFile(join(outside, 'w'), data);
    await symlink(join(outside, 'w'), `${path}.data`);
    expect(await failure()).to.include("leads out of the model's folder");
    const reading = await loadSaeFolder(path).catch((error: unknown) => error);
    expect((reading as Error).message).to.include("leads out of the model's folder");
    await rm(outside, { recursive: true });
    await rm(`${path}.data`);
    await writeFile(`${path}.data`, data);
  });

  it("are read by Python's ONNX Runtime and pass ONNX's own check", async function () {
    const script =
      'import sys, numpy as np, onnx, onnxruntime as ort; onnx.checker.check_model(sys.argv[1]); ' +
      's = ort.InferenceSession(sys.argv[1]); print(s.get_outputs()[1].shape[1])';
    try {
      execFileSync(python, ['-c', 'import onnx, onnxruntime'], { stdio: 'ignore' });
    } catch {
      this.test!.title += ` [skipped: ${python} lacks onnx or onnxruntime]`;
      this.skip();
    }
    expect(execFileSync(python, ['-c', script, path], { encoding: 'utf8' }).trim()).to.equal('24');
    expect((await stat(path)).size).to.be.lessThan(6000);
  });
});

describe('what SAELens writes beside', () => {
  it('is kept in the .onnx and written again', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
    const { sae } = await loadSaeFolder(caseFolders['scaled-batchtopk']!);
    await saveSae(join(folder, 'sae.onnx'), sae);
    await saveSaelensFolder(join(folder, 'back'), (await loadSaeFolder(join(folder, 'sae.onnx'))).sae);
    const { metadata } = JSON.parse(await readFile(join(folder, 'back', 'cfg.json'), 'utf8'));
    expect(metadata).to.include({ l0: 2.5, num_dead_features: 4, training_architecture: 'batchtopk' });
    expect(metadata.training_architecture_details).to.include({ k: 3, aux_loss_coefficient: 1 });
    expect(metadata.sae_lens_training_version).to.match(/^6\.\d+/);
    await rm(folder, { recursive: true });
  });
});

describe('applyPlainSae', () => {
  for (const [name, folder] of Object.entries(caseFolders)) {
    it(`gives the answers of the project that made ${name}`, async () => {
      const { sae } = await loadSaeFolder(folder);
      const { x, features, reconstruction } = await readAnswers(folder);
      const plain = applyPlainSae(sae, x);
      expectClose({ data: Float32Array.from(plain.features), shape: features.shape }, features, 'features');
      expectClose(
        { data: Float32Array.from(plain.reconstruction), shape: reconstruction.shape },
        reconstruction,
        'reconstruction',
      );
    });
  }
});
