/** Work that the processes of one run of the tests need done once. */
import { mkdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { writeFileAtomic } from '../../src/files/write-atomic.ts';

/** The folder of this run. Without Mocha's configuration `test-run.cjs` is not loaded, and a process is a run of its own. */
const RUN = process.env['MONOSEMANTIC_TEST_RUN'] ?? join(tmpdir(), `monosemantic-tests-${process.pid}`);

/**
 * Does `work` in the first process that asks for it; in the others, waits until it is done.
 * @throws Error in all of them, with what went wrong, where it failed
 */
export async function once(name: string, work: () => Promise<void>): Promise<void> {
  const folder = join(RUN, name);
  const outcome = join(folder, 'outcome');
  await mkdir(RUN, { recursive: true });
  const isFirst = await mkdir(folder).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return false;
      throw error;
    },
  );
  if (isFirst) {
    const failure = await work().then(
      () => '',
      (error: unknown) => String(error),
    );
    await writeFileAtomic(outcome, failure);
  }
  for (;;) {
    const failure = await readFile(outcome, 'utf8').catch(() => undefined);
    if (failure === '') return;
    if (failure !== undefined) throw new Error(`${name} failed: ${failure}`);
    await setTimeout(200);
  }
}
