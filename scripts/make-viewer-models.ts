/**
 * Rebuilds the models that the viewer ships with (viewer/public/models): the star and, on its activations, the same autoencoder
 * from sixteen seeds, of which the story shows one that found every direction and one that collapsed; the star's kin at other sparsities;
 * and a larger pair whose plane is a projection. Takes about two minutes on two cores; the same seeds give the same models.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { importanceDecayByRatio } from '../src/data/schedules.ts';
import { sparseFeatures } from '../src/data/sparse-features.ts';
import { toyModelActivations } from '../src/data/toy-model-activations.ts';
import { createEngine } from '../src/engines/create-engine.ts';
import type { Engine } from '../src/engines/engine.ts';
import { type History, historyFile, sha256 } from '../src/experiments/run-files.ts';
import { heldOutActivations, scoreSae } from '../src/experiments/sae-run.ts';
import { writeFileAtomic } from '../src/files/write-atomic.ts';
import type { Initialisation } from '../src/models/initialisation.ts';
import { type HostTensor, toNested } from '../src/tensor.ts';
import { trainSaes, trainToyModel } from '../src/training/node.ts';
import { snapshotSteps } from '../src/training/snapshot-steps.ts';

const FOLDER = new URL('../viewer/public/models/', import.meta.url).pathname;
const SAE_BATCH = 2048;
const TOY_BATCH = 1024;
/** Frames of a run in the seed strip. */
const STRIP_FRAMES = 20;

interface Toy {
  readonly onnx: Uint8Array;
  readonly hash: string;
  readonly weight: HostTensor;
  readonly history: History;
  readonly sparsity: number;
}

interface ToySettings {
  readonly nFeatures: number;
  readonly nHidden: number;
  readonly sparsity: number;
  readonly importance: number;
  readonly restarts: number;
  readonly steps: number;
  readonly seed: number;
}

/** The restart of lowest loss, with its history. */
async function makeToy(engine: Engine, settings: ToySettings): Promise<Toy> {
  const { nFeatures, nHidden, sparsity, restarts, steps, seed } = settings;
  const importance = importanceDecayByRatio(nFeatures, settings.importance);
  const {
    model,
    loss,
    best,
    history,
    engine: ran,
  } = await trainToyModel(
    { data: sparseFeatures({ nFeatures, sparsity }), nHidden, restarts, importance, batchSize: TOY_BATCH, steps, seed },
    { engine, snapshotAt: snapshotSteps(steps) },
  );
  const onnx = model.toOnnx({
    seed,
    data: { kind: 'sparse', sparsity, importance_ratio: settings.importance },
    steps,
    batch: TOY_BATCH,
    optimizer: 'adamw',
    engine: `${ran.engine} (${ran.provider})`,
    restarts,
    kept: best,
    metrics: { end: { loss } },
  });
  // A toy model's bias is of its features: it has no place in the plane.
  const { b_dec: _, ...shown } = historyFile(history);
  return { onnx, hash: sha256(onnx), weight: model.featureDirections(), history: shown, sparsity };
}

interface SaeSettings {
  readonly dSae: number;
  readonly k: number;
  readonly init: Initialisation;
  readonly steps: number;
  readonly seeds: readonly number[];
}

/** The star: five features in two dimensions. */
const STAR: ToySettings = {
  nFeatures: 5,
  nHidden: 2,
  sparsity: 0.9,
  importance: 0.9,
  restarts: 16,
  steps: 10_000,
  seed: 0,
};

interface Sae {
  readonly seed: number;
  readonly onnx: Uint8Array;
  readonly history: History;
  readonly recovered: number;
}

/** The same autoencoder from each of the seeds. */
async function makeSaes(engine: Engine, toy: Toy, { dSae, k, init, steps, seeds }: SaeSettings): Promise<Sae[]> {
  const nFeatures = toy.weight.shape[0]!;
  const data = toyModelActivations(toy.weight, sparseFeatures({ nFeatures, sparsity: toy.sparsity }));
  const heldOut = await heldOutActivations(data, { seed: 0, batchSize: SAE_BATCH });
  const trained = await trainSaes(
    {
      data,
      dSae,
      activation: { kind: 'topk', k },
      start: { directions: init },
      batchSize: SAE_BATCH,
      steps,
      sampleSeed: 0,
      vary: seeds.map(seed => ({ seed })),
    },
    { engine, snapshotAt: snapshotSteps(steps) },
  );
  return trained.map(({ sae, history, engine: ran }, i): Sae => {
    const seed = seeds[i]!;
    const { recovered } = scoreSae(sae, toy.weight, heldOut);
    const training = {
      seed,
      data: { kind: 'sparse', sparsity: toy.sparsity },
      steps,
      batch: SAE_BATCH,
      optimizer: 'adam',
      engine: `${ran.engine} (${ran.provider})`,
      metrics: { end: { loss: history.loss.at(-1), recovered } },
    };
    return { seed, onnx: sae.toOnnx({ training, trainedOn: toy.hash }), history: historyFile(history), recovered };
  });
}

/** Sparsities of the first scene: dense data, where two features win, to data so sparse that five share the plane. */
const SWEEP = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.88, 0.91, 0.94, 0.97];

