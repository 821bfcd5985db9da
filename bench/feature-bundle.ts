/**
 * npm run bench:features [-- --help]: rows a second of `buildFeatureBundle`, by stage. Two slices of different length are built from
 * activations on disk; what the longer one takes more is the cost of a row, the rest is paid once. From both follows the time of a million
 * rows. Beside wall-clock time stands the processor time of the whole process, which does not depend on what else runs.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { positiveInteger } from '../src/cli/options.ts';
import { createRandomSource } from '../src/data/random-source.ts';
import { frozenSaeToOnnx } from '../src/export/frozen-sae-onnx.ts';
import { buildFeatureBundle } from '../src/features/build-bundle.ts';
import { openFileRows } from '../src/features/file-rows.ts';
import { writeNpy } from '../src/files/npy.ts';

interface Options {
  readonly dIn: number;
  readonly dSae: number;
  readonly k: number;
  readonly rows: number;
}

const { dIn, dSae, k, rows } = new Command('npm run bench:features --')
  .description('Rows a second of buildFeatureBundle, by stage.')
  .option('--d-in <n>', 'width of the rows', positiveInteger, 512)
  .option('--d-sae <n>', 'latents', positiveInteger, 16_384)
  .option('--k <n>', 'active latents of a row', positiveInteger, 32)
  .option('--rows <n>', 'rows of the longer slice; the other has a third', positiveInteger, 60_000)
  .parse()
  .opts<Options>();

const random = createRandomSource(0);
const normals = (count: number, scale: number) => Float32Array.from({ length: count }, () => scale * random.normal());

const folder = await mkdtemp(join(tmpdir(), 'monosemantic-bench-'));
try {
  const decoder = normals(dSae * dIn, dIn ** -0.5);
  const encoder = new Float32Array(dIn * dSae);
  for (let latent = 0; latent < dSae; latent++) {
    for (let i = 0; i < dIn; i++) encoder[i * dSae + latent] = decoder[latent * dIn + i]!;
  }
  const sae = join(folder, 'sae.onnx');
  await writeFile(
    sae,
    frozenSaeToOnnx({
      architecture: 'topk',
      dIn,
      dSae,
      dOut: dIn,
      k,
      applyBDecToInput: true,
      normalizeActivations: 'none',
      transcoder: false,
      weights: {
        W_enc: { data: encoder, shape: [dIn, dSae] },
        b_enc: { data: new Float32Array(dSae), shape: [dSae] },
        W_dec: { data: decoder, shape: [dSae, dIn] },
        b_dec: { data: new Float32Array(dIn), shape: [dIn] },
      },
    }),
  );

  /** Builds a bundle over `count` rows, and gives its seconds on the clock and of the processor. */
  async function build(count: number) {
    const at = (name: string) => join(folder, name);
    const activations = normals(count * dIn, 1);
    await writeFile(at('acts.npy'), writeNpy({ data: activations, shape: [count, dIn] }));
    const pairs = Int32Array.from({ length: 2 * count }, (_, i) => (i % 2 ? (i >> 1) % 128 : Math.floor(i / 256)));
    await writeFile(at('positions.npy'), writeNpy({ data: pairs, shape: [count, 2], type: 'int32' }));
    const tokens = Int32Array.from({ length: count }, () => random.integer(50_000));
    await writeFile(at('tokens.npy'), writeNpy({ data: tokens, shape: [count], type: 'int32' }));
    const source = await openFileRows({
      activations: at('acts.npy'),
      tokens: at('tokens.npy'),
      positions: at('positions.npy'),
    });
    const used = process.cpuUsage();
    const started = performance.now();
    const { seconds } = await buildFeatureBundle({ sae, rows: source, out: at('pages'), overwrite: true });
    const wall = (performance.now() - started) / 1000;
    const { user, system } = process.cpuUsage(used);
    await source.close();
    return { wall, processor: (user + system) / 1e6, seconds, memory: process.memoryUsage().rss / 2 ** 20 };
  }

  const short = await build(Math.floor(rows / 3));
  const long = await build(rows);
  const more = rows - Math.floor(rows / 3);
  const perMillion = (a: number, b: number) => a + ((b - a) / more) * (1e6 - Math.floor(rows / 3));
  console.log(`${cpus()[0]?.model}, ${availableParallelism()} cores, load ${loadavg()[0]!.toFixed(1)}`);
  console.log(`d_in ${dIn}, d_sae ${dSae}, TopK ${k}; slices of ${Math.floor(rows / 3)} and ${rows} rows\n`);
  console.log('stage (calling thread)   seconds   rows/s');
  for (const [stage, seconds] of Object.entries(long.seconds)) {
    const rate = ((more / (seconds - (short.seconds[stage] ?? 0))) | 0).toLocaleString('en');
    const isPerRow = !['opening', 'nearest', 'logits', 'rules', 'writing'].includes(stage);
    console.log(`${stage.padEnd(22)} ${seconds.toFixed(2).padStart(9)} ${(isPerRow ? rate : 'once').padStart(8)}`);
  }
  console.log(
    `\nwall ${long.wall.toFixed(1)} s, processor ${long.processor.toFixed(1)} s, ${long.memory.toFixed(0)} MiB`,
  );
  console.log(
    `a million rows: ${perMillion(short.wall, long.wall).toFixed(0)} s of the wall here, ` +
      `${perMillion(short.processor, long.processor).toFixed(0)} s of the processor`,
  );
} finally {
  await rm(folder, { recursive: true });
}
