/** Whether the path starts and computes at all: one small step, whose result is known. */
import * as tf from '@tensorflow/tfjs';
import type { Engine, StepProgram } from '../../../src/engines/engine.ts';
import { GPU_PATHS } from '../paths.ts';
import type { CheckContext } from './report.ts';

/** sum ← sum + Σ input, from 1. */
export const SMALL_STEP: StepProgram = {
  step: ({ sum, input }) => {
    const loss = tf.add(sum!, tf.sum(input!));
    return { sum: loss, loss };
  },
  state: { sum: { data: Float32Array.of(1), shape: [] } },
  batch: { input: [4] },
  metrics: ['loss'],
};

/** The loss after one SMALL_STEP of ones: 5. */
export async function runSmallStep(engine: Engine): Promise<number> {
  const runner = await engine.prepare(SMALL_STEP);
  try {
    const { loss } = await runner.run(1, { input: Float32Array.of(1, 1, 1, 1) });
    return loss![0]!;
  } finally {
    await runner.dispose();
  }
}

/** Starts the path and computes one small step. */
export async function checkLoads({ path, report }: CheckContext): Promise<void> {
  const engine = await GPU_PATHS[path].start();
  const result = await runSmallStep(engine);
  const detail = await describeDevice(path);
  if (result === 5) report({ check: 'loads', outcome: 'ran', detail });
  else report({ check: 'loads', outcome: 'wrong', detail: `1 + 1 + 1 + 1 + 1 gives ${result}; ${detail}` });
}

async function describeDevice(path: CheckContext['path']): Promise<string> {
  if (path === 'tfjs-node-gpu') {
    const { prepareBackend } = await import('../../../src/engines/tensorflow.ts');
    return (await prepareBackend()).detail;
  }
  if (path === 'tfjs webgpu') {
    const { prepareBackend } = await import('../../../src/engines/webgpu.ts');
    return (await prepareBackend()).detail;
  }
  return path;
}