/** `rows` turned, and mirrored where that is nearer, as a whole, so that they lie nearest to `target`: a toy model's plane has no up. */
function turnedTowards(rows: number[][], target: readonly (readonly number[])[]): number[][] {
  const candidates = [1, -1].map(mirror => {
    const flipped = rows.map(([x, y]) => [x!, mirror * y!]);
    const dot = flipped.reduce((sum, [x, y], i) => sum + x! * target[i]![0]! + y! * target[i]![1]!, 0);
    const cross = flipped.reduce((sum, [x, y], i) => sum + x! * target[i]![1]! - y! * target[i]![0]!, 0);
    const angle = Math.atan2(cross, dot);
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    return { fit: Math.hypot(dot, cross), rows: flipped.map(([x, y]) => [c * x! - s * y!, s * x! + c * y!]) };
  });
  return candidates.sort((a, b) => b.fit - a.fit)[0]!.rows;
}

/** Toy models of five features in two dimensions over sparsity, the lowest loss of sixteen restarts each. */
async function makeSweep(engine: Engine, star: Toy) {
  const importance = Array.from({ length: 5 }, (_, i) => 0.9 ** i);
  const directions: number[][][] = [];
  const loss: number[] = [];
  let target = (toNested(star.weight) as number[][]).map(row => [...row]);
  // From sparse to dense, so that the last scene's star is where the first scene's slider ends.
  for (const sparsity of SWEEP.toReversed()) {
    const made = await makeToy(engine, { ...STAR, sparsity, steps: 6_000 });
    target = turnedTowards(toNested(made.weight) as number[][], target);
    directions.unshift(target.map(row => row.map(value => Math.round(value * 1e4) / 1e4)));
    loss.unshift(made.history.loss.slice(-3).reduce((sum, value) => sum + value / 3, 0));
  }
  return { sparsities: SWEEP, importance, directions, loss };
}

/** Every few frames of a history, the first and the last among them. */
function thinned({ steps, loss, directions, b_dec }: History): History {
  const stride = Math.ceil((steps.length - 1) / (STRIP_FRAMES - 1));
  const keep = <T>(values: readonly T[]): T[] =>
    values.filter((_, i) => (values.length - 1 - i) % stride === 0 || i === 0);
  return { steps: keep(steps), loss: keep(loss), directions: keep(directions), ...(b_dec && { b_dec: keep(b_dec) }) };
}

const write = (name: string, content: Uint8Array | unknown): Promise<void> =>
  writeFileAtomic(join(FOLDER, name), content instanceof Uint8Array ? content : `${JSON.stringify(content)}\n`);

const engine = await createEngine({ engine: 'onnxruntime' });
await mkdir(FOLDER, { recursive: true });
for (const name of await readdir(FOLDER)) await rm(join(FOLDER, name));

console.log('the star: 5 features in 2 dimensions');
const star = await makeToy(engine, STAR);
console.log(`the same at ${SWEEP.length} sparsities`);
const sweep = await makeSweep(engine, star);
console.log('sixteen autoencoders on it');
const seeds = Array.from({ length: 16 }, (_, seed) => seed);
const saes = await makeSaes(engine, star, { dSae: 5, k: 1, init: 'gaussian', steps: 10_000, seeds });
const byFound = saes.toSorted((a, b) => b.recovered - a.recovered || a.seed - b.seed);
const [found, collapsed] = [byFound[0]!, byFound.at(-1)!];
console.log(`recovered by seed: ${saes.map(({ recovered }) => recovered).join(' ')}`);
console.log('a larger pair: 20 features in 6 dimensions');
const large = await makeToy(engine, {
  nFeatures: 20,
  nHidden: 6,
  sparsity: 0.95,
  importance: 0.97,
  restarts: 4,
  steps: 10_000,
  seed: 0,
});
const [wide] = await makeSaes(engine, large, { dSae: 24, k: 1, init: 'spread', steps: 6_000, seeds: [0] });
console.log(`recovered ${wide!.recovered} of 20`);

const entries = [
  { id: 'star', name: 'Star: 5 features in 2 dimensions', kind: 'toy-model', onnx: star.onnx, history: star.history },
  {
    id: 'sae-found',
    name: `SAE of seed ${found.seed}: found every direction`,
    kind: 'sparse-autoencoder',
    onnx: found.onnx,
    history: found.history,
  },
  {
    id: 'sae-collapsed',
    name: `SAE of seed ${collapsed.seed}: collapsed`,
    kind: 'sparse-autoencoder',
    onnx: collapsed.onnx,
    history: collapsed.history,
  },
  { id: 'toy-20-6', name: '20 features in 6 dimensions', kind: 'toy-model', onnx: large.onnx, history: large.history },
  {
    id: 'sae-20-6',
    name: 'SAE with 24 latents on 20 in 6',
    kind: 'sparse-autoencoder',
    onnx: wide!.onnx,
    history: wide!.history,
  },
];
for (const { id, onnx, history } of entries) {
  await write(`${id}.onnx`, onnx);
  await write(`${id}.history.json`, history);
}
for (const { seed, onnx } of saes) await write(`seed-${seed}.onnx`, onnx);
await write('models.json', {
  models: entries.map(({ id, name, kind }) => ({ id, name, kind, file: `${id}.onnx`, history: `${id}.history.json` })),
  story: { toy: 'star', found: 'sae-found', collapsed: 'sae-collapsed' },
  sweep,
  seeds: {
    toy: 'star',
    runs: saes.map(({ seed, history }) => ({
      name: `seed ${seed}`,
      file: `seed-${seed}.onnx`,
      history: thinned(history),
    })),
  },
});
