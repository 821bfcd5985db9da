/** One cell again, by PyTorch from what the page says: rerun.py beside ours. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { kept, keptResult } from '../tables/kept-results.ts';
import { meanOf } from '../tables/table.ts';
import { nameOf, PARTS } from './design.ts';
import type { Results } from './report.ts';

/** Starts that are done again; the others are one line each in the script. */
const AGAIN = ['gaussian', 'truth'] as const;
const SEEDS = 8;

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
    const [name, settings] = [`rerun-${start}`, { ...cell, seeds: SEEDS }];
    const run = async (): Promise<Rerun> => {
      const script = fileURLToPath(new URL('rerun.py', import.meta.url));
      return JSON.parse(
        execFileSync(python!, [script, JSON.stringify({ start, seeds: SEEDS })], { encoding: 'utf8' }),
      ) as Rerun;
    };
    const theirs = await (python ? kept(out, name, settings, run) : keptResult<Rerun>(out, name, settings));
    if (!ours || !theirs) continue;
    const row = (by: string, { found, fvu, dead }: Rerun): string =>
      `| ${start} | ${by} | ${meanOf(found, 1)} (${Math.min(...found)}–${Math.max(...found)}) | ${meanOf(fvu, 4)} | ${meanOf(dead, 1)} |`;
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
  return ['| start | by | found of 100 (least–most) | FVU | dead |', '| --- | --- | --- | --- | --- |', ...lines].join(
    '\n',
  );
}
