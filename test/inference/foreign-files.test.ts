import { readFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { FileFormatError } from '../../src/errors.ts';
import { inspectModel, loadSae, loadToyModel } from '../../src/inference/node.ts';
import { expectClose } from './close-to.ts';
import { foreignSae, tensor } from './contract-graphs.ts';
import { rejection } from './rejection.ts';

const path = (file: string) => fileURLToPath(new URL(`../fixtures/foreign/${file}`, import.meta.url));
/** Whatever GPU this machine has: float64 is the CPU's alone. */
const cpu = { provider: 'cpu' } as const;
const answers = (name: string): Record<string, unknown> => JSON.parse(readFileSync(path(`${name}.json`), 'utf8'));

describe('inference: files that PyTorch users export', () => {
  const certain = [
    { name: 'sae' },
    { name: 'sae-float16', tolerance: 5e-3 },
    { name: 'sae-float64' },
    { name: 'sae-fixed-batch' },
    { name: 'sae-external', answersOf: 'sae' },
    { name: 'sae-float-data', answersOf: 'sae' },
  ];
  for (const { name, tolerance = 1e-5, answersOf = name } of certain) {
    it(`knows what is what, and agrees with PyTorch: ${name}`, async () => {
      await using sae = await loadSae(path(`${name}.onnx`), cpu);
      const { input, recon, latents, directions } = answers(answersOf);
      const { features, reconstruction } = await sae.forward(tensor(input));
      expectClose(features, tensor(latents), tolerance);
      expectClose(reconstruction, tensor(recon), tolerance);
      expectClose(await sae.encode(tensor(input)), tensor(latents), tolerance);
      expectClose(await sae.decode(tensor(latents)), tensor(recon), tolerance);
      expectClose(await sae.featureDirections(), tensor(directions));
      expect(sae.metadata.kind).to.equal(undefined);
    });
  }

  it('fills up the batches of a model whose batch size is fixed', async () => {
    await using fixed = await loadSae(path('sae-fixed-batch.onnx'), cpu);
    const { input, latents } = answers('sae-fixed-batch') as { input: number[][]; latents: number[][] };
    const many = [...input, ...input.slice(0, 2)];
    expectClose(await fixed.encode(many), tensor([...latents, ...latents.slice(0, 2)]));
    const sparse = await fixed.encode(input.slice(0, 1), { sparse: true });
    expect(sparse.offsets).to.deep.equal(new Uint32Array([0, latents[0]!.filter(value => value !== 0).length]));
  });

  it('finds features that are no output', async () => {
    await using sae = await loadSae(path('sae-reconstruction-only.onnx'), cpu);
    const { input, recon, directions } = answers('sae-reconstruction-only');
    const { features, reconstruction } = await sae.forward(tensor(input));
    expect(features.shape).to.deep.equal([6, 16]);
    expectClose(reconstruction, tensor(recon));
    expectClose(await sae.decode(features), tensor(recon));
    expectClose(await sae.featureDirections(), tensor(directions));
  });

  it('asks what a file is that could be a toy model or an undercomplete SAE, and lists the candidates', async () => {
    for (const [error, words] of [
      [
        await rejection(loadSae(path('sae-undercomplete.onnx'))),
        ['features', 'latents float32 [n, 4]', 'decoder.weight'],
      ],
      [await rejection(loadToyModel(path('toy.onnx'))), ['hidden', 'h float32 [n, 2]', 'w float32 [5, 2]']],
      [await rejection(loadSae(foreignSae({ isUndercomplete: true }))), ["kind: 'sparse-autoencoder'", 'dec.weight']],
    ] as const) {
      expect(error).to.be.instanceOf(FileFormatError);
      for (const word of words) expect(error.message).to.contain(word);
    }
  });

  it('takes the kind, or the names', async () => {
    const { input, recon, latents, directions } = answers('sae-undercomplete');
    for (const options of [{ kind: 'sparse-autoencoder' }, { features: 'latents' }] as const) {
      await using sae = await loadSae(path('sae-undercomplete.onnx'), { ...cpu, ...options });
      const { features, reconstruction } = await sae.forward(tensor(input));
      expectClose(features, tensor(latents));
      expectClose(reconstruction, tensor(recon));
      expectClose(await sae.featureDirections(), tensor(directions));
    }
    const toyAnswers = answers('toy');
    await using toy = await loadToyModel(path('toy.onnx'), { ...cpu, kind: 'toy-model' });
    const { hidden, reconstruction } = await toy.forward(tensor(toyAnswers['input']));
    expectClose(hidden, tensor(toyAnswers['h']));
    expectClose(reconstruction, tensor(toyAnswers['out']));
    expectClose(await toy.featureDirections(), tensor(toyAnswers['directions']));
  });

  it('takes names for everything, and names what is not there', async () => {
    const names = { input: 'x', features: 'acts', reconstruction: 'y', featureDirections: 'dec.weight' };
    await using sae = await loadSae(foreignSae(), names);
    expect([sae.dIn, sae.dSae]).to.deep.equal([4, 10]);
    for (const option of Object.keys(names)) {
      const error = await rejection(loadSae(foreignSae(), { ...names, [option]: 'nothing' }));
      expect(error, option).to.be.instanceOf(FileFormatError);
      expect(error.message, option).to.contain('nothing').and.to.contain('enc.weight');
    }
  });

  it('does not take names of what cannot be meant', async () => {
    const names = { input: 'x', features: 'acts', reconstruction: 'y', featureDirections: 'dec.weight' };
    for (const [wrong, words] of [
      [{ reconstruction: 'acts' }, 'acts cannot be both features and reconstruction'],
      [
        { featureDirections: 'other' },
        'other for featureDirections is [7, 3]; a row for each entry of acts would be [10, 4]',
      ],
      [{ features: 'y', reconstruction: 'acts', featureDirections: 'enc.bias' }, 'no matrix enc.bias'],
    ] as const) {
      const error = await rejection(loadSae(foreignSae({ hasOther: true }), { ...names, ...wrong }));
      expect(error).to.be.instanceOf(FileFormatError);
      expect(error.message).to.contain(words);
    }
  });

  it('takes every kind of source', async () => {
    const bytes = new Uint8Array(readFileSync(path('sae.onnx')));
    const sources = [
      path('sae.onnx'),
      pathToFileURL(path('sae.onnx')),
      pathToFileURL(path('sae.onnx')).href,
      bytes,
      bytes.buffer,
      new Blob([bytes]),
      new File([bytes], 'sae.onnx'),
      `data:application/octet-stream;base64,${Buffer.from(bytes).toString('base64')}`,
    ];
    for (const source of sources) {
      for (const worker of source instanceof URL || source instanceof File ? [false, true] : [false]) {
        await using sae = await loadSae(source, { worker });
        expect(sae.dSae).to.equal(16);
      }
    }
  });

  it('describes any model', async () => {
    const description = await inspectModel(path('sae.onnx'));
    expect(description.producer).to.match(/^pytorch 2/);
    expect(description.opsets).to.deep.equal({ 'ai.onnx': 17 });
    expect(description.inputs).to.deep.equal([{ name: 'input', type: 'float32', shape: ['n', 6] }]);
    expect(description.outputs.map(({ name }) => name)).to.deep.equal(['recon', 'latents']);
    expect(description.parameterCount).to.equal(16 * 6 + 16 + 6 * 16 + 6);
    expect(description.operators).to.deep.equal({ Sub: 1, Gemm: 2, Relu: 1 });
    expect((await inspectModel(path('sae-float16.onnx'))).initializers[0]!.type).to.equal('float16');
  });
});
