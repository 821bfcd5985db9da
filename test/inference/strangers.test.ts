/** Models from people we do not know: no file but their own is opened, however deep they hide its name, and nothing takes for ever. */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { FileFormatError, InvalidValueError } from '../../src/errors.ts';
import { loadSae } from '../../src/inference/node.ts';
import type { GraphNode } from '../../src/onnx/graph.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { expectClose } from './close-to.ts';
import { floats, integers, node, reluSae } from './contract-graphs.ts';
import { hiddenModel, REFUSED, RESOLVED } from './hidden-data.ts';
import { rejection } from './rejection.ts';

const LONG_AGO = new Date(1e12);

describe('models from strangers', () => {
  let folder: string;
  let workingDirectory: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
    await mkdir(join(folder, 'models'));
    workingDirectory = process.cwd();
    // ONNX Runtime looks for the data of a model that it got as bytes from here.
    process.chdir(folder);
  });

  afterEach(async () => {
    process.chdir(workingDirectory);
    await rm(folder, { recursive: true });
  });

  /** A file whose time of reading tells whether somebody opened and read it, where the file system keeps that. */
  async function canary(path: string, data: Uint8Array): Promise<() => Promise<void>> {
    await writeFile(path, data);
    await utimes(path, LONG_AGO, new Date());
    return async () => {
      expect((await stat(path)).atime.getTime(), `${path} was read`).to.equal(LONG_AGO.getTime());
    };
  }

  for (const [place, hide] of Object.entries({ ...RESOLVED, ...REFUSED })) {
    it(`refuses data outside the file in ${place} of a model given as bytes`, async () => {
      const { bytes, data } = hiddenModel(hide, 'canary.bin');
      const untouched = await canary(join(folder, 'canary.bin'), data);
      const error = await rejection(loadSae(bytes));
      expect(error).to.be.instanceOf(FileFormatError);
      await untouched();
    });

    it(`refuses data outside the folder of the model in ${place}`, async () => {
      const path = join(folder, 'models', 'sae.onnx');
      const untouched = await canary(join(folder, 'canary.bin'), hiddenModel(hide, '').data);
      await symlink(join(folder, 'canary.bin'), join(folder, 'models', 'link.bin'));
      for (const location of [join(folder, 'canary.bin'), '../canary.bin', 'link.bin', '*/_ORT_MEM_ADDR_/*']) {
        await writeFile(path, hiddenModel(hide, location).bytes);
        expect(await rejection(loadSae(path)), location).to.be.instanceOf(FileFormatError);
      }
      await untouched();
    });
  }

  for (const [place, hide] of Object.entries(RESOLVED)) {
    it(`finds data beside the model in ${place}, and gives the numbers of the whole model`, async () => {
      const { bytes, data } = hiddenModel(hide, 'weights.bin');
      await writeFile(join(folder, 'models', 'weights.bin'), data);
      await writeFile(join(folder, 'models', 'sae.onnx'), bytes);
      await using sae = await loadSae(join(folder, 'models', 'sae.onnx'), { provider: 'cpu' });
      await using whole = await loadSae(reluSae(), { provider: 'cpu' });
      const features = [Array.from({ length: 10 }, (_, i) => i / 10)];
      expectClose(await sae.decode(features), await whole.decode(features));
    });
  }

  for (const [place, hide] of Object.entries(REFUSED)) {
    it(`refuses data beside the model in ${place}`, async () => {
      const { bytes, data } = hiddenModel(hide, 'weights.bin');
      await writeFile(join(folder, 'models', 'weights.bin'), data);
      await writeFile(join(folder, 'models', 'sae.onnx'), bytes);
      expect(await rejection(loadSae(join(folder, 'models', 'sae.onnx')))).to.be.instanceOf(FileFormatError);
    });
  }

  it('refuses a pipe beside the model, which would wait for ever', async function () {
    if (process.platform === 'win32') this.skip();
    execFileSync('mkfifo', [join(folder, 'models', 'pipe')]);
    await writeFile(join(folder, 'models', 'sae.onnx'), hiddenModel(RESOLVED['an initializer']!, 'pipe').bytes);
    const error = await rejection(loadSae(join(folder, 'models', 'sae.onnx')));
    expect(error).to.be.instanceOf(FileFormatError);
    expect(error.message).to.contain('not a regular file');
  });

  it('says that a number is not finite, where the inputs are', async () => {
    const bytes = encodeModel({
      name: 'infinite',
      nodes: [node('Exp', ['x'], ['acts']), node('Neg', ['acts'], ['y'])],
      initializers: [],
      inputs: [floats('x', 'n', 2)],
      outputs: [floats('y', 'n', 2), floats('acts', 'n', 2)],
    });
    await using sae = await loadSae(bytes, { features: 'acts', reconstruction: 'y', provider: 'cpu' });
    expect((await sae.encode([[0, 1]])).data[0]).to.equal(1);
    const calls = [sae.encode([[0, 100]]), sae.encode([[0, 100]], { sparse: true }), sae.forward([[0, 100]])];
    for (const call of calls) {
      const error = await rejection(call);
      expect(error).to.be.instanceOf(InvalidValueError);
      expect(error.message).to.contain('gives Infinity in acts for sample 0');
    }
  });

  /** Features that `index` selects, and what `nodes` make of them. */
  const selecting = (index: number, ...nodes: GraphNode[]) =>
    encodeModel(
      {
        name: 'sparse',
        nodes: [
          node('Expand', ['index', 'one_one'], ['feature_indices']),
          node('Slice', ['activations', 'start', 'end', 'axis'], ['feature_values']),
          node('Shape', ['activations'], ['size_batch'], { start: 0, end: 1 }),
          node('Concat', ['size_batch', 'width'], ['shape'], { axis: 0 }),
          node('ConstantOfShape', ['shape'], ['zeros']),
          ...nodes,
          node('Neg', ['features'], ['reconstruction']),
        ],
        initializers: [
          integers('index', index),
          integers('one_one', 1, 1),
          integers('start', 0),
          integers('end', 1),
          integers('axis', 1),
          integers('width', 2),
        ],
        inputs: [floats('activations', 'n', 2)],
        outputs: [
          floats('reconstruction', 'n', 2),
          floats('features', 'n', 2),
          { name: 'feature_indices', type: 'int64', shape: ['n', 1] },
          floats('feature_values', 'n', 1),
        ],
      },
      { 'monosemantic.schema': '1', 'monosemantic.kind': 'sparse-autoencoder' },
    );
  const scatter = (output: string) =>
    node('ScatterElements', ['zeros', 'feature_indices', 'feature_values'], [output], { axis: 1 });

  it('refuses a graph that names features which are not there', async () => {
    await using good = await loadSae(selecting(1, scatter('features')), { provider: 'cpu' });
    expect([...(await good.encode([[3, 4]], { sparse: true })).indices]).to.deep.equal([1]);
    expect([...(await good.encode([[3, 4]])).data]).to.deep.equal([0, 3]);
    for (const index of [2, -1, 2 ** 32 + 1]) {
      await using bad = await loadSae(selecting(index, scatter('features')), { provider: 'cpu' });
      for (const call of [bad.encode([[3, 4]]), bad.encode([[3, 4]], { sparse: true })]) {
        expect(await rejection(call), `${index}`).to.be.instanceOf(FileFormatError);
      }
    }
    // Two samples, one row of indices.
    const error = await rejection(
      good.encode(
        [
          [3, 4],
          [5, 6],
        ],
        { sparse: true },
      ),
    );
    expect(error).to.be.instanceOf(FileFormatError);
  });

  it('gives the features themselves where those that a graph names are others', async () => {
    const bytes = selecting(1, scatter('scattered'), node('Exp', ['scattered'], ['features']));
    await using sae = await loadSae(bytes, { provider: 'cpu' });
    expect((await sae.encode([[0, 4]])).data[0]).to.equal(1);
    expect([...(await sae.encode([[0, 4]], { sparse: true })).indices]).to.deep.equal([0, 1]);
  });

  it('loads what names its tensors after the parts of every object', async () => {
    const bytes = encodeModel({
      name: 'names',
      nodes: [node('Relu', ['toString'], ['constructor']), node('Neg', ['constructor'], ['valueOf'])],
      initializers: [],
      inputs: [floats('toString', 'n', 2)],
      outputs: [floats('valueOf', 'n', 2), floats('constructor', 'n', 2)],
    });
    await using sae = await loadSae(bytes, { features: 'constructor', reconstruction: 'valueOf', provider: 'cpu' });
    expect([...(await sae.forward([[1, -2]])).features.data]).to.deep.equal([1, 0]);
    expect((await sae.encode(new Float32Array(0), { shape: [0, 2] })).shape).to.deep.equal([0, 2]);
  });
});
