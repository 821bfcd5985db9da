import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { FileFormatError, InvalidValueError } from '../../src/errors.ts';
import { frozenSaeFromOnnx, frozenSaeToOnnx } from '../../src/export/frozen-sae-onnx.ts';
import { loadSaeFromFiles } from '../../src/export/load-sae-checkpoint.ts';
import { loadSaeFolder, saveSaelensFolder } from '../../src/export/load-sae-folder.ts';
import { writeSaelens } from '../../src/export/saelens.ts';
import { decoderInputsOf } from '../../src/models/frozen-sae.ts';
import { cutModel } from '../../src/onnx/cut.ts';
import { parseMetadata } from '../../src/onnx/metadata.ts';
import { metadataProperties, readModel } from '../../src/onnx/read.ts';
import { applyEagerly, caseFolders, expectClose, readAnswers, runOnnx } from './checkpoint-cases.ts';

/** SAELens has no class for these. */
const withoutSaelensClass = ['sparsify-skip-transcoder'];

describe('SAE checkpoints of other projects', () => {
  let temporary = '';
  before(async () => {
    temporary = await mkdtemp(join(tmpdir(), 'monosemantic-'));
  });
  after(() => rm(temporary, { recursive: true }));

  for (const [name, folder] of Object.entries(caseFolders)) {
    describe(name, () => {
      it('gives the features and reconstruction of the project that made it', async () => {
        const { sae } = await loadSaeFolder(folder);
        const { x, features, reconstruction } = await readAnswers(folder);
        const ours = applyEagerly(sae, x);
        expectClose(ours['features']!, features, 'features');
        expectClose(ours['reconstruction']!, reconstruction, 'reconstruction');
      });

      it('gives them through .onnx, and its decoder alone gives the reconstruction', async () => {
        const { sae } = await loadSaeFolder(folder);
        const { x, features, reconstruction } = await readAnswers(folder);
        const bytes = frozenSaeToOnnx(sae);
        const ours = await runOnnx(bytes, { activations: x });
        expect(Object.keys(ours)).to.have.members(['features', 'reconstruction']);
        expectClose(ours['features']!, features, 'features');
        expectClose(ours['reconstruction']!, reconstruction, 'reconstruction');

        const model = readModel(bytes);
        const beside = decoderInputsOf(sae);
        const feeds = await runOnnx(cutModel(model, { inputs: ['activations'], outputs: ['features', ...beside] }), {
          activations: x,
        });
        const decoder = cutModel(model, { inputs: ['features', ...beside], outputs: ['reconstruction'] });
        const decoded = await runOnnx(decoder, feeds);
        expectClose(decoded['reconstruction']!, reconstruction, 'decoded');
      });

      it('comes back from .onnx and from a SAELens folder the same', async () => {
        const { sae } = await loadSaeFolder(folder);
        const { sae: fromOnnx } = frozenSaeFromOnnx(frozenSaeToOnnx(sae));
        expect(fromOnnx).to.deep.equal(sae);
        if (withoutSaelensClass.includes(name)) {
          expect(() => writeSaelens(sae)).to.throw(
            InvalidValueError,
            'SAELens has no class for a topk skip transcoder',
          );
          return;
        }
        const path = join(temporary, name);
        await saveSaelensFolder(path, fromOnnx);
        expect((await readdir(path)).sort()).to.deep.equal(['cfg.json', 'sae_weights.safetensors']);
        const { sae: again, notes } = await loadSaeFolder(path);
        expect(again.weights).to.deep.equal(sae.weights);
        expect(notes).to.deep.equal([]);
        const { x, features, reconstruction } = await readAnswers(folder);
        const ours = applyEagerly(again, x);
        expectClose(ours['features']!, features, 'features');
        expectClose(ours['reconstruction']!, reconstruction, 'reconstruction');
      });
    });
  }

  it('names k and gives the sparse form of topk features in the graph', async () => {
    const { sae } = await loadSaeFolder(caseFolders['topk']!);
    const { x, features } = await readAnswers(caseFolders['topk']!);
    const outputs = ['feature_indices', 'feature_values'];
    const part = cutModel(readModel(frozenSaeToOnnx(sae)), { inputs: ['activations'], outputs });
    const { feature_indices: indices, feature_values: values } = await runOnnx(part, { activations: x });
    expect(values!.shape).to.deep.equal([8, 5]);
    const dense = { data: new Float32Array(8 * 48), shape: [8, 48] };
    indices!.data.forEach((latent, i) => {
      dense.data[Math.floor(i / 5) * 48 + latent] = values!.data[i]!;
    });
    expectClose(dense, features, 'features');
  });

  it('reads bfloat16 weights exactly: in float32 it is SAELens in float32', async () => {
    const folder = caseFolders['topk']!.replace('saelens/topk', 'saelens-hard/jumprelu-bfloat16');
    const { sae } = await loadSaeFolder(folder);
    const { x, features, reconstruction } = await readAnswers(folder, 'io-float32.json');
    const ours = await runOnnx(frozenSaeToOnnx(sae), { activations: x });
    expectClose(ours['features']!, features, 'features');
    expectClose(ours['reconstruction']!, reconstruction, 'reconstruction');

    // SAELens in bfloat16 rounds x − b_dec, the product, and the sum with b_enc to 8 bits each: ours must lie within that.
    const rough = await readAnswers(folder);
    const unit = 2 ** -8;
    rough.features.data.forEach((value, i) => {
      const [row, latent] = [Math.floor(i / sae.dSae), i % sae.dSae];
      let pre = sae.weights['b_enc']!.data[latent]!;
      let magnitude = Math.abs(pre);
      for (let j = 0; j < sae.dIn; j++) {
        const term =
          (x.data[row * sae.dIn + j]! - sae.weights['b_dec']!.data[j]!) *
          sae.weights['W_enc']!.data[j * sae.dSae + latent]!;
        pre += term;
        magnitude += Math.abs(term);
      }
      const bound = 3 * unit * magnitude;
      const threshold = sae.weights['threshold']!.data[latent]!;
      // Where rounding may carry the pre-activation over the threshold, either answer is right.
      if (Math.abs(pre - threshold) > bound) expect(Math.abs(ours['features']!.data[i]! - value)).to.be.at.most(bound);
    });
  });

  it('reads bytes by name, as a browser has them, in a folder or not', async () => {
    const folder = caseFolders['gated']!;
    const read = (name: string): Promise<Uint8Array> => readFile(join(folder, name));
    const files = {
      'my/cfg.json': await read('cfg.json'),
      'my/sae_weights.safetensors': await read('sae_weights.safetensors'),
    };
    const { sae, format } = loadSaeFromFiles(files);
    expect([format, sae.architecture, sae.dSae]).to.deep.equal(['saelens', 'gated', 48]);
    const renamed = { a: files['my/cfg.json'], b: files['my/sae_weights.safetensors'] };
    expect(loadSaeFromFiles(renamed).sae.weights).to.deep.equal(sae.weights);
  });

  it('takes a weights file or a config for the folder they lie in', async () => {
    const folder = caseFolders['jumprelu']!;
    const { sae } = await loadSaeFolder(folder);
    expect((await loadSaeFolder(join(folder, 'sae_weights.safetensors'))).sae).to.deep.equal(sae);
    expect((await loadSaeFolder(join(folder, 'cfg.json'))).sae).to.deep.equal(sae);
  });

  it('says that the factor of expected_average_only_in is missing, and folds the one it is given', async () => {
    const folder = caseFolders['standard-expected-average']!;
    const { notes } = await loadSaeFolder(folder);
    expect(notes.join()).to.include('expected_average_only_in').and.to.include('normScalingFactor');
    const scaled = await loadSaeFolder(folder, { normScalingFactor: 2 });
    const { x, features } = await readAnswers(folder);
    // b_dec is subtracted after scaling, so a scaled SAE sees 2x as the unscaled one does x.
    const half = { shape: x.shape, data: x.data.map(value => value / 2) };
    expectClose(applyEagerly(scaled.sae, half)['features']!, features, 'features');
  });

  it('computes the one product of a gated encoder once', async () => {
    const { sae } = await loadSaeFolder(caseFolders['gated']!);
    const products = readModel(frozenSaeToOnnx(sae)).proto.graph.node?.filter(({ opType }) =>
      /Gemm|MatMul/.test(opType!),
    );
    expect(products?.length).to.equal(2);
  });

  it('writes the same bytes for the same SAE, and what a file is to say beside it', async () => {
    const { sae } = await loadSaeFolder(caseFolders['standard-layer-norm']!);
    const metadata = {
      config: { training: { seed: 3 }, architecture: 'other' },
      trainedOn: 'ab12',
      properties: { author: 'me' },
    };
    const bytes = frozenSaeToOnnx(sae, metadata);
    expect(Buffer.compare(bytes, frozenSaeToOnnx(sae, metadata))).to.equal(0);
    const read = parseMetadata(metadataProperties(readModel(bytes)));
    expect(read.config).to.include({
      architecture: 'standard',
      d_in: 16,
      d_sae: 48,
      normalize_activations: 'layer_norm',
    });
    expect(read.config!['training']).to.deep.equal({ seed: 3 });
    expect(read.decoderInputs).to.deep.equal(['ln_mu', 'ln_std']);
    expect([read.trainedOn, read.featureDirections, read.properties['author']]).to.deep.equal(['ab12', 'W_dec', 'me']);
  });

  it('gives a typed error or an SAE for 400 damaged checkpoints', async () => {
    const folder = caseFolders['topk']!;
    const good = {
      'cfg.json': await readFile(join(folder, 'cfg.json')),
      'sae_weights.safetensors': await readFile(join(folder, 'sae_weights.safetensors')),
    };
    const random = xoroshiro128plus(4);
    let refused = 0;
    for (let i = 0; i < 400; i++) {
      const name = i % 2 === 0 ? 'cfg.json' : 'sae_weights.safetensors';
      // Most of a weights file is numbers: its header is where damage can be seen.
      const reach = i % 4 === 1 ? 400 : good[name].length;
      const damaged = Uint8Array.from(good[name].subarray(0, i % 8 < 2 ? uniformInt(random, 0, reach) : undefined));
      for (let flips = 3; flips > 0 && damaged.length > 0; flips--) {
        damaged[uniformInt(random, 0, Math.min(reach, damaged.length) - 1)] = uniformInt(random, 0, 255);
      }
      try {
        loadSaeFromFiles({ ...good, [name]: damaged });
      } catch (error) {
        expect(error).to.be.instanceOf(FileFormatError);
        refused++;
      }
    }
    expect(refused).to.be.greaterThan(200);
  });

  it('says what is wrong with files that hold no SAE', async () => {
    const weights = await readFile(join(caseFolders['topk']!, 'sae_weights.safetensors'));
    expect(() => loadSaeFromFiles({})).to.throw(FileFormatError, 'no sparse autoencoder among no files');
    expect(() => loadSaeFromFiles({ 'a.txt': Uint8Array.of(1, 2) })).to.throw(FileFormatError, 'among a.txt');
    expect(() => loadSaeFromFiles({ w: weights })).to.throw(
      FileFormatError,
      'w: the cfg.json that belongs beside it is missing',
    );
    expect(() => loadSaeFromFiles({ a: weights, b: weights })).to.throw(
      FileFormatError,
      'several sparse autoencoders, a, b',
    );
    const missing = await loadSaeFolder(join(temporary, 'none')).catch((error: unknown) => error);
    expect(missing).to.be.instanceOf(FileFormatError);
  });
});
