/** One cell again, by PyTorch from what the page says: rerun.py beside ours, with draws of its own and with ours. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generatedSource } from '../../src/data/generated-source.ts';
import { writeNpy } from '../../src/files/npy.ts';
import { writeFileAtomic } from '../../src/files/write-atomic.ts';
import { type HostTensor, hostTensor } from '../../src/tensor.ts';
import { trainSaes } from '../../src/training/node.ts';
import { kept, keptResult } from '../tables/kept-results.ts';
import { meanOf } from '../tables/table.ts';
import { activationOf, type Cell, nameOf, PARTS } from './design.ts';
import type { Results } from './report.ts';
import { worldSettings } from './worlds.ts';

/** Starts that are done again; `truth` is another that the script knows. */
const AGAIN = ['gaussian'] as const;
/** Side by side in each run of the script, and the seeds of its runs. */
const SIDE_BY_SIDE = 4;
const SEEDS = Array.from({ length: 8 }, (_, i) => i + 1);

/** Steps and seeds of the comparison from the same start and with the same batches. */
const SAME = { steps: 400, seeds: 3 } as const;
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

/** The largest difference of any parameter between ours and PyTorch after the same steps from the same start. */
async function differenceOf(python: string, cell: Cell): Promise<number> {
  const { steps, seeds } = SAME;
  const { dSae, batch, learningRate } = cell;
  const { data } = await worldSettings(cell.world).make();
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
    dSae,
    activation: activationOf(cell),
    steps,
    batchSize: batch,
    learningRate,
    schedules: { learningRate: { decay: 'linear', decaySteps: Math.floor(steps / 5) } },
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
    return Math.max(
      ...PARAMETERS.flatMap(name =>
        results.flatMap(({ sae }, seed) => {
          const own = (sae.state.parameters[name] as HostTensor).data;
          return [...own].map((value, i) => Math.abs(value - theirs[name]![seed * own.length + i]!));
        }),
      ),
    );
  } finally {
    await rm(given, { recursive: true, force: true });
  }
}

/** A table of PyTorch beside ours. Runs what is not kept where there is a Python. */
export async function rerun(results: Results, out: string, python: string | undefined): Promise<string> {
  const lines: string[] = [];
  let same: number | undefined;
  for (const start of AGAIN) {
    const cell = PARTS['screen']!.find(
      cell => cell.start === start && cell.bias === 'trained' && cell.auxK === 'none',
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
      const done = await (python ? kept(out, name, settings, () => run(seed)) : keptResult<Rerun>(out, name, settings));
      if (done) runs.push(done);
    }
    const sameName = `rerun-${start}-same-steps`;
    const sameSettings = { ...cell, ...SAME };
    same ??= await (python
      ? kept(out, sameName, sameSettings, () => differenceOf(python, cell))
      : keptResult<number>(out, sameName, sameSettings));
    if (!ours || runs.length === 0) continue;
    const theirs = {
      found: runs.flatMap(({ found }) => found),
      fvu: runs.flatMap(({ fvu }) => fvu),
      dead: runs.flatMap(({ dead }) => dead),
    };
    const row = (by: string, { found, fvu, dead }: Rerun): string =>
      `| ${start} | ${by} | ${found.length} | ${meanOf(found, 1)} (${Math.min(...found)}–${Math.max(...found)}) | ${meanOf(fvu, 4)} | ${meanOf(dead, 1)} |`;
    lines.push(
      row('PyTorch', theirs),
      row('ours', {
        found: ours.map(({ found }) => found),
        fvu: ours.map(({ fvu }) => fvu),
        dead: ours.map(({ dead }) => dead),
      }),
    );
  }
  if (lines.length === 0) return 'Not run.';
  const sentence =
    same === undefined
      ? []
      : [
          '',
          `From the same start and with the same batches every parameter is within ${same.toExponential(0)} of PyTorch’s after ${SAME.steps} steps (${SAME.seeds} seeds): what differs above are draws.`,
        ];
  return [
    '| start | by | seeds | found of 100 (least–most) | FVU | dead |',
    '| --- | --- | --- | --- | --- | --- |',
    ...lines,
    ...sentence,
  ].join('\n');
}
