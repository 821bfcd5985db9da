/** `dashboard`: from files and from a model on the fly the same bundle; exports; one clear line where something does not fit. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect } from 'chai';
import { folderSource } from '../../src/features/node-bundle-source.ts';
import { openFeatureBundle } from '../../src/features/open-bundle.ts';
import { readNpy } from '../../src/files/index.ts';
import { writeNpy } from '../../src/files/npy.ts';
import { loadSae } from '../../src/inference/node.ts';
import type { GraphNode } from '../../src/onnx/graph.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { normals, writeCase } from '../features/bundle-cases.ts';
import { runCommand } from './run-command.ts';

const VOCABULARY = 30;
const WIDTH = 8;

/** A model that reads tokens: embedding, tanh of a mixing layer (`hidden`), unembedding. */
function hostModel(): Uint8Array {
  const node = (op: string, inputs: string[], output: string): GraphNode => ({
    op,
    inputs,
    outputs: [output],
    attributes: {},
  });
  const weight = (name: string, seed: number, shape: number[]) => ({
    name,
    type: 'float32' as const,
    shape,
    data: normals(seed, shape[0]! * shape[1]!),
  });
  return encodeModel({
    name: 'host',
    nodes: [
      node('Gather', ['embedding', 'input_ids'], 'embedded'),
      node('MatMul', ['embedded', 'mixing'], 'mixed'),
      node('Tanh', ['mixed'], 'hidden'),
      node('MatMul', ['hidden', 'unembedding'], 'logits'),
    ],
    initializers: [
      weight('embedding', 1, [VOCABULARY, WIDTH]),
      weight('mixing', 2, [WIDTH, WIDTH]),
      weight('unembedding', 3, [WIDTH, VOCABULARY]),
    ],
    inputs: [{ name: 'input_ids', type: 'int64', shape: ['batch', 'seq'] }],
    outputs: [{ name: 'logits', type: 'float32', shape: ['batch', 'seq', VOCABULARY] }],
  });
}

