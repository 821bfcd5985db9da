import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { FileFormatError, InvalidTypeError } from '../../src/errors.ts';
import { inspectModel, loadSae } from '../../src/inference/node.ts';
import { onnx } from '../../src/onnx/proto.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { floats, node, reluSae, topKSae, toyModel } from './contract-graphs.ts';
import { rejection } from './rejection.ts';

describe('inference: bad files', () => {
  it('gives a typed error or loads for 500 damaged variants, each within 5 s of the processor, and never aborts', async () => {
    const script = new URL('./load-variants.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, ['--import', 'tsx', script, '0', '500'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'close');
    const outcomes = new Map<string, number>();
    let lines = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      const [, outcome = '', milliseconds] = line.split(' ');
      expect(Number(milliseconds), line).to.be.below(5000);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      lines++;
    }
    const [status, signal] = await ended;
    expect({ status, signal, lines }).to.deep.equal({ status: 0, signal: null, lines: 500 });
    expect([...outcomes.keys()]).to.have.members(['FileFormatError', 'loaded']);
  });

  it('says what a file of another kind looks like', async () => {
    const text = (value: string) => new TextEncoder().encode(value);
    const cases: [Uint8Array, string][] = [
      [new Uint8Array(0), 'the file is empty'],
      [text('PK\x03\x04 and more bytes of a zip archive'), 'zip archive'],
      [text('{"a": [1, 2, 3], "b": "not a model"}'), 'JSON'],
      [text('<!doctype html><title>404</title>'), 'HTML'],
      [text('version https://git-lfs.github.com/spec/v1\noid sha256:0'), 'Git LFS pointer'],
      [new Uint8Array(100).fill(0xff), 'not an ONNX model'],
      [topKSae().subarray(0, 300), 'not an ONNX model'],
    ];
    for (const [bytes, words] of cases) {
      const error = await rejection(loadSae(bytes));
      expect(error).to.be.instanceOf(FileFormatError);
      expect(error.message).to.contain(words);
    }
  });

  it('names the file, and says what was expected', async () => {
    const missing = await rejection(loadSae('no/such/model.onnx'));
    expect(missing).to.be.instanceOf(FileFormatError);
    expect(missing.message).to.equal(
      'no/such/model.onnx: cannot be read: there is no such file; expected an ONNX model',
    );
    expect((await rejection(loadSae(tmpdir()))).message).to.contain('it is a folder');
    const file = new File([new Uint8Array([1, 2, 3])], 'short.onnx');
    expect((await rejection(loadSae(file))).message).to.contain('short.onnx: not an ONNX model');
    expect(await rejection(loadSae(42 as never))).to.be.instanceOf(InvalidTypeError);
    expect((await rejection(loadSae(toyModel()))).message).to.contain('use loadToyModel');
  });

  it('refuses an absurd batch or width before it allocates', async () => {
    for (const [batch, width] of [
      [2 ** 28, 4],
      ['n', 2 ** 30],
    ] as const) {
      const bytes = encodeModel({
        name: 'absurd',
        nodes: [node('Relu', ['x'], ['acts']), node('Neg', ['acts'], ['y'])],
        initializers: [],
        inputs: [floats('x', batch, width)],
        outputs: [floats('y', batch, width), floats('acts', batch, width)],
      });
      const error = await rejection(loadSae(bytes, { features: 'acts', reconstruction: 'y' }));
      expect(error).to.be.instanceOf(FileFormatError);
      expect(error.message).to.contain('absurd');
    }
  });

  it('refuses a model that ONNX Runtime refuses, with its reason', async () => {
    const bytes = encodeModel({
      name: 'unknown operator',
      nodes: [node('Relu', ['x'], ['acts']), node('Frobnicate', ['acts'], ['y'])],
      initializers: [],
      inputs: [floats('x', 'n', 4)],
      outputs: [floats('y', 'n', 4), floats('acts', 'n', 4)],
    });
    const sae = await loadSae(bytes, { features: 'acts', reconstruction: 'y' });
    const error = await rejection(sae.decode([[1, 2, 3, 4]]));
    expect(error).to.be.instanceOf(FileFormatError);
    expect(error.message).to.contain('Frobnicate');
    await sae.dispose();
  });

  describe('external data', () => {
    let folder: string;
    let data: Uint8Array;

    /** reluSae with the decoder's matrix at `location`. */
    function withExternal(location: string, more: Record<string, string> = {}): Uint8Array {
      const model = onnx.ModelProto.decode(new Uint8Array(reluSae()));
      const matrix = model.graph!.initializer!.find(({ name }) => name === 'W_dec')!;
      data = new Uint8Array(matrix.rawData!);
      matrix.rawData = new Uint8Array(0);
      matrix.dataLocation = 1;
      matrix.externalData = Object.entries({ location, ...more }).map(([key, value]) => ({ key, value }));
      return onnx.ModelProto.encode(model).finish();
    }

    async function loadWith(location: string, more: Record<string, string> = {}) {
      const path = join(folder, 'models', 'sae.onnx');
      await writeFile(path, withExternal(location, more));
      return loadSae(path);
    }

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
      await mkdir(join(folder, 'models'));
    });

    afterEach(() => rm(folder, { recursive: true }));

    it('reads what lies beside the model', async () => {
      withExternal('');
      await writeFile(join(folder, 'models', 'weights.bin'), new Uint8Array([9, 9, 9, 9, ...data]));
      await using sae = await loadWith('weights.bin', { offset: '4', length: String(data.length) });
      await using whole = await loadSae(reluSae());
      expect(await sae.featureDirections()).to.deep.equal(await whole.featureDirections());
      expect(await sae.decode([new Array(10).fill(1)])).to.deep.equal(await whole.decode([new Array(10).fill(1)]));
    });

    it('refuses paths that leave the folder: absolute, upwards, by a link', async () => {
      withExternal('');
      await writeFile(join(folder, 'secret.bin'), data);
      await symlink(join(folder, 'secret.bin'), join(folder, 'models', 'link.bin'));
      const leaving = [
        join(folder, 'secret.bin'),
        '../secret.bin',
        'a/../../secret.bin',
        'C:\\secret.bin',
        '..\\secret.bin',
        'link.bin',
      ];
      for (const location of leaving) {
        const error = await rejection(loadWith(location));
        expect(error, location).to.be.instanceOf(FileFormatError);
        expect(error.message, location).to.contain('refused');
      }
    });

    it('refuses a missing or short file, and a length that is not the tensor’s', async () => {
      await writeFile(join(folder, 'models', 'short.bin'), new Uint8Array(10));
      expect((await rejection(loadWith('none.bin'))).message).to.contain('cannot be read');
      expect((await rejection(loadWith('short.bin'))).message).to.contain('which is shorter');
      expect((await rejection(loadWith('short.bin', { length: '10' }))).message).to.contain('take 160');
      expect((await rejection(loadWith('short.bin', { offset: '-4' }))).message).to.contain('-4');
    });

    it('is not needed to inspect a model, and asked for where there is only the file', async () => {
      const bytes = withExternal('weights.bin');
      expect((await inspectModel(bytes)).parameterCount).to.equal(94);
      expect((await rejection(loadSae(bytes))).message).to.contain('load it by its path or address');
    });
  });
});
