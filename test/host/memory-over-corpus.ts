/**
 * What is alive while a corpus is worked through, measured in a process of its own: beside a test suite's memory every collection takes seconds, and what the
 * neighbours free or take is counted. Prints the bytes alive at each of eight parts of the work as JSON: `memory-over-corpus.ts written|trained|counted`.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRandomSource } from '../../src/data/random-source.ts';
import { buildFeatureBundle, openHostRows } from '../../src/features/node.ts';
import { modelActivations, openHost, textData, writeActivations } from '../../src/host/index.ts';

const pathOf = (name: string) => fileURLToPath(new URL(`language-model/${name}`, import.meta.url));
const TENSOR = '/b0/Add_3_output_0';
const TEXTS = 12_000;

/** Bytes alive: of the heap, and of buffers beside it. Node runs with --expose-gc. */
function alive(): number {
  globalThis.gc!();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const seen: number[] = [];
/** Looks at each ninth of `total`. */
function look(done: number, total: number): void {
  if (done >= ((seen.length + 1) * total) / 9) seen.push(alive());
}

const folder = mkdtempSync(join(tmpdir(), 'memory-'));
try {
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
  await using host = await openHost(pathOf('model.onnx'));
  const data = await textData(host.inputs, { file, tokenizer });

  const work: Readonly<Record<string, () => Promise<unknown>>> = {
    written: () =>
      writeActivations(host, data, {
        tensor: TENSOR,
        output: join(folder, 'acts.npy'),
        dropNormAbove: 10,
        onProgress: ({ samples }) => look(samples, TEXTS),
      }),
    async trained() {
      const source = modelActivations(host, { tensor: TENSOR, data, shuffleBuffer: 4096 });
      await using stream = await source.open({ seed: 0, batchSize: 512, holdOut: 0.05 });
      const batches = 200;
      const input = new Float32Array(512 * stream.width);
      for (let batch = 1; batch <= batches; batch++) {
        await stream.batches.fill({ activations: input }, 1);
        look(batch, batches);
      }
    },
    counted: async () =>
      buildFeatureBundle({
        sae: pathOf('sae.onnx'),
        rows: await openHostRows(host, data, { tensor: TENSOR }),
        out: join(folder, 'pages'),
        load: { worker: false },
        sampleRows: 1000,
        onProgress: ({ stage, done }) => {
          if (stage === 'rows') look(done, TEXTS * 9.5);
        },
      }),
  };
  await work[process.argv[2]!]!();
} finally {
  rmSync(folder, { recursive: true });
}
console.log(JSON.stringify(seen));
