import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { readNpy, writeNpy } from '../../src/files/npy.ts';
import { readSafetensors, writeSafetensors } from '../../src/files/safetensors.ts';
import { fromNested, type HostTensor, type NestedArray, toNested } from '../../src/tensor.ts';
import { caseFolders, expectClose, readAnswers } from '../export/checkpoint-cases.ts';
import { runCommand } from './run-command.ts';

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const foreign = file('../fixtures/foreign/sae.onnx');
const toyModel = file('../../models/toy-model.onnx');
const python = process.env['MONOSEMANTIC_PYTHON'] ?? 'python3';

/** Runs a command that must succeed, and gives what it printed. */
async function done(args: readonly string[], stdin: string | Uint8Array = ''): Promise<string> {
  const { status, stdout, stderr } = await runCommand(args, { stdin });
  expect(stderr, args.join(' ')).to.equal('');
  expect(status, args.join(' ')).to.equal(0);
  return stdout;
}

const rowsOf = (text: string): HostTensor => fromNested(JSON.parse(text) as NestedArray);

describe('command line, models', () => {
  let folder: string;
  let sae: string;
  let answers: Awaited<ReturnType<typeof readAnswers>>;
  const at = (name: string): string => join(folder, name);

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'monosemantic-cli-'));
    sae = at('sae.onnx');
    await done(['convert', caseFolders['topk']!, sae]);
    answers = await readAnswers(caseFolders['topk']!);
    await writeFile(at('x.npy'), writeNpy(answers.x));
  });
  after(() => rm(folder, { recursive: true }));

  for (const name of ['standard', 'topk', 'jumprelu', 'gated', 'transcoder', 'gemma-scope', 'sparsify']) {
    it(`converts ${name} to .onnx, whose features are those of the project that made it`, async () => {
      const { x, features } = await readAnswers(caseFolders[name]!);
      const target = at(`${name}.onnx`);
      const { architecture } = JSON.parse(await done(['convert', caseFolders[name]!, target, '--json']));
      expect(architecture).to.be.a('string');
      const printed = await done(['encode', target, '--input', '-'], JSON.stringify(toNested(x)));
      expectClose(rowsOf(printed), features, name);
    });
  }

  it('converts back to a SAELens folder that gives the same features', async () => {
    await done(['convert', sae, at('back')]);
    expect((await readdir(at('back'))).sort()).to.deep.equal(['cfg.json', 'sae_weights.safetensors']);
    await done(['convert', at('back'), at('again.onnx')]);
    expectClose(
      rowsOf(await done(['encode', at('again.onnx'), '--input', at('x.npy')])),
      answers.features,
      'features after two conversions',
    );
  });

  const inputs: Readonly<Record<string, (x: HostTensor) => string | Uint8Array>> = {
    'rows.json': x => JSON.stringify(toNested(x)),
    'flat.json': ({ shape, data }) => JSON.stringify({ shape, data: [...data] }),
    'a.csv': x => (toNested(x) as number[][]).map(row => row.join(',')).join('\n'),
    'a.npy': writeNpy,
    'a.safetensors': x => writeSafetensors({ activations: x }),
  };
  for (const [name, encode] of Object.entries(inputs)) {
    it(`encodes ${name} from a file and from stdin`, async () => {
      await writeFile(at(name), encode(answers.x));
      const fromFile = rowsOf(await done(['encode', sae, '--input', at(name)]));
      expectClose(fromFile, answers.features, name);
      const fromStdin = rowsOf(await done(['encode', sae, '--input', '-'], encode(answers.x)));
      expect([...fromStdin.data]).to.deep.equal([...fromFile.data]);
    });
  }

  it('takes one tensor of several by name', async () => {
    await writeFile(at('two.safetensors'), writeSafetensors({ a: answers.x, b: answers.features }));
    const { status, stderr } = await runCommand(['encode', sae, '--input', at('two.safetensors')]);
    expect(status).to.equal(1);
    expect(stderr).to.include('several tensors: name one of a, b');
    const printed = await done(['encode', sae, '--input', at('two.safetensors'), '--tensor', 'a']);
    expectClose(rowsOf(printed), answers.features, 'features');
  });

  it('writes features in each format', async () => {
    const input = ['--input', at('x.npy'), '--output'];
    const said = await done(['encode', sae, ...input, at('f.npy')]);
    expect(said).to.match(/f\.npy: features \[8, 48\], 5\.0 active in each sample; cpu, /);
    expectClose(readNpy(await readFile(at('f.npy'))) as HostTensor, answers.features, '.npy');
    await done(['encode', sae, ...input, at('f.safetensors')]);
    const { tensors } = readSafetensors(await readFile(at('f.safetensors')));
    expectClose(tensors.get('features') as HostTensor, answers.features, '.safetensors');
    await done(['encode', sae, ...input, at('f.json')]);
    expectClose(rowsOf(await readFile(at('f.json'), 'utf8')), answers.features, '.json');
    await done(['encode', sae, ...input, at('f.csv')]);
    const lines = (await readFile(at('f.csv'), 'utf8')).trim().split('\n');
    expectClose(fromNested(lines.map(line => line.split(',').map(Number))), answers.features, '.csv');
  });

  it('reports for machines', async () => {
    const report = JSON.parse(await done(['encode', sae, '--input', at('x.npy'), '--output', at('f.npy'), '--json']));
    expect(report).to.include({ output: at('f.npy'), provider: 'cpu', activePerSample: 5 });
    expect(report.shape).to.deep.equal([8, 48]);
    expect(report.attempts.map((attempt: { provider: string }) => attempt.provider)).to.include('cuda');
  });

  for (const extension of ['npz', 'safetensors', 'json']) {
    it(`decodes sparse features that it wrote as .${extension}`, async () => {
      const sparse = at(`sparse.${extension}`);
      await done(['encode', sae, '--input', at('x.npy'), '--output', sparse, '--sparse']);
      const printed = await done(['decode', sae, '--input', sparse, '--sparse']);
      expectClose(rowsOf(printed), answers.reconstruction, 'reconstruction');
    });
  }

  it('gives the same a few samples at a time', async () => {
    const few = ['--input', at('x.npy'), '--batch-size', '3', '--output'];
    await done(['encode', sae, ...few, at('few.npy')]);
    expectClose(readNpy(await readFile(at('few.npy'))) as HostTensor, answers.features, 'dense');
    await done(['encode', sae, ...few, at('few.npz'), '--sparse']);
    const decode = ['decode', sae, '--input', at('few.npz'), '--sparse', '--batch-size', '3'];
    expectClose(rowsOf(await done(decode)), answers.reconstruction, 'sparse');
  });

  it('writes the features that fire as rows of sample, feature, value', async () => {
    await done(['encode', sae, '--input', at('x.npy'), '--output', at('s.npy'), '--sparse']);
    const { data, shape } = readNpy(await readFile(at('s.npy')));
    expect(shape).to.deep.equal([40, 3]);
    for (let i = 0; i < 40; i++) {
      const [sample, feature, value] = data.subarray(3 * i, 3 * i + 3) as unknown as [number, number, number];
      expect(value).to.be.closeTo(answers.features.data[sample * 48 + feature]!, 1e-5);
    }
    await done(['encode', sae, '--input', at('x.npy'), '--output', at('s.csv'), '--sparse']);
    const lines = (await readFile(at('s.csv'), 'utf8')).trim().split('\n');
    expect(lines[0]).to.equal('sample,feature,value');
    expect(lines.slice(1).map(line => line.split(',').map(Number))).to.deep.equal(toNested({ data, shape }));
  });

  it("writes sparse features that SciPy reads as a csr_matrix (needs Python's scipy)", async function () {
    try {
      execFileSync(python, ['-c', 'import scipy'], { stdio: 'ignore' });
    } catch {
      this.skip(); // needs Python with scipy: set MONOSEMANTIC_PYTHON
    }
    await done(['encode', sae, '--input', at('x.npy'), '--output', at('s.npz'), '--sparse']);
    const code =
      'import sys, json, scipy.sparse as s; m = s.load_npz(sys.argv[1]); print(json.dumps([m.format, m.toarray().tolist()]))';
    const [format, rows] = JSON.parse(execFileSync(python, ['-c', code, at('s.npz')], { encoding: 'utf8' }));
    expect(format).to.equal('csr');
    expectClose(fromNested(rows), answers.features, 'dense form');
  });

  it("decodes with layer norm's statistics, and says where they are missing", async () => {
    const normed = at('normed.onnx');
    await done(['convert', caseFolders['topk-layer-norm']!, normed]);
    const { x, features, reconstruction } = await readAnswers(caseFolders['topk-layer-norm']!);
    await writeFile(at('nx.npy'), writeNpy(x));
    await writeFile(at('nf.npy'), writeNpy(features));
    const decode = ['decode', normed, '--input', at('nf.npy')];
    const printed = await done([...decode, '--activations', at('nx.npy'), '--batch-size', '3']);
    expectClose(rowsOf(printed), reconstruction, 'reconstruction');
    const { status, stderr } = await runCommand(decode);
    expect(status).to.equal(2);
    expect(stderr).to.include('needs ln_mu, ln_std: give --activations FILE as well');
  });

  it('gives the directions as the checkpoint holds them', async () => {
    await done(['convert', caseFolders['standard']!, at('plain.onnx')]);
    await done(['directions', at('plain.onnx'), '--output', at('d.npy')]);
    const { tensors } = readSafetensors(await readFile(`${caseFolders['standard']}/sae_weights.safetensors`));
    const { shape, data } = readNpy(await readFile(at('d.npy')));
    expect(shape).to.deep.equal(tensors.get('W_dec')!.shape);
    expect([...data]).to.deep.equal([...tensors.get('W_dec')!.data]);
  });

  it("runs a toy model's two halves", async () => {
    const features = [[1, 0, 0, 0, 0]];
    const hidden = await done(['encode', toyModel, '--input', '-'], JSON.stringify(features));
    const directions = rowsOf(await done(['directions', toyModel]));
    expect([...rowsOf(hidden).data]).to.deep.equal([...directions.data.subarray(0, 2)]);
    expect(rowsOf(await done(['decode', toyModel, '--input', '-'], hidden)).shape).to.deep.equal([1, 5]);
    const wide = await runCommand(['encode', toyModel, '--input', at('x.npy')]);
    expect(wide.stderr).to.equal(`monosemantic: ${at('x.npy')}: 8 rows of 16; this model takes [n, 5]\n`);
    const sparse = await runCommand(['encode', toyModel, '--input', at('x.npy'), '--sparse']);
    expect(sparse).to.include({
      status: 2,
      stderr: "monosemantic: --sparse is for SAEs: a toy model's code is dense\n",
    });
  });

  it('runs files of other tools, and lists candidates where it must be told what is what', async () => {
    const { input: x, latents } = JSON.parse(await readFile(foreign.replace('.onnx', '.json'), 'utf8'));
    const printed = await done(['encode', foreign, '--input', '-'], JSON.stringify(x));
    expectClose(rowsOf(printed), fromNested(latents), 'features');
    const undercomplete = file('../fixtures/foreign/sae-undercomplete.onnx');
    const { status, stderr } = await runCommand(['encode', undercomplete, '--input', '-'], { stdin: '[[1]]' });
    expect(status).to.equal(1);
    expect(stderr.trimEnd().split('\n')).to.have.length(1);
    expect(stderr).to.include('outputs: ');
  });

  it('inspects files of ours, of others, and from stdin', async () => {
    const words = await done(['inspect', sae]);
    expect(words)
      .to.match(/kind +sparse-autoencoder\n/)
      .and.match(/W_dec +float32 +\[48, 16\]/);
    const bytes = await readFile(foreign);
    const description = JSON.parse(await done(['inspect', '-', '--json'], bytes));
    expect(description).to.have.property('irVersion');
    const others = await done(['inspect', foreign]);
    expect(others).to.include('not said (no monosemantic metadata)').and.include('pytorch');
  });

  it("compares a file's directions with those of others", async () => {
    const { directions } = JSON.parse(await done(['inspect', sae, '--against', sae, sae, '--json']));
    expect(directions.others).to.have.length(2);
    for (const { file: name, mcc, chance, uniqueness } of directions.others) {
      expect(name).to.equal(sae);
      expect(mcc).to.be.closeTo(1, 1e-6);
      expect(uniqueness).to.equal(1);
      // 48 random directions in 16 dimensions, matched one to one.
      expect(chance).to.be.within(0.4, 0.7);
    }
    expect(directions.pw_mcc).to.be.closeTo(1, 1e-6);
    const words = await done(['inspect', sae, '--against', sae]);
    expect(words)
      .to.match(/c_dec 0\.\d+, mean/)
      .and.match(/MCC +random +uniqueness\n.* 1\.0000 /);
    expect(words).to.not.include('PW-MCC');
    const { status, stderr } = await runCommand(['inspect', sae, '--against', toyModel]);
    expect(status).to.equal(2);
    expect(stderr).to.match(/have \d+ numbers, those of .* 16/);
  });

  it('draws a toy model, and an SAE beside it', async () => {
    const drawn = await done(['plot', toyModel, '--output', at('toy'), '--format', 'svg', 'html']);
    expect(drawn.trim().split('\n')).to.deep.equal([
      at('toy.feature-directions.svg'),
      at('toy.feature-analysis.svg'),
      at('toy.html'),
    ]);
    const { figures } = JSON.parse(
      await done(['plot', toyModel, '--toy-model', toyModel, '--output', at('like'), '--format', 'png', '--json']),
    );
    expect(figures).to.deep.equal([at('like.cosine-heat-map.png'), at('like.direction-snapshots.png')]);
    for (const figure of figures) expect((await readFile(figure)).subarray(1, 4).toString()).to.equal('PNG');
    const { status, stderr } = await runCommand(['plot', sae, '--toy-model', toyModel]);
    expect([status, stderr]).to.satisfy(
      ([code, text]: [number, string]) => code === 1 && text.includes('expected two single models'),
    );
  });

  it('leaves nothing behind where encoding fails or is interrupted', async () => {
    const before = await readdir(folder);
    await writeFile(at('bad.json'), '[[1, 2], [3]]');
    const bad = await runCommand(['encode', sae, '--input', at('bad.json'), '--output', at('never.npy')]);
    expect(bad.status).to.equal(1);
    expect(bad.stderr).to.include('bad.json: rows of unequal length');
    const interrupted = await runCommand(['encode', sae, '--input', at('x.npy'), '--output', at('never.npy')], {
      signal: AbortSignal.abort(),
    });
    expect([interrupted.status, interrupted.stderr]).to.deep.equal([130, 'monosemantic: interrupted\n']);
    expect((await readdir(folder)).sort()).to.deep.equal([...before, 'bad.json'].sort());
  });
});
