import { expect } from 'chai';
import { FileFormatError } from '../../src/errors.ts';
import { METADATA_KEYS, parseMetadata } from '../../src/onnx/metadata.ts';

describe('onnx: metadata', () => {
  it('reads every entry of ours, and keeps the others', () => {
    const properties = {
      'monosemantic.schema': '1',
      'monosemantic.kind': 'sparse-autoencoder',
      'monosemantic.feature_directions': 'W_dec',
      'monosemantic.config': '{"architecture":"topk","k":8}',
      'monosemantic.trained_on': 'abc',
      'monosemantic.decoder_inputs': '["ln_mu","ln_std"]',
      author: 'somebody',
    };
    expect(parseMetadata(properties)).to.deep.equal({
      kind: 'sparse-autoencoder',
      featureDirections: 'W_dec',
      config: { architecture: 'topk', k: 8 },
      trainedOn: 'abc',
      decoderInputs: ['ln_mu', 'ln_std'],
      properties,
    });
    expect(parseMetadata({ author: 'somebody' })).to.deep.equal({
      decoderInputs: [],
      properties: { author: 'somebody' },
    });
  });

  const damaged: [string, string, string][] = [
    [METADATA_KEYS.schema, '2', "is '2'; this version reads schema 1"],
    [METADATA_KEYS.kind, 'hypernetwork', 'expected one of toy-model, parallel-toy-model, sparse-autoencoder'],
    [METADATA_KEYS.config, '{', 'is not JSON'],
    [METADATA_KEYS.config, '[1]', 'is not a JSON object'],
    [METADATA_KEYS.decoderInputs, '"ln_mu"', 'is not a JSON list of names'],
  ];
  for (const [key, text, words] of damaged) {
    it(`refuses ${key} = ${text}`, () => {
      expect(() => parseMetadata({ [key]: text }, 'a.onnx')).to.throw(FileFormatError, words);
    });
  }
});
