/**
 * The arm without a known truth: the residual stream of a language model. What can be asked there is whether another seed finds the same: 30% of 131k latents had a partner in
 * "Sparse Autoencoders Trained on the Same Data Learn Different Features" (Paulo and Belrose 2025, arXiv 2501.16615).
 */
import { ExplainedVariance } from '../../src/analysis/explained-variance.ts';
import { FiringDensity } from '../../src/analysis/firing-density.ts';
import { activationFiles } from '../../src/data/activation-files.ts';
import { frozenSaeToOnnx } from '../../src/export/frozen-sae-onnx.ts';
import { loadSae } from '../../src/inference/node.ts';
import { type HostTensor, rowNorms, rowsAt } from '../../src/tensor.ts';
import { trainSae } from '../../src/training/node.ts';
import { kept, keptResult } from '../tables/kept-results.ts';
import { meanOf, type TableReport } from '../tables/table.ts';
import { type FoundAgain, foundAgain, SMALL } from './run-cell.ts';

const STARTS = ['gaussian', 'small', 'spread', 'activations'] as const;
const WIDTHS = [1024, 4096] as const;
const [K, STEPS, BATCH, LEARNING_RATE, SEEDS] = [32, 1500, 1024, 0.001, 3];
/** Rows whose norm is above so many times the median are attention sinks. */
const DROP_NORM_ABOVE = 10;

interface Score {
  readonly ev: readonly number[];
  readonly dead: readonly number[];
  readonly rows: number;
  readonly again: FoundAgain;
}

interface LanguageModelCell {
  readonly dSae: number;
  readonly start: (typeof STARTS)[number];
}

async function scoreOf(file: string, { dSae, start }: LanguageModelCell): Promise<Score> {
  const data = activationFiles(file, { dropNormAbove: DROP_NORM_ABOVE });
  const rows = await heldOutOf(data);
  const [ev, dead, living]: [number[], number[], HostTensor[]] = [[], [], []];
  for (let seed = 0; seed < SEEDS; seed++) {
    const { sae } = await trainSae({
      data,
      dSae,
      activation: { kind: 'topk', k: K, auxK: false },
      steps: STEPS,
      batchSize: BATCH,
      learningRate: LEARNING_RATE,
      normalize: 'expected_average_only_in',
      schedules: { learningRate: { decay: 'linear', decaySteps: STEPS / 5 } },
      ...(start === 'small'
        ? { decoder: 'free', start: { directions: 'gaussian', decoderNorm: SMALL } }
        : { start: { directions: start } }),
      seed,
    });
    await using loaded = await loadSae(frozenSaeToOnnx(sae.freeze()), { provider: 'cpu' });
    const { features, reconstruction } = await loaded.forward(rows);
    const [variance, firing] = [new ExplainedVariance(), new FiringDensity()];
    variance.add(rows, reconstruction as HostTensor);
    firing.add(features as HostTensor);
    const { alive, dead: silent } = firing.compute();
    ev.push(variance.compute() ?? Number.NaN);
    dead.push(silent.length);
    living.push(
      rowsAt(
        sae.featureDirections(),
        alive.flatMap((is, i) => (is ? [i] : [])),
      ),
    );
  }
  return { ev, dead, rows: rows.shape[0]!, again: foundAgain(living) };
}

/** Rows that no training of seed 0 sees, without sinks. Other seeds hold out other rows: what is measured on these is not the loss of training alone. */
async function heldOutOf(data: ReturnType<typeof activationFiles>): Promise<HostTensor> {
  await using open = await data.open({ seed: 0, batchSize: BATCH });
  for await (const { input } of open.heldOut(5000, 5000)) {
    const norms = rowNorms(input);
    const median = [...norms].sort((a, b) => a - b)[Math.floor(norms.length / 2)]!;
    return rowsAt(
      input,
      [...norms.keys()].filter(row => norms[row]! <= DROP_NORM_ABOVE * median),
    );
  }
  throw new Error('no rows are held out');
}

/** Trains what is not kept until the time is over, and reports. */
export async function languageModel(file: string | undefined, out: string, until: number): Promise<TableReport> {
  const rows: string[][] = [];
  // The two that decide a default come first, at both widths.
  const cells = [STARTS.slice(0, 2), STARTS.slice(2)].flatMap(starts =>
    WIDTHS.flatMap(dSae => starts.map(start => ({ dSae, start }))),
  );
  let missing = 0;
  for (const cell of cells) {
    const name = `language-model-${cell.dSae}-${cell.start}`;
    const settings = { ...cell, K, STEPS, BATCH, LEARNING_RATE, SEEDS };
    const mayRun = file !== undefined && performance.now() < until;
    const score = await (mayRun
      ? kept(out, name, settings, () => scoreOf(file, cell))
      : keptResult<Score>(out, name, settings));
    if (!score) {
      missing++;
      continue;
    }
    const { ev, dead, again } = score;
    rows.push([
      String(cell.dSae),
      cell.start,
      meanOf(ev, 4),
      meanOf(dead, 0),
      `${(100 * again.above).toFixed(1)}%`,
      `${(100 * again.chance.above).toFixed(1)}%`,
      again.pwMcc.toFixed(3),
      again.chance.pwMcc.toFixed(3),
    ]);
  }
  return {
    title: 'A language model',
    setting:
      `SmolLM2-135M, residual stream after block 14 (the tensor /m/model/layers.14/Add_1_output_0, 576 wide) on 8,000 WordNet glosses: 121,104 rows, without those whose norm is above ${DROP_NORM_ABOVE} times the median (attention sinks); activations scaled to norm √d; ` +
      `TopK ${K}, ${STEPS.toLocaleString('en')} steps of ${BATCH.toLocaleString('en')} at ${LEARNING_RATE}, falling to 0 over the last fifth, no AuxK; seeds 0–${SEEDS - 1}, which differ in start and in the order of rows. Variance explained and silent latents on ` +
      'up to 5,000 rows without sinks that seed 0 does not train on. Partner: share of latents whose match in another seed, one to one, has |cosine| > .7 (decoder rows; only latents that fire).' +
      (missing > 0 ? ` ${missing} of ${cells.length} cells were not run.` : ''),
    header: ['latents', 'start', 'variance explained', 'silent', 'partner', 'by chance', 'PW-MCC', 'by chance'],
    rows,
    verdict:
      rows.length === 0
        ? 'Not run.'
        : `Published for 131,072 latents on Llama 3 8B: 30% shared. Here: ${rows.map(([width, start, , , partner]) => `${width} ${start} ${partner}`).join(', ')}.`,
  };
}
