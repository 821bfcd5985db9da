/** Text as data: tokens, padding, windows sorted by length, what is refused. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { FileFormatError } from '../../src/errors.ts';
import { openHost, textData } from '../../src/host/index.ts';
import type { TensorDescription } from '../../src/onnx/inspect.ts';

const LANGUAGE_MODEL = new URL('language-model/model.onnx', import.meta.url).pathname;
const TOKENS: TensorDescription = { name: 'input_ids', type: 'int64', shape: ['batch', 'seq'] };
const MASK: TensorDescription = { name: 'attention_mask', type: 'int64', shape: ['batch', 'seq'] };

const words = ['<pad>', '<s>', 'a', 'cat', 'sat', 'on', 'the', 'mat', 'dog', 'ran', 'far'];
const tokenizer = {
  version: '1.0',
  added_tokens: ['<pad>', '<s>'].map((content, id) => ({
    id,
    content,
    special: true,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  })),
  normalizer: null,
  pre_tokenizer: { type: 'Whitespace' },
  post_processor: {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [],
    special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
  },
  decoder: null,
  model: { type: 'WordLevel', vocab: Object.fromEntries(words.map((word, i) => [word, i])), unk_token: '<pad>' },
};
const TEXTS = ['the cat sat on the mat', 'a dog', 'a dog ran far on the mat', 'cat', 'the dog sat'];

describe('text for a host', () => {
  let folder: string;
  let files: { file: string; tokenizer: string };
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'text-'));
    files = { file: join(folder, 'texts.jsonl'), tokenizer: join(folder, 'tokenizer.json') };
    writeFileSync(files.tokenizer, JSON.stringify(tokenizer));
    writeFileSync(files.file, TEXTS.map(text => JSON.stringify({ text })).join('\n'));
  });
  after(() => rmSync(folder, { recursive: true }));

  const sequences = async (inputs: TensorDescription[], options = {}, batchSize = 2, from = 0) => {
    const data = await textData(inputs, { ...files, ...options });
    const found = new Map<number, number[]>();
    const shapes: number[][] = [];
    for await (const { samples, tokens, mask, inputs: fed } of data.batches({ batchSize, from })) {
      const [rows, length] = fed['input_ids']!.shape as [number, number];
      shapes.push([rows, length]);
      for (let row = 0; row < rows; row++) {
        const kept = Array.from(tokens!.slice(row * length, (row + 1) * length)).filter(
          (_, i) => mask![row * length + i],
        );
        found.set(samples[row]!, kept);
      }
    }
    return { found, shapes, data };
  };
  const idsOf = (text: string) => [1, ...text.split(' ').map(word => words.indexOf(word))];

  it('becomes tokens of every text, padded among others of like length', async () => {
    const { found, shapes, data } = await sequences([TOKENS, MASK]);
    expect([...found.keys()].sort()).to.deep.equal([0, 1, 2, 3, 4]);
    TEXTS.forEach((text, i) => {
      expect(found.get(i), text).to.deep.equal(idsOf(text));
    });
    // Sorted by length: 2, 3 | 4, 7 | 8 tokens.
    expect(shapes).to.deep.equal([
      [2, 3],
      [2, 7],
      [1, 8],
    ]);
    expect([...data.specialTokens]).to.deep.equal([0, 1]);
    expect(data.decode(3)).to.equal('cat');
  });

  it('is batched by equal length where the model has no mask', async () => {
    const { shapes, found } = await sequences([TOKENS], {}, 4);
    expect(shapes).to.deep.equal([
      [1, 2],
      [1, 3],
      [1, 4],
      [1, 7],
      [1, 8],
    ]);
    expect(found.size).to.equal(5);
  });

  it('is cut into sequences of the context', async () => {
    const { found } = await sequences([TOKENS, MASK], { contextSize: 3 });
    expect([...found.values()].flat()).to.have.length(TEXTS.flatMap(idsOf).length);
    expect(Math.max(...[...found.values()].map(ids => ids.length))).to.equal(3);
  });

  it('runs through a model, special tokens left out', async () => {
    await using host = await openHost(LANGUAGE_MODEL);
    const data = await textData(host.inputs, files);
    const rows = await host.activations(data, {
      tensor: '/b0/Add_3_output_0',
      batchSize: 2,
      dropTokens: data.specialTokens,
    });
    expect(rows.shape[0]).to.equal(TEXTS.flatMap(text => text.split(' ')).length);
    expect([...rows.tokens!]).not.to.include(1);
    // Alone, without padding, the same rows.
    const alone = await host.activations(
      { input_ids: { data: idsOf(TEXTS[3]!), shape: [1, 2] } },
      { tensor: '/b0/Add_3_output_0' },
    );
    const at = rows.samples.indexOf(3) * 24;
    for (let i = 0; i < 24; i++) expect(rows.data[at + i]).to.be.closeTo(alone.data[24 + i]!, 1e-5);
  });

  it('is refused with the line where it is not what was said', async () => {
    const bad = join(folder, 'bad.jsonl');
    writeFileSync(bad, '{"text": "a cat"}\n{"words": "a dog"}\n');
    const data = await textData([TOKENS, MASK], { ...files, file: bad });
    const reading = (async () => {
      for await (const _ of data.batches({ batchSize: 2 }));
    })();
    expect(await reading.catch((error: Error) => error))
      .to.be.instanceOf(FileFormatError)
      .with.property('message')
      .that.includes('line 2');
    const missing = await textData([TOKENS], { ...files, tokenizer: join(folder, 'none.json') }).catch(
      (error: Error) => error,
    );
    expect(missing).to.be.instanceOf(FileFormatError);
  });
});
