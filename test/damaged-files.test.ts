/** A little of `npm run torture`: every kind of file, damaged, is read or refused with a typed error. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { damagedFile, FILE_KINDS, writeSet } from '../scripts/torture/file-kinds.ts';

const SEEDS = 30;
const TYPED = ['FileFormatError', 'InvalidValueError', 'InvalidShapeError'];

describe('damaged files', () => {
  for (const kind of FILE_KINDS) {
    it(`of the kind ${kind.name}: sound ones are read, ${SEEDS} damaged ones read or refused`, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
      try {
        const [files] = await kind.examples();
        await writeSet(folder, files!);
        await kind.read(folder, files!);
        for (let seed = 0; seed < SEEDS; seed++) {
          const { files: damaged, damages } = await damagedFile(kind, seed);
          await writeSet(folder, damaged);
          const error = await kind.read(folder, damaged).then(
            () => undefined,
            (refusal: Error) => refusal,
          );
          if (error) expect(TYPED, `seed ${seed} (${damages}): ${error.stack}`).to.include(error.name);
        }
      } finally {
        await rm(folder, { recursive: true });
      }
    });
  }
});
