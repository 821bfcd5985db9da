/** Bundles against NumPy (check_bundle.py, which knows the documented format alone), and what must hold of any bundle. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { buildFeatureBundle, type FeatureBundleOptions } from '../../src/features/build-bundle.ts';
import { rowsOf } from '../../src/features/feature-rows.ts';
import { openFeatureBundle } from '../../src/features/open-bundle.ts';
import { rejection } from '../inference/rejection.ts';
import { type BundleCase, missingForPython, normals, problemsOf, writeArray, writeCase } from './bundle-cases.ts';

describe('feature bundles', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'monosemantic-bundle-'));
  });
  after(() => rmSync(folder, { recursive: true }));
  let number = 0;
  const next = (): string => join(folder, String(number++));

  /** Bytes of every file, by name. */
  const filesOf = (path: string): Map<string, Uint8Array> =>
    new Map(readdirSync(path).map(name => [name, new Uint8Array(readFileSync(join(path, name)))]));
  const hashesOf = (path: string): string[] =>
    [...filesOf(path)].map(([name, bytes]) => `${name} ${createHash('sha256').update(bytes).digest('hex')}`);

  const build = async (data: BundleCase, more: Partial<FeatureBundleOptions> = {}): Promise<string> => {
    const out = next();
    await buildFeatureBundle({
      sae: data.sae,
      rows: rowsOf({ activations: data.activations, width: data.dIn }),
      out,
      // Starting a worker takes longer than all the rest; the command's tests have one.
      load: { worker: false },
      ...more,
    });
    return out;
  };

  describe('equal NumPy', () => {
    before(function () {
      const missing = missingForPython();
      if (missing) {
        console.log(`      skipped: ${missing}`);
        this.skip();
      }
    });

    it('for a TopK SAE on tokens in sequences, with logits', async () => {
      const rows = 5000;
      const data = writeCase(next(), { seed: 11, rows, dIn: 24, dSae: 96, k: 6, silent: [7, 50] });
      const sequences = Int32Array.from({ length: rows }, (_, i) => Math.floor(i / 37));
      const positions = Int32Array.from({ length: rows }, (_, i) => i % 37);
      const tokens = Int32Array.from({ length: rows }, (_, i) => (i * 7919) % 211);
      const unembedding = { data: normals(99, 24 * 211), shape: [24, 211] };
      const out = await build(data, {
        rows: rowsOf({ activations: data.activations, width: 24, tokens, positions }),
        unembedding,
        seed: 3,
      });
      const column = (name: string, values: Int32Array) =>
        writeArray(data.folder, name, { data: values, shape: [rows] });
      expect(
        problemsOf(out, data, {
          tokens: column('tokens', tokens),
          positions: column('positions', positions),
          sequences: column('sequences', sequences),
          unembedding: writeArray(data.folder, 'unembedding', unembedding),
        }),
      ).to.deep.equal([]);
    });

    it('for a JumpReLU SAE on rows with labels and sinks, decoder norms folded in', async () => {
      const rows = 3000;
      const data = writeCase(next(), {
        seed: 5,
        rows,
        dIn: 16,
        dSae: 40,
        architecture: 'jumprelu',
        sinks: [3, 1400, 2999],
      });
      const codes = Array.from({ length: rows }, (_, i) => (i % 5 === 4 ? -1 : i % 5));
      const labels = [codes.map(code => (code < 0 ? '' : `class ${code}`))];
      const out = await build(data, {
        rows: rowsOf({ activations: data.activations, width: 16, labels, labelColumns: ['class'] }),
        foldDecoderNorm: true,
      });
      expect(problemsOf(out, data, { fold: true, labels: [codes] })).to.deep.equal([]);
      const { manifest } = await openFeatureBundle(filesOf(out));
      expect(manifest.statistics.sink_rows).to.equal(3);
    });

    it('for a transcoder with a skip connection, against its targets', async () => {
      const rows = 1200;
      const data = writeCase(next(), { seed: 13, rows, dIn: 10, dOut: 7, dSae: 30, k: 4, sinks: [11, 700] });
      const given = { activations: data.activations, width: 10 };
      const out = await build(data, { rows: rowsOf({ ...given, target: data.target, targetWidth: 7 }) });
      const target = join(data.folder, 'activations.target.npy');
      expect(problemsOf(out, data, { target })).to.deep.equal([]);
      const { manifest } = await openFeatureBundle(filesOf(out));
      expect(manifest.statistics.sink_rows).to.equal(2);
      const { statistics } = (await openFeatureBundle(filesOf(await build(data, { rows: rowsOf(given) })))).manifest;
      expect(statistics.explained_variance).to.equal(null);
    });

    it('for a ReLU SAE with layer norm, whose decoder needs more than the features', async () => {
      const data = writeCase(next(), {
        seed: 8,
        rows: 1500,
        dIn: 12,
        dSae: 20,
        architecture: 'standard',
        normalizeActivations: 'layer_norm',
      });
      expect(problemsOf(await build(data), data)).to.deep.equal([]);
    });

    it('where latents fire on fewer rows than there are examples, and there are fewer latents than neighbours', async () => {
      const data = writeCase(next(), { seed: 21, rows: 9, dIn: 5, dSae: 6, k: 2, silent: [0] });
      expect(problemsOf(await build(data), data)).to.deep.equal([]);
    });
  });

  it('are the same bytes however the rows arrive, and other examples for another seed', async () => {
    const rows = 2500;
    const data = writeCase(next(), { seed: 2, rows, dIn: 8, dSae: 32, k: 3 });
    const tokens = Int32Array.from({ length: rows }, (_, i) => (i * i) % 97);
    const positions = Int32Array.from({ length: rows }, (_, i) => i % 50);
    const cut = (batchRows: number, seed = 0) =>
      build(data, {
        rows: rowsOf({ activations: data.activations, width: 8, tokens, positions, batchRows }),
        seed,
        sampleRows: 700,
      });
    const whole = await cut(rows);
    for (const batchRows of [1, 333, 1024]) expect(hashesOf(await cut(batchRows))).to.deep.equal(hashesOf(whole));
    expect(hashesOf(await cut(rows, 1))).to.not.deep.equal(hashesOf(whole));
  });

  it('show exactly the rows on which a planted latent fires, and the rule behind them', async () => {
    // Identity SAE: latent i is coordinate i of the rows.
    const dIn = 7;
    const rows = 4000;
    const data = writeCase(next(), { seed: 1, rows: 1, dIn, dSae: dIn });
    const { frozenSaeToOnnx } = await import('../../src/export/frozen-sae-onnx.ts');
    const identity = Float32Array.from({ length: dIn * dIn }, (_, i) => (i % (dIn + 1) === 0 ? 1 : 0));
    const square = { data: identity, shape: [dIn, dIn] };
    const zeros = { data: new Float32Array(dIn), shape: [dIn] };
    writeFileSync(
      data.sae,
      frozenSaeToOnnx({
        architecture: 'standard',
        dIn,
        dSae: dIn,
        dOut: dIn,
        applyBDecToInput: false,
        normalizeActivations: 'none',
        transcoder: false,
        weights: { W_enc: square, b_enc: zeros, W_dec: square, b_dec: zeros },
      }),
    );
    const texts = [' the', ' cat', '42', 'running', ' walking', '.'];
    const tokens = Int32Array.from({ length: rows }, (_, i) => (i * 31 + Math.floor(i / 7)) % texts.length);
    const positions = Int32Array.from({ length: rows }, (_, i) => i % 20);
    const labels = [Array.from({ length: rows }, (_, i) => (i % 20 < 10 ? 'first half' : 'second half'))];
    const planted: ((row: number) => boolean)[] = [
      row => tokens[row] === 1,
      row => tokens[row] === 3 || tokens[row] === 4,
      row => row % 20 > 0 && tokens[row - 1] === 0,
      row => labels[0]![row] === 'first half',
      row => row === 17,
      () => false,
      row => row % 50 !== 0,
    ];
    const activations = new Float32Array(rows * dIn);
    for (let row = 0; row < rows; row++) {
      planted.forEach((fires, latent) => {
        activations[row * dIn + latent] = fires(row) ? 1 + ((row * 13) % 101) / 100 : -1;
      });
    }
    const out = await build(data, {
      rows: rowsOf({ activations, width: dIn, tokens, positions, labels, labelColumns: ['half'] }),
      tokenizer: { name: 'tokenizer.json', sha256: '00', texts },
      explanations: [{ latent: 1, text: 'words in -ing', score: 0.9 }],
    });
    const bundle = await openFeatureBundle(filesOf(out));
    const features = await Promise.all(planted.map((_, latent) => bundle.feature(latent)));
    for (const [latent, { count, top, intervals }] of features.entries()) {
      const rowsOfLatent = Array.from({ length: rows }, (_, row) => row).filter(planted[latent]!);
      expect(count, `latent ${latent}`).to.equal(rowsOfLatent.length);
      for (const { row } of [...top, ...intervals.flatMap(({ examples }) => examples)]) {
        expect(planted[latent]!(row), `row ${row} of latent ${latent}`).to.equal(true);
      }
    }
    expect(features.map(({ rule }) => rule?.rule.text)).to.deep.equal([
      'token " cat"',
      'token: ends in "ing"',
      'after token " the"',
      'half is first half',
      undefined,
      undefined,
      'any row',
    ]);
    for (const { rule } of features.slice(0, 4)) expect(rule).to.include({ f1: 1, precision: 1, recall: 1 });
    const [only] = features[4]!.top;
    expect(only).to.deep.include({ row: 17, sequence: 0, position: 17, qualifying: 10, labels: ['second half'] });
    expect([...only!.tokens!]).to.deep.equal([...tokens.slice(7, 20)]);
    expect(features[5]).to.deep.include({ count: 0, max: 0, top: [] });
    expect(features[1]!.explanations).to.deep.equal([{ latent: 1, text: 'words in -ing', score: 0.9 }]);
    expect((await bundle.tokens())!.text(4)).to.equal(' walking');
    expect(bundle.manifest.statistics.never_fired).to.equal(1);
    // All examples, top ones and drawn ones.
    expect(await bundle.heldExamples()).to.equal(
      features.reduce((sum, { top, intervals }) => sum + top.length + intervals.flatMap(i => i.examples).length, 0),
    );
  });

  it('are written whole or not at all', async () => {
    const data = writeCase(next(), { seed: 4, rows: 50, dIn: 4, dSae: 8, k: 2 });
    const parent = next();
    const out = join(parent, 'pages');
    const broken = data.activations.slice();
    broken[41 * 4 + 2] = Number.NaN;
    const options = { sae: data.sae, out, rows: rowsOf({ activations: broken, width: 4 }), load: { worker: false } };
    expect((await rejection(buildFeatureBundle(options))).message).to.match(/row 41 of the activations holds NaN/);
    expect(readdirSync(parent)).to.deep.equal([]);

    const rows = rowsOf({ activations: data.activations, width: 4 });
    await buildFeatureBundle({ ...options, rows });
    expect((await rejection(buildFeatureBundle({ ...options, rows }))).name).to.equal('InvalidValueError');
    await buildFeatureBundle({ ...options, rows, overwrite: true, seed: 9 });
    expect(readdirSync(parent)).to.deep.equal(['pages']);
    writeFileSync(join(folder, 'kept.txt'), 'mine');
    const over = buildFeatureBundle({ ...options, rows, out: folder, overwrite: true });
    expect((await rejection(over)).message).to.match(/not empty/);
    expect(readFileSync(join(folder, 'kept.txt'), 'utf8')).to.equal('mine');
  });

  it('may leave out neighbours, intervals, top examples and contexts', async () => {
    const data = writeCase(next(), { seed: 4, rows: 60, dIn: 4, dSae: 8, k: 2 });
    const none = { neighbours: 0, intervals: 0, topExamples: 2, context: { before: 0, after: 0 } };
    const bundle = await openFeatureBundle(filesOf(await build(data, none)));
    const { count } = await bundle.overview();
    const feature = await bundle.feature(count.indexOf(Math.max(...count)));
    expect(feature).to.deep.include({ nearest: [], coactive: [], intervals: [] });
    expect(feature.top.map(({ values }) => values.length)).to.deep.equal([1, 1]);
  });

  it('refuse rows of another width and settings out of range', async () => {
    const data = writeCase(next(), { seed: 4, rows: 10, dIn: 4, dSae: 8, k: 2 });
    const error = async (more: Partial<FeatureBundleOptions>) => (await rejection(build(data, more))).message;
    expect(await error({ rows: rowsOf({ activations: new Float32Array(10), width: 5 }) })).to.match(
      /rows of 5 .* of 4/,
    );
    expect(await error({ rows: rowsOf({ activations: new Float32Array(0), width: 4 }) })).to.match(/no rows/);
    const pairs = (target: Float32Array, targetWidth: number) =>
      rowsOf({ activations: data.activations, width: 4, target, targetWidth });
    expect(await error({ rows: pairs(new Float32Array(30), 3) })).to.match(/rows of 3 targets; .* rows of 4/);
    expect(await error({ rows: pairs(new Float32Array(36), 4) })).to.match(/36 numbers of targets for 10 rows/);
    expect(await error({ rows: pairs(new Float32Array(40).fill(Number.NaN), 4) })).to.match(/row 0 of the targets/);
    expect(await error({ intervals: 101 })).to.match(/intervals is 101; expected an integer from 0 to 100/);
    expect(await error({ unembedding: { data: normals(1, 15), shape: [5, 3] } })).to.match(/\[5, 3\]; expected/);
  });
});
