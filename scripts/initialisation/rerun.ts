/** One cell again, by PyTorch from what the page says: rerun.py beside ours, with draws of its own and with ours. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { recovery } from '../../src/analysis/recovery.ts';
import { studentInterval, studentQuantile } from '../../src/analysis/student-interval.ts';
import { generatedSource } from '../../src/data/generated-source.ts';
import { writeNpy } from '../../src/files/npy.ts';
import { writeFileAtomic } from '../../src/files/write-atomic.ts';
import { type HostTensor, hostTensor } from '../../src/tensor.ts';
import { trainSaes } from '../../src/training/node.ts';
import { KeptResults } from '../tables/kept-results.ts';
import { meanOf } from '../tables/table.ts';
import { type Cell, nameOf, PARTS, trainingOf } from './design.ts';
import type { Results } from './report.ts';
import { worldSettings } from './worlds.ts';

/** Starts that are done again; `truth` is another that the script knows. */
const AGAIN = ['gaussian'] as const;
/** Side by side in each run of the script, and the seeds of its runs. */
const SIDE_BY_SIDE = 4;
const SEEDS = Array.from({ length: 8 }, (_, i) => i + 1);

/** Steps of the trainings from the same start and with the same batches, and their seeds: a few steps, of which every parameter is compared, and the whole cell. */
const SAME = { few: 400, seeds: 4 } as const;
const PARAMETERS = ['V', 'W_enc', 'b_enc', 'b_dec'] as const;

interface Rerun {
  readonly found: readonly number[];
  readonly fvu: readonly number[];
  readonly dead: readonly number[];
}

/** What rerun.py prints for a request. */
function byPython<Result>(python: string, request: object): Result {
  const script = fileURLToPath(new URL('rerun.py', import.meta.url));
  const options = { encoding: 'utf8', maxBuffer: 2 ** 28 } as const;
  return JSON.parse(execFileSync(python, [script, JSON.stringify(request)], options)) as Result;
}

/** Ours and PyTorch after the same steps from the same start: the largest difference of any parameter, and the directions that the latents of each have found, dead ones too. */
interface Same {
  readonly difference: number;
  readonly ours: readonly number[];
  readonly theirs: readonly number[];
}

async function sameSteps(python: string, cell: Cell, steps: number): Promise<Same> {
  const { seeds } = SAME;
  const { dSae, batch } = cell;
  const { data, truth, threshold } = await worldSettings(cell.world).make();
  await using open = await data.open({ seed: 0, batchSize: batch });
  const rows = await open.sample(steps * batch);
  const again = generatedSource({
    description: { kind: 'the rows in turn' },
    width: rows.shape[1]!,
    generator: () => {
      let at = 0;
      return {
        fill(into) {
          into.set(rows.data.subarray(at, at + into.length));
          at += into.length;
        },
      };
    },
  });
  const results = await trainSaes({
    data: again,
    ...trainingOf(cell, steps),
    sampleSize: 10_000,
    vary: Array.from({ length: seeds }, (_, seed) => ({ seed, start: { directions: 'gaussian' } })),
  });
  const given = await mkdtemp(join(tmpdir(), 'monosemantic-rerun-'));
  try {
    await writeFileAtomic(join(given, 'rows.npy'), writeNpy(rows));
    for (const name of PARAMETERS) {
      const starts = results.map(({ start }) => start.state.parameters[name]!) as HostTensor[];
      const data = Float32Array.from(starts.flatMap(start => [...start.data]));
      await writeFileAtomic(join(given, `${name}.npy`), writeNpy(hostTensor(data, [seeds, ...starts[0]!.shape])));
    }
    const theirs = byPython<Record<string, number[]>>(python, { seeds, steps, given });
    let difference = 0;
    for (const name of PARAMETERS) {
      for (const [seed, { sae }] of results.entries()) {
        const own = sae.state.parameters[name] as HostTensor;
        for (const [i, value] of own.data.entries()) {
          difference = Math.max(difference, Math.abs(value - theirs[name]![seed * own.data.length + i]!));
        }
      }
    }
    const found = (directions: HostTensor): number =>
      recovery({ directions, trueDirections: truth, threshold }).recovered;
    const { shape } = truth;
    const size = dSae * shape[1]!;
    return {
      difference,
      ours: results.map(({ sae }) => found(sae.featureDirections())),
      theirs: results.map((_, seed) =>
        found(hostTensor(theirs['V']!.slice(seed * size, (seed + 1) * size), [dSae, shape[1]!])),
      ),
    };
  } finally {
    await rm(given, { recursive: true, force: true });
  }
}

