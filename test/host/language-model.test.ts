/** A small language model and an autoencoder for its residual stream, with PyTorch's answers (make_language_model.py, seed 0). */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { InvalidShapeError, InvalidValueError } from '../../src/errors.ts';
import { type FileTensor, readNpy } from '../../src/files/index.ts';
import { type Evaluation, evaluate, type HostModel, openHost, splice } from '../../src/host/index.ts';
import { writeModelFile } from '../../src/host/write-model.ts';
import { inspectModel, loadSae } from '../../src/inference/node.ts';
import { smallSae } from './small-sae.ts';

const pathOf = (name: string) => new URL(`language-model/${name}`, import.meta.url).pathname;
const array = (name: string): FileTensor => readNpy(readFileSync(pathOf(`${name}.npy`)));
const SAE = pathOf('sae.onnx');
const ids = array('ids');
const mask = array('mask');
const scores = JSON.parse(readFileSync(pathOf('scores.json'), 'utf8')) as { tensor: string } & Record<string, number>;
const { tensor } = scores;
/** The scores where the longest sixth of the positions that count keep their activation. */
const { without_long: withoutLong } = scores as unknown as { readonly without_long: Record<string, number> };
const [samples = 0, seq = 0] = ids.shape;
const kept = Array.from(mask.data, (flag, at) => (flag ? at : -1)).filter(at => at >= 0);

/** Largest difference of rows `kept` of [batch, seq, width]. */
function worstKept(actual: ArrayLike<number>, expected: ArrayLike<number>, width: number): number {
  let worst = 0;
  for (const row of kept) {
    for (let i = row * width; i < (row + 1) * width; i++) worst = Math.max(worst, Math.abs(actual[i]! - expected[i]!));
  }
  return worst;
}

const worst = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a, (value, i) => Math.abs(value - b[i]!)).reduce(
    (most, gap) => Math.max(most, gap),
    a.length === b.length ? 0 : 1,
  );