describe('command line, dashboard', () => {
  let folder: string;
  const at = (name: string): string => join(folder, name);
  const lines = (path: string) =>
    gunzipSync(readFileSync(path))
      .toString()
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as Record<string, unknown>);
  async function done(args: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await runCommand(args);
    expect(status, stderr).to.equal(0);
    return stdout;
  }

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'monosemantic-dashboard-'));
    writeCase(folder, { seed: 6, rows: 1, dIn: WIDTH, dSae: 24, k: 3 });
    writeFileSync(at('model.onnx'), hostModel());
    const ids = Int32Array.from({ length: 40 * 12 }, (_, i) => (i * i + Math.floor(i / 12)) % VOCABULARY);
    writeFileSync(at('ids.npy'), writeNpy({ data: ids, shape: [40, 12], type: 'int32' }));
    const vocab = Object.fromEntries(Array.from({ length: VOCABULARY }, (_, i) => [`▁w${i}`, i]));
    writeFileSync(at('tokenizer.json'), JSON.stringify({ model: { type: 'BPE', vocab } }));
    writeFileSync(at('e.jsonl'), '{"latent": 3, "text": "a threefold thing", "score": 0.5}\n');
    await done([
      'activations',
      at('model.onnx'),
      '--tensor',
      'hidden',
      '--input',
      at('ids.npy'),
      '--output',
      at('acts.npy'),
    ]);
  });
  after(() => rmSync(folder, { recursive: true }));

  const common = () => ['--tokenizer', at('tokenizer.json'), '--seed', '4', '--context', '3,2', '--json'];

  it('gives the same from files and from a model on the fly', async () => {
    const fromFiles = JSON.parse(
      await done(['dashboard', at('sae.onnx'), '--activations', at('acts.npy'), '--out', at('files'), ...common()]),
    );
    const onTheFly = JSON.parse(
      await done([
        ...['dashboard', at('sae.onnx'), '--model', at('model.onnx'), '--tensor', 'hidden', '--input', at('ids.npy')],
        ...['--out', at('model'), ...common()],
      ]),
    );
    expect(fromFiles).to.include({ rows: 480, sequences: 40, d_sae: 24 });
    expect(onTheFly.l0).to.deep.equal(fromFiles.l0);
    for (const name of readdirSync(at('files'))) {
      if (name === 'bundle.json') continue;
      expect(readFileSync(join(at('model'), name)).equals(readFileSync(join(at('files'), name))), name).to.equal(true);
    }
    const { activations } = JSON.parse(readFileSync(join(at('model'), 'bundle.json'), 'utf8'));
    expect(activations).to.deep.include({ kind: 'model', tensor: 'hidden', files: [] });
    expect(activations.model).to.have.property('name', 'model.onnx');
    const bundle = await openFeatureBundle(folderSource(at('files')));
    const overview = await bundle.overview();
    const latent = overview.count.indexOf(Math.max(...overview.count));
    const { top } = await bundle.feature(latent);
    const tokens = (await bundle.tokens())!;
    expect(tokens.text(top[0]!.tokens![top[0]!.qualifying]!)).to.match(/^ w\d+$/);
    expect(top[0]!.tokens!.length).to.be.at.most(6);
    await bundle.close();
  });

  it("measures a transcoder against its targets: a file beside the rows, one that is named, and the model's tensor", async () => {
    const where = at('transcoder');
    writeCase(where, { seed: 9, rows: 1, dIn: WIDTH, dOut: WIDTH, dSae: 24, k: 3 });
    const sae = join(where, 'sae.onnx');
    const host = [at('model.onnx'), '--tensor', 'embedded', '--target-tensor', 'hidden', '--input', at('ids.npy')];
    await done(['activations', ...host, '--output', at('pairs.npy')]);
    const explained: number[] = [];
    for (const rows of [
      ['--activations', at('pairs.npy')],
      ['--activations', at('pairs.npy'), '--target', at('pairs.target.npy')],
      ['--activations', at('pairs.npy'), '--target-tensor', 'hidden'],
      ['--model', ...host],
    ]) {
      const out = join(where, `pages${explained.length}`);
      explained.push(JSON.parse(await done(['dashboard', sae, ...rows, '--out', out, '--json'])).explained_variance);
    }
    // By hand: 1 − E‖y − ŷ‖² / E‖y − E y‖².
    const [x, y] = ['pairs.npy', 'pairs.target.npy'].map(name => readNpy(readFileSync(at(name))));
    await using model = await loadSae(sae);
    const { reconstruction } = await model.forward(x!.data as Float32Array, { shape: x!.shape });
    const rows = y!.shape[0]!;
    const means = Array.from({ length: WIDTH }, (_, i) => {
      let sum = 0;
      for (let row = 0; row < rows; row++) sum += y!.data[row * WIDTH + i]! / rows;
      return sum;
    });
    let [error, variance] = [0, 0];
    y!.data.forEach((value, at) => {
      error += (value - reconstruction.data[at]!) ** 2;
      variance += (value - means[at % WIDTH]!) ** 2;
    });
    for (const value of explained) expect(value).to.be.closeTo(1 - error / variance, 1e-6);
  });

  it('writes logits of a named weight, explanations, and what Neuronpedia imports', async () => {
    await done([
      ...['dashboard', at('sae.onnx'), '--activations', at('acts.npy'), '--out', at('pages'), ...common()],
      ...['--model', at('model.onnx'), '--unembedding', 'unembedding', '--explanations', at('e.jsonl')],
      ...['--neuronpedia', at('np'), '--neuronpedia-model', 'tiny', '--neuronpedia-source', '5-res-24'],
      ...['--export-explanations', at('out.jsonl')],
    ]);
    const bundle = await openFeatureBundle(folderSource(at('pages')));
    const { count } = await bundle.overview();
    const fired = [...count.keys()].filter(latent => count[latent]! > 0);
    const source = join(at('np'), 'tiny', '5-res-24');
    expect(readdirSync(source).sort()).to.deep.equal([
      ...['activations', 'explanations', 'features', 'model.jsonl', 'release.jsonl', 'source.jsonl', 'sourceset.jsonl'],
    ]);
    const features = lines(join(source, 'features', 'batch-0.jsonl.gz'));
    expect(features.map(({ index }) => Number(index))).to.deep.equal(fired);
    // The fields of Neuronpedia's converter, in its dataclasses' order.
    expect(Object.keys(features[0]!).sort()).to.deep.equal(
      [
        ...[
          'modelId',
          'layer',
          'index',
          'creatorId',
          'createdAt',
          'maxActApprox',
          'hasVector',
          'vector',
          'vectorLabel',
        ],
        ...['vectorDefaultSteerStrength', 'hookName', 'topkCosSimIndices', 'topkCosSimValues'],
        ...['neuron_alignment_indices', 'neuron_alignment_values', 'neuron_alignment_l1'],
        ...['correlated_neurons_indices', 'correlated_neurons_pearson', 'correlated_neurons_l1'],
        ...['correlated_features_indices', 'correlated_features_pearson', 'correlated_features_l1'],
        ...['neg_str', 'neg_values', 'pos_str', 'pos_values', 'frac_nonzero'],
        ...['freq_hist_data_bar_heights', 'freq_hist_data_bar_values'],
        ...['logits_hist_data_bar_heights', 'logits_hist_data_bar_values', 'decoder_weights_dist'],
      ].sort(),
    );
    const rows = lines(join(source, 'activations', 'batch-0.jsonl.gz'));
    expect(Object.keys(rows[0]!).sort()).to.deep.equal(
      [
        ...['id', 'tokens', 'dataIndex', 'index', 'layer', 'modelId', 'dataSource', 'maxValue', 'maxValueTokenIndex'],
        ...['minValue', 'values', 'dfaValues', 'dfaTargetIndex', 'dfaMaxValue', 'creatorId', 'createdAt', 'lossValues'],
        ...['logitContributions', 'binMin', 'binMax', 'binContains', 'qualifyingTokenIndex'],
      ].sort(),
    );
    expect(new Set(rows.map(({ id }) => id)).size).to.equal(rows.length);
    for (const { index, binMin, binMax, values, qualifyingTokenIndex, tokens } of rows) {
      const value = (values as number[])[qualifyingTokenIndex as number]!;
      expect(value, `latent ${index}`).to.be.within(binMin as number, (binMax as number) * (1 + 1e-5));
      expect(tokens).to.have.length((values as number[]).length);
    }
    const feature = await bundle.feature(fired[0]!);
    expect(features[0]).to.have.deep.property(
      'pos_str',
      feature.logits!.top.map(({ token }) => ` w${token}`),
    );
    expect(fired).to.include(3);
    const [explained] = lines(join(source, 'explanations', 'batch-0.jsonl.gz'));
    expect(explained).to.include({ index: '3', description: 'a threefold thing', modelId: 'tiny', layer: '5-res-24' });
    const exported = readFileSync(at('out.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line));
    expect(exported).to.deep.include({ latent: 3, text: 'a threefold thing', score: 0.5 });
    for (const { score } of exported) expect(score).to.be.at.least(0.5);
    await bundle.close();
  });

  it('says in one line what does not fit, and leaves nothing', async () => {
    const fails = async (args: readonly string[], status: number, line: RegExp) => {
      const result = await runCommand(['dashboard', at('sae.onnx'), '--out', at('none'), ...args]);
      expect(result.stderr).to.match(line);
      expect(result.stderr.trim().split('\n')).to.have.length(1);
      expect(result.status).to.equal(status);
    };
    const files = ['--activations', at('acts.npy')];
    await fails([], 2, /give --activations, or --model and --tensor/);
    await fails([...files, '--text', 'x.txt'], 2, /either --activations, or --model/);
    await fails(['--activations', at('no.npy')], 1, /no\.npy: there is no such file/);
    await fails(['--activations', at('acts-*.npy')], 1, /no file matches/);
    await fails(
      ['--activations', at('decoder.npy'), '--tokens', at('acts.tokens.npy')],
      1,
      /for 24 rows of activations/,
    );
    await fails([...files, '--unembedding', 'W_U'], 2, /W_U: there is no such file; a weight's name needs --model/);
    await fails([...files, '--unembedding', 'W_U', '--model', at('model.onnx')], 1, /no weight named W_U/);
    await fails([...files, '--context', '1,2,3'], 2, /expected 10, 5,10 or sequence/);
    writeFileSync(at('far.jsonl'), '{"latent": 24, "text": "x"}');
    await fails([...files, '--explanations', at('far.jsonl')], 1, /far\.jsonl: line 1: latent is 24; .* 0 to 23/);
    const tensor = ['--model', at('model.onnx'), '--tensor', 'hiden', '--input', at('ids.npy')];
    await fails(tensor, 1, /hidden/);
    expect(readdirSync(folder).filter(name => name.includes('none'))).to.deep.equal([]);
    const interruption = new AbortController();
    interruption.abort();
    const { status } = await runCommand(['dashboard', at('sae.onnx'), '--out', at('none'), ...files], {
      signal: interruption.signal,
    });
    expect(status).to.equal(130);
    expect(readdirSync(folder).filter(name => name.includes('none'))).to.deep.equal([]);
  });
});