/**
 * Whether the mean of others lies where that of as many further seeds of ours would, with 95%: both means are of seeds that were drawn, so that the
 * interval is √(1/n + 1/m) of the deviation wide, times Student's t, and not √(1/n).
 */
function againText(theirs: readonly number[], ours: readonly number[]): string {
  const { mean, deviation, n } = studentInterval(ours);
  const half = studentQuantile(0.95, n - 1) * deviation * Math.sqrt(1 / n + 1 / theirs.length);
  const other = studentInterval(theirs).mean;
  return (
    `Of ${theirs.length} other seeds of ours the mean would lie within ${mean.toFixed(1)} ± ${half.toFixed(1)} (95%): ` +
    `PyTorch’s, ${other.toFixed(1)}, ${Math.abs(other - mean) <= half ? 'does' : 'does not'}.`
  );
}

/** A table of PyTorch beside ours, and the results that it is made of. Runs what is not kept where there is a Python. */
export async function rerun(
  results: Results,
  out: string,
  python: string | undefined,
): Promise<{ readonly text: string; readonly results: string }> {
  const kept = new KeptResults(join(out, 'rerun.jsonl'));
  const lines: string[] = [];
  const sentences: string[] = [];
  for (const start of AGAIN) {
    const cell = PARTS['screen']!.find(
      cell => cell.start === start && cell.bias === 'trained' && cell.revival === 'none',
    )!;
    const ours = results.get(nameOf(cell))?.result.runs;
    const settings = { ...cell, seeds: SIDE_BY_SIDE };
    const run = async (seed: number): Promise<Rerun> => {
      const { truth, bias } = await worldSettings(cell.world).make();
      const [count, width] = truth.shape as [number, number];
      const file = join(out, 'rerun-truth.npy');
      await writeFileAtomic(file, writeNpy(hostTensor([...truth.data, ...bias.data], [count + 1, width])));
      return byPython(python!, { start, seeds: SIDE_BY_SIDE, seed, truth: file });
    };
    const runs: Rerun[] = [];
    for (const seed of SEEDS) {
      const name = `rerun-${start}-${seed}`;
      const done = await kept.keepIf(python !== undefined, name, settings, () => run(seed));
      if (done) runs.push(done);
    }
    const same = async (steps: number): Promise<Same | undefined> => {
      const [name, about] = [`rerun-${start}-same-${steps}`, { ...cell, ...SAME, steps }];
      return kept.keepIf(python !== undefined, name, about, () => sameSteps(python!, cell, steps));
    };
    const [few, whole] = [await same(SAME.few), await same(cell.steps)];
    if (few && whole) {
      sentences.push(
        `From the same start and with the same batches (${SAME.seeds} seeds) every parameter is within ${few.difference.toExponential(0)} of PyTorch’s after ${SAME.few} steps; after all ${cell.steps.toLocaleString('en')} ` +
          `PyTorch’s latents have found ${whole.theirs.join(', ')} of the directions and ours ${whole.ours.join(', ')}. What differs in the table are draws.`,
      );
    }
    if (!ours || runs.length === 0) continue;
    const theirs = {
      found: runs.flatMap(({ found }) => found),
      fvu: runs.flatMap(({ fvu }) => fvu),
      dead: runs.flatMap(({ dead }) => dead),
    };
    const row = (by: string, { found, fvu, dead }: Rerun): string =>
      `| ${start} | ${by} | ${found.length} | ${meanOf(found, 1)} (${Math.min(...found)}–${Math.max(...found)}) | ${meanOf(fvu, 4)} | ${meanOf(dead, 1)} |`;
    sentences.unshift(
      againText(
        theirs.found,
        ours.map(({ found }) => found),
      ),
    );
    lines.push(
      row('PyTorch', theirs),
      row('ours', {
        found: ours.map(({ found }) => found),
        fvu: ours.map(({ fvu }) => fvu),
        dead: ours.map(({ dead }) => dead),
      }),
    );
  }
  if (lines.length === 0) return { text: 'Not run.', results: '' };
  const text = [
    '| start | by | seeds | found of 100 (least–most) | FVU | dead |',
    '| --- | --- | --- | --- | --- | --- |',
    ...lines,
    ...sentences.flatMap(sentence => ['', sentence]),
  ].join('\n');
  return { text, results: kept.used };
}
