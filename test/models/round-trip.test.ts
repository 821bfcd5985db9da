/** Every kind of model, trained, frozen to a file, loaded again by name alone: the same numbers, and what the contract promises. */
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { loadSae, loadToyModel } from '../../src/inference/node.ts';
import { decoderParameter } from '../../src/models/decoder.ts';
import { SparseAutoencoder } from '../../src/models/sparse-autoencoder.ts';
import type { ModelMetadata } from '../../src/onnx/metadata.ts';
import { onnx } from '../../src/onnx/proto.ts';
import type { HostTensor, HostTensors } from '../../src/tensor.ts';
import { expectClose, normals, rowNorms } from './tensors.ts';
import { type TrainedModel, trainedModels } from './trained-models.ts';

/** All that a loaded model gives for `input`. */
async function load({ bytes, model }: TrainedModel, input: HostTensor) {
  if (model instanceof SparseAutoencoder) {
    await using loaded = await loadSae(bytes, { provider: 'cpu' });
    const { features, reconstruction } = await loaded.forward(input);
    const results: HostTensors = { features, reconstruction };
    expectClose(await loaded.encode(input), features, 0);
    expectClose(await loaded.decode(features), reconstruction);
    return { results, directions: await loaded.featureDirections(), metadata: loaded.metadata };
  }
  await using loaded = await loadToyModel(bytes, { provider: 'cpu' });
  const { hidden, reconstruction } = await loaded.forward(input);
  const results: HostTensors = { hidden, reconstruction };
  expectClose(await loaded.decode(hidden), reconstruction);
  return { results, directions: await loaded.featureDirections(), metadata: loaded.metadata };
}

function expectMetadata(
  { kind, featureDirections, config, trainedOn, properties }: ModelMetadata,
  trained: TrainedModel,
): void {
  const { model } = trained;
  expect(properties['monosemantic.schema']).to.equal('1');
  expect(kind).to.equal(model instanceof SparseAutoencoder ? 'sparse-autoencoder' : model.kind);
  expect(config!['training']).to.deep.equal({ seed: 1, steps: 30 });
  if (!(model instanceof SparseAutoencoder)) {
    expect(featureDirections).to.equal('weight');
    expect(config).to.include({ n_features: 5, n_hidden: 2 });
    return;
  }
  const { activation, decoder } = model.config;
  expect(featureDirections).to.equal('W_dec');
  expect(trainedOn).to.equal('a'.repeat(64));
  const architecture = {
    relu: 'standard',
    topk: 'topk',
    batchtopk: 'jumprelu',
    jumprelu: 'jumprelu',
    gated: 'gated',
    matryoshka: 'jumprelu',
  }[activation.kind];
  expect(config).to.include({ d_in: 4, d_sae: 12, architecture, decoder, init: 'gaussian' });
  if (activation.kind === 'topk') expect(config!['k']).to.equal(3);
}

describe('trained models, frozen and loaded again', () => {
  let models: TrainedModel[];

  before(async () => {
    await tf.setBackend('cpu');
    models = await trainedModels();
  });

  it('compute what they did, and have their directions and metadata', async () => {
    expect(models).to.have.length(26);
    for (const trained of models) {
      for (const lead of [[1], [7], [1000], [2, 3], []]) {
        const input = normals([...lead, ...trained.sampleShape], 9);
        const { results, directions, metadata } = await load(trained, input);
        const expected = trained.forward(input);
        expect(Object.keys(results)).to.have.members(Object.keys(expected));
        for (const [name, value] of Object.entries(expected)) expectClose(results[name], value);
        expectClose(directions, trained.model.featureDirections(), 0);
        expectMetadata(metadata, trained);
      }
    }
  });

  it('keep the contract: inputs, outputs, initializers, versions', () => {
    for (const { bytes, model, inputName, sampleShape } of models) {
      const proto = onnx.ModelProto.decode(bytes);
      expect(Number(proto.irVersion)).to.equal(8);
      expect(proto.opsetImport.map(({ domain, version }) => [domain ?? '', Number(version)])).to.deep.equal([['', 17]]);
      const graph = proto.graph!;
      expect(graph.input!.map(({ name }) => name)).to.deep.equal([inputName]);
      const dimensions = graph.input![0]!.type!.tensorType!.shape!.dim!;
      expect(dimensions[0]!.dimParam).to.equal('batch');
      expect(dimensions.slice(1).map(({ dimValue }) => Number(dimValue))).to.deep.equal([...sampleShape]);
      const isSae = model instanceof SparseAutoencoder;
      const outputs = isSae ? ['reconstruction', 'features'] : ['reconstruction', 'hidden'];
      expect(graph.output!.map(({ name }) => name)).to.deep.equal(outputs);
      const initializers = graph.initializer!.map(({ name }) => name);
      const biases = isSae && model.config.activation.kind === 'gated' ? ['b_gate', 'r_mag', 'b_mag'] : ['b_enc'];
      expect(initializers).to.include.members(isSae ? ['W_enc', ...biases, 'W_dec', 'b_dec'] : ['weight', 'bias']);
    }
  });

  it('fold the norm of the decoder into W_dec, and take the threshold along', () => {
    for (const { bytes, model } of models) {
      if (!(model instanceof SparseAutoencoder)) continue;
      const initializers = onnx.ModelProto.decode(bytes).graph!.initializer!;
      const read = (name: string): HostTensor | undefined => {
        const tensor = initializers.find(candidate => candidate.name === name);
        if (!tensor) return undefined;
        const data = new Float32Array(Uint8Array.from(tensor.rawData!).buffer);
        return { data, shape: tensor.dims!.map(Number) };
      };
      const { decoder, activation } = model.config;
      const rows = read('W_dec')!;
      if (decoder !== 'free') for (const norm of rowNorms(rows)) expect(norm).to.be.closeTo(1, 1e-6);
      const own = model.state.parameters[decoderParameter(decoder)]!;
      if (decoder === 'reparametrise') expect(Math.max(...rowNorms(own))).to.be.above(1 + 1e-4);
      const chosen = new Float32Array(12).fill(model.state.buffers['threshold']?.data[0] ?? Number.NaN);
      const threshold = {
        relu: undefined,
        topk: undefined,
        gated: undefined,
        batchtopk: chosen,
        matryoshka: chosen,
        jumprelu: model.state.parameters['threshold']?.data,
      }[activation.kind];
      expect(read('threshold')?.data).to.deep.equal(threshold);
    }
  });
});
