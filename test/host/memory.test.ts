/** Memory stays flat over a corpus of any length: what is alive after every few thousand texts, while rows are written, trained on and counted. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const PROGRAM = fileURLToPath(new URL('memory-over-corpus.ts', import.meta.url));
/** Rows of 24 float32, some 9.5 a text, take 11 MB: what holds on to them all is seen. */
const MOST_GROWTH = 3 * 2 ** 20;

describe('memory over a corpus', () => {
  for (const [what, work] of [
    ['while activations are written', 'written'],
    ['while they are given to training', 'trained'],
    ['while a bundle counts them', 'counted'],
  ] as const) {
    it(what, () => {
      const printed = execFileSync(process.execPath, ['--expose-gc', '--import', 'tsx', PROGRAM, work]);
      const seen = JSON.parse(printed.toString()) as number[];
      expect(seen.length).to.be.at.least(8);
      // The first half is warm-up.
      expect(Math.max(...seen.slice(4)) - Math.max(...seen.slice(1, 4))).to.be.below(MOST_GROWTH);
    });
  }
});
