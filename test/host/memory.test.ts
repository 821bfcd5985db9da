/** Memory stays flat over a corpus of any length: what is alive after every few thousand texts, while rows are written, trained on and counted. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { createRandomSource } from '../../src/data/random-source.ts';
import { buildFeatureBundle, openHostRows } from '../../src/features/node.ts';
import {
  type HostModel,
  modelActivations,
  openHost,
  type TextData,
  textData,
  writeActivations,
} from '../../src/host/index.ts';

const pathOf = (name: string) => fileURLToPath(new URL(`language-model/${name}`, import.meta.url));
const TENSOR = '/b0/Add_3_output_0';
const TEXTS = 12_000;
/** Rows of 24 float32, some 9.5 a text, take 11 MB: what holds on to them all is seen. */
const MOST_GROWTH = 3 * 2 ** 20;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes alive: of the heap, and of buffers beside it. */
function alive(): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

describe('memory over a corpus', function () {
  this.timeout(120_000);
  let folder: string;
  let host: HostModel;
  let data: TextData;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'memory-'));
    const vocab = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`w${i}`, i]));
    const [file, tokenizer] = [join(folder, 'corpus.txt'), join(folder, 'tokenizer.json')];
    writeFileSync(
      tokenizer,
      JSON.stringify({
        version: '1.0',
        added_tokens: [],
        normalizer: null,
        pre_tokenizer: { type: 'Whitespace' },
        post_processor: null,
        decoder: null,
        model: { type: 'WordLevel', vocab, unk_token: 'w0' },
      }),
    );
    const random = createRandomSource(0);
    const line = () => Array.from({ length: 5 + random.integer(10) }, () => `w${random.integer(12)}`).join(' ');
    writeFileSync(file, Array.from({ length: TEXTS }, line).join('\n'));
    host = await openHost(pathOf('model.onnx'));
    data = await textData(host.inputs, { file, tokenizer });
  });
  after(async () => {
    await host?.dispose();
    rmSync(folder, { recursive: true });
  });

  /** What is alive at each of eight parts of the work; the first half is warm-up. */
  function watch(total: number) {
    const seen: number[] = [];
    return {
      at(done: number) {
        if (done >= ((seen.length + 1) * total) / 9) seen.push(alive());
      },
      expectFlat() {
        expect(seen.length).to.be.at.least(8);
        expect(Math.max(...seen.slice(4)) - Math.max(...seen.slice(1, 4))).to.be.below(MOST_GROWTH);
      },
    };
  }

  it('while activations are written', async () => {
    const memory = watch(TEXTS);
    await writeActivations(host, data, {
      tensor: TENSOR,
      output: join(folder, 'acts.npy'),
      dropNormAbove: 10,
      onProgress: ({ samples }) => memory.at(samples),
    });
    memory.expectFlat();
  });

  it('while they are given to training', async () => {
    const source = modelActivations(host, { tensor: TENSOR, data, shuffleBuffer: 4096 });
    await using stream = await source.open({ seed: 0, batchSize: 512, holdOut: 0.05 });
    const batches = 200;
    const memory = watch(batches);
    const input = new Float32Array(512 * stream.width);
    for (let batch = 1; batch <= batches; batch++) {
      await stream.batches.fill({ activations: input }, 1);
      memory.at(batch);
    }
    memory.expectFlat();
  });

  it('while a bundle counts them', async () => {
    const rows = await openHostRows(host, data, { tensor: TENSOR });
    const memory = watch(TEXTS * 9.5);
    await buildFeatureBundle({
      sae: pathOf('sae.onnx'),
      rows,
      out: join(folder, 'pages'),
      load: { worker: false },
      sampleRows: 1000,
      onProgress: ({ stage, done }) => {
        if (stage === 'rows') memory.at(done);
      },
    });
    memory.expectFlat();
  });
});
