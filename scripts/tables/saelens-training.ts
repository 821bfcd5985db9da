/** SAELens's own trainer as a rival: a Python process trains on rows from a file, and the frozen autoencoder comes back. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { loadSaeFolder } from '../../src/export/load-sae-folder.ts';
import type { FrozenSae } from '../../src/models/frozen-sae.ts';

/** What SAELens is asked to train. */
export interface SaelensRequest {
  /** Rows [n, d_in] in .npy, of which the first `trained` are trained on. */
  readonly rows: string;
  readonly trained: number;
  /** SAELens's name of the architecture, and its settings beside the defaults. */
  readonly architecture: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly dSae: number;
  readonly steps: number;
  readonly batchSize: number;
  /** Settings of SAETrainerConfig. */
  readonly trainer: Readonly<Record<string, unknown>>;
  readonly seed: number;
  readonly threads: number;
}

/** The result of a training by SAELens. */
export interface SaelensTraining {
  readonly sae: FrozenSae;
  readonly processorSeconds: number;
  readonly seconds: number;
  /** Steps in which AuxK acted. */
  readonly auxKSteps: number;
}

/** Trains with SAELens by `python`. The frozen autoencoder passes through a folder of its own in `folder`, so that several processes may train there. */
export async function trainBySaelens(
  python: string,
  request: SaelensRequest,
  folder: string,
): Promise<SaelensTraining> {
  const script = fileURLToPath(new URL('../../bench/python/saelens_training.py', import.meta.url));
  await mkdir(folder, { recursive: true });
  const out = await mkdtemp(join(folder, 'saelens-'));
  try {
    const { stdout } = await promisify(execFile)(python, [script, JSON.stringify({ ...request, out })], {
      maxBuffer: 2 ** 28,
    });
    const cost = JSON.parse(stdout.trim().split('\n').at(-1)!) as Omit<SaelensTraining, 'sae'>;
    return { ...cost, sae: (await loadSaeFolder(out)).sae };
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}
