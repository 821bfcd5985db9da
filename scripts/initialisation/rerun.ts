/** One cell again, by PyTorch from what the page says: rerun.py beside ours. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeNpy } from '../../src/files/npy.ts';
import { writeFileAtomic } from '../../src/files/write-atomic.ts';
import { hostTensor } from '../../src/tensor.ts';
import { kept, keptResult } from '../tables/kept-results.ts';
import { meanOf } from '../tables/table.ts';
import { nameOf, PARTS } from './design.ts';
import type { Results } from './report.ts';
import { worldSettings } from './worlds.ts';

/** Starts that are done again; `truth` is another that the script knows. */
const AGAIN = ['gaussian'] as const;
/** Side by side in each run of the script, and the seeds of its runs. */
const SIDE_BY_SIDE = 4;
const SEEDS = Array.from({ length: 8 }, (_, i) => i + 1);

interface Rerun {
  readonly found: readonly number[];
  readonly fvu: readonly number[];
  readonly dead: readonly number[];
}

/** A table of PyTorch beside ours. Runs what is not kept where there is a Python. */
export async function rerun(results: Results, out: string, python: string | undefined): Promise<string> {
  const lines: string[] = [];
  for (const start of AGAIN) {
    const cell = PARTS['screen']!.find(
      cell => cell.start === start && cell.bias === 'trained' && cell.auxK === 'none',
    )!;
    const ours = results.get(nameOf(cell))?.result.runs;
    const settings = { ...cell, seeds: SIDE_BY_SIDE };
    const run = async (seed: number): Promise<Rerun> => {
      const script = fileURLToPath(new URL('rerun.py', import.meta.url));
      const { truth, bias } = await worldSettings(cell.world).make();
      const [count, width] = truth.shape as [number, number];
      const file = join(out, 'rerun-truth.npy');
      await writeFileAtomic(file, writeNpy(hostTensor([...truth.data, ...bias.data], [count + 1, width])));
      const request = JSON.stringify({ start, seeds: SIDE_BY_SIDE, seed, truth: file });
      return JSON.parse(execFileSync(python!, [script, request], { encoding: 'utf8' })) as Rerun;
    };
    const runs: Rerun[] = [];
    for (const seed of SEEDS) {
      const name = `rerun-${start}-${seed}`;
      const done = await (python ? kept(out, name, settings, () => run(seed)) : keptResult<Rerun>(out, name, settings));
      if (done) runs.push(done);
    }
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
  return [
    '| start | by | seeds | found of 100 (least–most) | FVU | dead |',
    '| --- | --- | --- | --- | --- | --- |',
    ...lines,
  ].join('\n');
}