describe('host: a language model', () => {
  const folder = mkdtempSync(join(tmpdir(), 'host-'));
  const files: Record<string, string> = {
    'as exported': pathOf('model.onnx'),
    'with fused norms': pathOf('fused.onnx'),
    'with its weights in another file': join(folder, 'external.onnx'),
  };

  before(async () => {
    await using host = await openHost(files['as exported']!);
    const written = await writeModelFile(files['with its weights in another file']!, host.model, host.folder, 0);
    expect(written).to.have.length(2);
  });
  after(() => rmSync(folder, { recursive: true }));

  for (const [name, file] of Object.entries(files)) {
    describe(name, () => {
      it('gives activations of kept positions, with their tokens', async () => {
        await using host = await openHost(file);
        const rows = await host.activations({ input_ids: ids }, { tensor, mask, batchSize: 5 });
        expect(rows.shape).to.deep.equal([scores['rows'], 24]);
        expect(worst(rows.data, array('activations').data)).to.be.below(1e-5);
        expect([...rows.tokens!]).to.deep.equal(kept.map(at => ids.data[at]));
        expect([...rows.samples]).to.deep.equal(kept.map(at => Math.floor(at / seq)));
        expect([...rows.positions]).to.deep.equal(kept.map(at => at % seq));
      });

      it('gives every score', async () => {
        const result = await evaluate(file, SAE, { input_ids: ids }, { tensor, mask, batchSize: 7 });
        for (const [key, value] of Object.entries(scores)) {
          if (typeof value === 'number') expect(result[key as keyof Evaluation], key).to.be.closeTo(value, 1e-4);
        }
        expect(result.check.bypassed).to.equal(false);
      });

      it('leaves long activations as the model has them, where asked', async () => {
        const options = { tensor, mask, batchSize: 7, dropNormAbove: withoutLong['drop_norm_above']! };
        const result = await evaluate(file, SAE, { input_ids: ids }, options);
        for (const [key, value] of Object.entries(withoutLong)) {
          expect(result[key as keyof Evaluation], key).to.be.closeTo(value, 1e-4);
        }
        expect(withoutLong['ce_sae']).not.to.be.closeTo(scores['ce_sae']!, 1e-3);
      });

      it('says how long reconstructions are: shrinkage and bias by hand from decoded features', async () => {
        const result = await evaluate(file, SAE, { input_ids: ids }, { tensor, mask, batchSize: 7 });
        await using sae = await loadSae(SAE);
        const [x, code] = [array('activations'), array('features')];
        const { data } = await sae.decode({ data: Float32Array.from(code.data), shape: code.shape });
        const dot = (a: ArrayLike<number>, b: ArrayLike<number>, row: number) =>
          Array.from({ length: 24 }, (_, i) => a[row * 24 + i]! * b[row * 24 + i]!).reduce((sum, term) => sum + term);
        const means = (rows: readonly number[]) => {
          const sum = (term: (row: number) => number) => rows.reduce((all, row) => all + term(row), 0);
          return {
            shrinkage: sum(row => Math.sqrt(dot(data, data, row) / dot(x.data, x.data, row))) / rows.length,
            bias: sum(row => dot(data, data, row)) / sum(row => dot(x.data, data, row)),
          };
        };
        const isFirst = (row: number) => row === 0 || Math.floor(kept[row - 1]! / seq) !== Math.floor(kept[row]! / seq);
        for (const [found, rows] of [
          [result, [...kept.keys()]],
          [result.without_first_position, [...kept.keys()].filter(row => !isFirst(row))],
        ] as const) {
          const expected = means(rows);
          expect(found.shrinkage).to.be.closeTo(expected.shrinkage, 1e-5);
          expect(found.relative_reconstruction_bias).to.be.closeTo(expected.bias, 1e-5);
        }
      });

      it('takes the autoencoder: logits and features in one run', async () => {
        const { bytes, features, mask: maskInput } = await splice(file, SAE, { tensor });
        expect(maskInput).to.equal('attention_mask');
        await using merged = await openHost(await bytes());
        const outputs = await merged.run({ input_ids: ids, attention_mask: mask });
        expect(worstKept(outputs['logits']!.data, array('logits_sae').data, 12)).to.be.below(1e-4);
        const expected = array('features').data;
        let most = 0;
        kept.forEach((at, row) => {
          for (let i = 0; i < 64; i++) {
            most = Math.max(most, Math.abs(outputs[features]!.data[at * 64 + i]! - expected[row * 64 + i]!));
          }
        });
        expect(most).to.be.below(1e-4);
      });

      it('is steered: no delta changes nothing, a delta of one latent is that of decoding by hand', async () => {
        const plain = await openHost(await (await splice(file, SAE, { tensor })).bytes());
        const steered = await openHost(await (await splice(file, SAE, { tensor, steer: true })).bytes());
        await using host = await openHost(file);
        await using sae = await loadSae(SAE);
        const inputs = { input_ids: ids, attention_mask: mask };
        const delta = { data: new Float32Array(samples * seq * 64), shape: [samples, seq, 64] };
        try {
          const before = await plain.run(inputs);
          const unchanged = await steered.run({ ...inputs, features_delta: delta });
          expect(worst(before['logits']!.data, unchanged['logits']!.data)).to.be.below(1e-6);

          for (let row = 0; row < samples * seq; row++) delta.data[row * 64 + 20] = 2.5;
          const changed = await steered.run({ ...inputs, features_delta: delta });
          const { [tensor]: own } = await host.run(inputs, { outputs: [tensor] });
          const { reconstruction } = await sae.forward({ data: own!.data as Float32Array, shape: own!.shape });
          const directions = await sae.featureDirections();
          const byHand = Float32Array.from(own!.data, (value, at) => {
            if (mask.data[Math.floor(at / 24)] === 0) return value;
            return reconstruction.data[at]! + 2.5 * directions.data[20 * 24 + (at % 24)]!;
          });
          const expected = await host.run(inputs, { replace: { [tensor]: { data: byHand, shape: own!.shape } } });
          expect(worst(changed['logits']!.data, expected['logits']!.data)).to.be.below(1e-4);
          expect(worst(changed['logits']!.data, before['logits']!.data)).to.be.above(0.01);
        } finally {
          await plain.dispose();
          await steered.dispose();
        }
      });

      it('keeps what the autoencoder did not explain, where asked', async () => {
        const { bytes } = await splice(file, SAE, { tensor, steer: true, keepError: true });
        await using merged = await openHost(await bytes());
        await using host = await openHost(file);
        const inputs = { input_ids: ids, attention_mask: mask };
        const delta = { data: new Float32Array(samples * seq * 64), shape: [samples, seq, 64] };
        const same = await merged.run({ ...inputs, features_delta: delta });
        const own = await host.run(inputs);
        expect(worst(same['logits']!.data, own['logits']!.data)).to.be.below(1e-4);
      });
    });
  }

  it('runs, merged, where browsers run it: in onnxruntime-web', async () => {
    const { InferenceSession, Tensor } = await import('onnxruntime-web');
    const { bytes } = await splice(files['with fused norms']!, SAE, { tensor });
    const session = await InferenceSession.create(await bytes());
    const integers = ({ data, shape }: FileTensor) => new Tensor('int64', BigInt64Array.from(data, BigInt), [...shape]);
    const outputs = await session.run({ input_ids: integers(ids), attention_mask: integers(mask) });
    expect(worstKept(outputs['logits']!.data as Float32Array, array('logits_sae').data, 12)).to.be.below(1e-4);
    expect(outputs['features']!.dims).to.deep.equal([samples, seq, 64]);
    await session.release();
  });

  it('marks the residual stream', async () => {
    for (const file of [files['as exported']!, files['with fused norms']!]) {
      await using host = await openHost(file);
      const marked = (await host.tensors()).filter(({ residual }) => residual).map(({ name }) => name);
      expect(marked.slice(0, 4)).to.deep.equal([
        '/Add_output_0',
        '/b0/Add_1_output_0',
        '/b0/Add_3_output_0',
        '/b1/Add_1_output_0',
      ]);
    }
  });

  it('writes a transcoder between two tensors', async () => {
    const sae = smallSae(24, 32, 5);
    const [source, target] = ['/b0/n2/LayerNormalization_output_0', '/b0/d/MatMul_output_0'];
    const file = files['as exported']!;
    const { bytes } = await splice(file, sae.bytes, { tensor: source, target });
    await using merged = await openHost(await bytes());
    await using host = await openHost(file);
    const inputs = { input_ids: ids, attention_mask: mask };
    const { [source]: read, [target]: replaced } = await host.run(inputs, { outputs: [source, target] });
    const byHand = Float32Array.from(replaced!.data);
    for (const row of kept)
      byHand.set(sae.decode(sae.encode(Array.from(read!.data).slice(row * 24, row * 24 + 24))), row * 24);
    const expected = await host.run(inputs, { replace: { [target]: { data: byHand, shape: replaced!.shape } } });
    const outputs = await merged.run(inputs);
    expect(worst(outputs['logits']!.data, expected['logits']!.data)).to.be.below(1e-4);
  });

  it('keeps names apart where the model has features of its own', async () => {
    const bytes = await (await splice(files['as exported']!, SAE, { tensor })).bytes();
    const twice = await splice(bytes, SAE, { tensor: '/b1/Add_1_output_0' });
    expect(twice.features).to.equal('features_1');
    const { outputs } = await inspectModel(await twice.bytes());
    expect(outputs.map(({ name }) => name)).to.deep.equal(['logits', 'features', 'features_1']);
  });

  describe('refuses in one line', () => {
    let host: HostModel;
    before(async () => {
      host = await openHost(files['as exported']!);
    });
    after(() => host.dispose());

    const fails = async (
      work: Promise<unknown>,
      kind: new (...args: never[]) => Error,
      ...words: (string | RegExp)[]
    ): Promise<void> => {
      const error = await work.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).to.be.instanceOf(kind);
      const { message } = error as Error;
      expect(message).not.to.include('\n');
      for (const word of words)
        expect(message).to.match(
          word instanceof RegExp ? word : new RegExp(word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')),
        );
    };
    const spliced = (name: string, sae: string | Uint8Array = SAE) => splice(host, sae, { tensor: name });

    it('a name that is not there, with the nearest', () =>
      fails(spliced('/b0/Add3'), InvalidValueError, '/b0/Add_3_output_0'));
    it('an input', () => fails(spliced('input_ids'), InvalidValueError, 'an input of the model'));
    it('a weight', () => fails(spliced('e.weight'), InvalidValueError, 'a weight of the model'));
    it('integers', () => fails(spliced('/Shape_output_0'), InvalidValueError, 'int64'));
    it('another width', () => fails(spliced(tensor, smallSae(16, 8).bytes), InvalidShapeError, '16 wide', '24 wide'));
    it('an output that nothing reads is replaced, and scored by nobody', () =>
      fails(
        evaluate(host, smallSae(12, 8).bytes, { input_ids: ids }, { tensor: 'logits', mask }),
        InvalidValueError,
        'logits',
      ));
    it('a mask of another shape', () =>
      fails(
        evaluate(
          host,
          SAE,
          { input_ids: ids },
          { tensor, mask: { data: new Uint8Array(samples * 3), shape: [samples, 3] } },
        ),
        InvalidShapeError,
        'the mask is [24, 3]',
        'input_ids is [24, 14]',
      ));
    it('a tensor that the logits do not depend on', () =>
      fails(
        evaluate(host, SAE, { input_ids: ids }, { tensor, mask, logits: '/b0/Add_1_output_0' }),
        InvalidValueError,
        'does not depend on',
      ));
    it('a limit of norms that is not positive', () =>
      fails(
        evaluate(host, SAE, { input_ids: ids }, { tensor, mask, dropNormAbove: 0 }),
        InvalidValueError,
        'dropNormAbove must be positive, got 0',
      ));
    it('a limit of norms below all of them', () =>
      fails(
        evaluate(host, SAE, { input_ids: ids }, { tensor, mask, dropNormAbove: 1e-6 }),
        InvalidValueError,
        'no position counts',
      ));
    it('a replacement of another shape', () =>
      fails(
        host.run(
          { input_ids: ids, attention_mask: mask },
          { replace: { [tensor]: { data: new Float32Array(6), shape: [1, 1, 6] } } },
        ),
        InvalidShapeError,
        '[1, 1, 6]',
      ));
    it('an input that is not there', () =>
      fails(host.run({ tokens: ids }), InvalidValueError, 'tokens', 'input_ids, attention_mask'));
  });
});
