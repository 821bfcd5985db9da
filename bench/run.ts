/**
 * npm run bench [-- --help]: everything that the README says about speed, in one run on one machine.
 *
 * With a Python that imports torch (and sae_lens) the same work runs there in turns with ours, and ratios are of medians. Fewer steps are
 * timed than an experiment takes; where the table names a whole script, its time is milliseconds a step times its steps.
 */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { cpus, loadavg, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, Option } from 'commander';
import { median as medianOf } from 'd3-array';
import { positiveInteger } from '../src/cli/options.ts';
import { createEngine } from '../src/engines/create-engine.ts';
import { writeFileAtomic } from '../src/files/write-atomic.ts';
import { plotScaling, type ScalingSeries, writeFigure } from '../src/plots/node.ts';
import { type HeldOutScore, scoreText } from './held-out-score.ts';
import { partShares } from './part-shares.ts';
import { measureSmallModels, SMALL_WORKS, type SmallMeasurement } from './small-models.ts';

const PARTS = ['small', 'sae', 'growth'] as const;

interface Options {
  readonly python?: string;
  readonly json?: string;
  readonly only: readonly (typeof PARTS)[number][];
  readonly rounds: number;
  readonly figures: string;
}

const options = new Command('npm run bench --')
  .description('Times what the README says about speed: small models, large autoencoders, and how time grows.')
  .option(
    '--python <program>',
    'a Python that imports torch, and sae_lens where it has it: runs the same work in turns with ours',
  )
  .option('--json <file>', 'all measurements')
  .addOption(new Option('--only <part...>', 'these alone').choices(PARTS).default(PARTS))
  .option('--rounds <n>', 'rounds of each measurement', positiveInteger, 3)
  .option('--figures <folder>', 'where the figures of `growth` go', 'docs/figures')
  .parse()
  .opts<Options>();

/** What bench/sae-step.ts writes. */
interface SaeStep {
  readonly work: {
    readonly dIn: number;
    readonly dSae: number;
    readonly batchSize: number;
    readonly kind: string;
    readonly steps: number;
  };
  readonly ms: readonly number[];
  readonly parts: Readonly<Record<string, number>>;
  readonly gemmGflops: number;
  readonly updateGBps: number;
  readonly peakMemoryMiB: number;
  readonly score: HeldOutScore;
  readonly others: readonly {
    readonly library: string;
    readonly version: string;
    readonly ms: readonly number[];
    readonly ratio: number;
    readonly score?: HeldOutScore;
  }[];
}

interface Row {
  readonly work: string;
  readonly ours: string;
  readonly others: string;
  readonly ratio: string;
  readonly detail: string;
}

/** The median; NaN where there are no values. */
function median(values: readonly number[]): number {
  return medianOf(values) ?? Number.NaN;
}

/** Runs bench/sae-step.ts in a process of its own, so that its peak memory is its own too. */
async function saeSteps(args: readonly string[], folder: string): Promise<readonly SaeStep[]> {
  const json = join(folder, 'sae-step.json');
  const script = fileURLToPath(new URL('sae-step.ts', import.meta.url));
  await new Promise<void>((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', script, '--json', json, ...args], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    child.on('error', reject);
    child.on('exit', code => (code === 0 ? resolve() : reject(new Error(`bench/sae-step.ts ended with ${code}`))));
  });
  return (JSON.parse(await readFile(json, 'utf8')) as { measurements: SaeStep[] }).measurements;
}

function milliseconds(value: number): string {
  return `${value.toFixed(value < 10 ? 3 : 1)} ms`;
}

function smallRow({ name, ms, shares, memoryGrowthMiB, eventDelay, pytorch }: SmallMeasurement): Row {
  const percent = (share: number): string => `${(100 * share).toFixed(0)}%`;
  return {
    work: name,
    ours: milliseconds(median(ms)),
    others: pytorch ? `PyTorch ${milliseconds(median(pytorch.ms))}` : '',
    ratio: pytorch ? `${(median(pytorch.ms) / median(ms)).toFixed(1)}×` : '',
    detail:
      `data ${percent(shares.data)}, step ${percent(shares.step)}, rest ${percent(shares.rest)}; ` +
      `memory ${memoryGrowthMiB >= 0 ? '+' : ''}${memoryGrowthMiB.toFixed(0)} MiB; events wait ${eventDelay.toFixed(1)} ms`,
  };
}

/** The seed's scripts, as thousands of steps of the works above. */
const SCRIPTS: Readonly<Record<string, Partial<Record<SmallMeasurement['name'], number>>>> = {
  "the seed's two scripts": { 'toy model': 10, SAE: 20 },
  "the seed's parallel script": { 'parallel toy models': 10 },
};

function scriptRows(small: readonly SmallMeasurement[]): Row[] {
  return Object.entries(SCRIPTS).flatMap(([work, parts]) => {
    const measured = small.filter(({ name }) => name in parts);
    if (measured.length < Object.keys(parts).length) return [];
    const ours = measured.reduce((sum, { name, ms }) => sum + parts[name]! * median(ms), 0);
    const theirs = measured.reduce((sum, { name, pytorch }) => sum + parts[name]! * median(pytorch?.ms ?? []), 0);
    const steps = measured.map(({ name }) => `${parts[name]},000 steps of ${name}`);
    return {
      work,
      ours: `${ours.toFixed(2)} s`,
      others: theirs ? `PyTorch ${theirs.toFixed(1)} s` : '',
      ratio: theirs ? `${(theirs / ours).toFixed(1)}×` : '',
      detail: `${steps.join(', ')}, scaled up from the rows above`,
    };
  });
}

