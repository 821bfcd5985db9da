/** Texts of tokens from tokenizer.json files of three kinds, as their decoders write them. */
import { expect } from 'chai';
import { readTokenTexts } from '../../src/features/token-table.ts';

const read = (tokenizer: object) => readTokenTexts(JSON.stringify(tokenizer), 'tokenizer.json');

describe('token texts', () => {
  it('of byte-level vocabularies: spaces, line ends, characters of several bytes and parts of them', () => {
    const vocab = { the: 0, Ġthe: 1, Ċ: 2, 'Ã©': 3, Ġâ: 4, 'âĤ¬': 5, 'Ĥ¬': 6, ĉ: 7 };
    const added_tokens = [{ id: 9, content: '<|endoftext|>' }];
    for (const part of [
      { decoder: { type: 'ByteLevel' } },
      { pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'ByteLevel' }] } },
    ]) {
      expect(read({ model: { type: 'BPE', vocab }, added_tokens, ...part })).to.deep.equal([
        'the',
        ' the',
        '\n',
        'é',
        ' <0xE2>',
        '€',
        '<0x82><0xAC>',
        '\t',
        '',
        '<|endoftext|>',
      ]);
    }
  });

  it('of SentencePiece vocabularies, as BPE and as Unigram', () => {
    const decoder = { type: 'Sequence', decoders: [{ type: 'Replace' }, { type: 'ByteFallback' }] };
    const expected = ['<unk>', '<0xF0>', '\n', ' hello', 'lo'];
    const tokens = ['<unk>', '<0xF0>', '<0x0A>', '▁hello', 'lo'];
    const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
    expect(read({ model: { type: 'BPE', vocab }, decoder })).to.deep.equal(expected);
    expect(read({ model: { type: 'Unigram', vocab: tokens.map(token => [token, -1]) }, decoder })).to.deep.equal(
      expected,
    );
  });

  it('of WordPiece vocabularies', () => {
    expect(read({ model: { type: 'WordPiece', vocab: { '[CLS]': 0, play: 1, '##ing': 2, '.': 3 } } })).to.deep.equal([
      '[CLS]',
      ' play',
      'ing',
      '.',
    ]);
  });

  it('refuses what is no tokenizer', () => {
    for (const text of ['{', '[]', '{"model": {}}', 'null', '{"model": {"vocab": {"a": 1e12}}}']) {
      expect(() => readTokenTexts(text, 'tokenizer.json'), text)
        .to.throw(/^tokenizer\.json: /)
        .with.property('name', 'FileFormatError');
    }
  });
});
