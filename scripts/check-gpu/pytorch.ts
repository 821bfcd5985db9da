/** PyTorch's dense step on the same card, where Python has it: what our training steps are compared with. */
import { fileURLToPath } from 'node:url';
import { startPython } from '../../bench/line-process.ts';
import type { Row } from './row.ts';
import { BATCH_SIZE, BETAS, TRAINING_WORKS } from './works.ts';

const SCRIPT = fileURLToPath(new URL('../../bench/python/sae_step.py', import.meta.url));
const STEPS = 20;
const SECONDS = 60;

/** One row for each autoencoder that is trained; one that says why not, where PyTorch or its card is not there. */
export async function* measurePyTorch(
  python: string,
  env: NodeJS.ProcessEnv,
  remaining: () => number,
): AsyncGenerator<Row> {
  for (const { name, sae } of TRAINING_WORKS) {
    if (!sae) continue;
    const check = `train ${name}`;
    if (remaining() < 1) {
      yield { path: 'PyTorch', check, outcome: 'failed', detail: 'the time for everything was over (--seconds)' };
      continue;
    }
    const { dIn, dSae, k } = sae;
    const work = {
      library: 'dense',
      dIn,
      dSae,
      k,
      batchSize: BATCH_SIZE,
      kind: 'topk',
      betas: BETAS,
      learningRate: 1e-3,
      threads: 4,
      device: 'cuda',
    };
    let reason = '';
    const signal = AbortSignal.timeout(1000 * Math.min(SECONDS, remaining()));
    const child = await startPython(python, SCRIPT, work, { env, signal, onProblem: text => (reason = text) });
    if (!child) {
      yield { path: 'PyTorch', check, outcome: 'unavailable', detail: `${python}: ${reason}` };
      return;
    }
    try {
      await child.ask({ steps: 5 });
      const { ms } = await child.ask<{ ms: number[] }>({ steps: STEPS });
      const detail = `median of ${STEPS} steps, eager, dense`;
      yield { path: 'PyTorch', check, outcome: 'ran', detail, ms: ms.sort((a, b) => a - b)[STEPS >> 1]! };
    } catch (error) {
      yield { path: 'PyTorch', check, outcome: 'failed', detail: (error as Error).message };
    } finally {
      child.end();
    }
  }
}