/** Each time with what the autoencoder was worth after these steps. */
function saeRow({ work, ms, parts, gemmGflops, updateGBps, peakMemoryMiB, score, others }: SaeStep): Row {
  const cell = (all: readonly number[], worth: HeldOutScore | undefined): string =>
    `${milliseconds(median(all))} (${worth ? scoreText(worth) : 'not scored'})`;
  return {
    work: `${work.kind} ${work.dIn}/${work.dSae}, batch ${work.batchSize}, ${work.steps} steps`,
    ours: cell(ms, score),
    others: others.map(({ library, ms: all, score: worth }) => `${library} ${cell(all, worth)}`).join(', '),
    ratio: others.map(({ ratio }) => `${ratio.toFixed(1)}×`).join(', '),
    detail:
      `Gemm ${gemmGflops.toFixed(0)} GFLOP/s, update ${updateGBps.toFixed(1)} GB/s, ` +
      `${peakMemoryMiB.toFixed(0)} MiB; ${partShares(parts, ms)}`,
  };
}

function print(rows: readonly Row[]): void {
  const columns = ['work', 'ours', 'others', 'ratio', 'detail'] as const;
  const lines = rows.map(row => columns.map(column => row[column]));
  const widths = columns.map((column, i) => Math.max(column.length, ...lines.map(line => line[i]!.length)));
  for (const line of [columns, ...lines])
    console.log(
      line
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    );
}

/** Lines of time against a size: ours and the others'. */
function growthSeries(steps: readonly SaeStep[], size: (step: SaeStep) => number, label: string): ScalingSeries[] {
  const libraries = [...new Set(steps.flatMap(({ others }) => others.map(({ library }) => library)))];
  return [
    { name: `monosemantic, ${label}`, sizes: steps.map(size), milliseconds: steps.map(({ ms }) => median(ms)) },
    ...libraries.map(library => {
      const known = steps.filter(({ others }) => others.some(other => other.library === library));
      return {
        name: `${library}, ${label}`,
        sizes: known.map(size),
        milliseconds: known.map(({ others }) => median(others.find(other => other.library === library)!.ms)),
        dashed: true,
      };
    }),
  ];
}

const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  node: process.version,
  loadAtStart: loadavg()[0],
  platform: `${process.platform} ${process.arch}`,
};
console.log(
  `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.platform}, Node ${machine.node}\n`,
);
const [load] = loadavg();
if (load! > 1) console.log(`other programs are running (load ${load!.toFixed(1)}): ratios are uncertain\n`);
const folder = await mkdtemp(join(tmpdir(), 'monosemantic-bench-'));
const python = options.python === undefined ? [] : ['--python', options.python];
try {
  const rows: Row[] = [];
  let small: readonly SmallMeasurement[] = [];
  let sae: readonly SaeStep[] = [];
  const growth: { dSae: readonly SaeStep[]; batch: readonly SaeStep[] } = { dSae: [], batch: [] };
  if (options.only.includes('small')) {
    const engine = await createEngine({ engine: 'onnxruntime' });
    small = await measureSmallModels(SMALL_WORKS, engine, options.rounds, options.python);
    rows.push(...small.map(smallRow), ...scriptRows(small));
  }
  if (options.only.includes('sae')) {
    sae = await saeSteps(python, folder);
    rows.push(...sae.map(saeRow));
  }
  if (options.only.includes('growth')) {
    const common = ['--kinds', 'topk', '--steps', '10', ...python];
    growth.dSae = await saeSteps(['--sizes', '512x4096', '512x8192', '512x16384', '512x32768', ...common], folder);
    for (const batch of [256, 512, 1024, 2048, 4096]) {
      const measured = await saeSteps(['--sizes', '512x4096', '--batch', String(batch), ...common], folder);
      growth.batch = [...growth.batch, ...measured];
    }
    rows.push(...[...growth.dSae, ...growth.batch].map(saeRow));
    await mkdir(options.figures, { recursive: true });
    const subtitle = `TopK, d_in 512, k 32, Adam; ${machine.cpu}, ${machine.cores} cores`;
    const byWidth = growthSeries(growth.dSae, ({ work }) => work.dSae, 'batch 1024');
    const byBatch = growthSeries(growth.batch, ({ work }) => work.batchSize, 'd_sae 4096');
    await writeFigure(plotScaling(byWidth, { subtitle }), join(options.figures, 'scaling'));
    await writeFigure(
      plotScaling(byBatch, { subtitle, sizeLabel: 'batch size' }),
      join(options.figures, 'scaling-batch'),
    );
  }
  print(rows);
  const versions = [
    ...small.flatMap(({ pytorch }) => (pytorch ? [`PyTorch ${pytorch.version}`] : [])),
    ...sae.flatMap(({ others }) => others.map(({ library, version }) => `${library} ${version}`)),
  ];
  if (versions.length > 0) console.log(`\nbeside ${[...new Set(versions)].join(', ')}`);
  if (options.json) {
    await writeFileAtomic(options.json, `${JSON.stringify({ machine, small, sae, growth }, null, 2)}\n`);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
