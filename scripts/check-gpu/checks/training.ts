/** Training steps: the losses of a few of them beside ONNX Runtime's on the CPU, and the time of one with the state on the device. */
import { timeStep } from '../../../src/engines/available-engines.ts';
import { createEngine } from '../../../src/engines/create-engine.ts';
import { GPU_PATHS } from '../paths.ts';
import { COMPARED_STEPS, type TrainingWork } from '../works.ts';
import { type CheckContext, judged, largestDifference } from './report.ts';

/** Adam's steps have the size of the learning rate whatever the gradient, and one latent more or less is chosen by rounding: more than 1e-5. */
const TOLERANCE = 1e-4;

/** Milliseconds for timing. */
const BUDGET = 6000;

/** What each training work must give: losses by ONNX Runtime on the CPU, which has PyTorch's figures (test/engines/reference.test.ts). */
export async function expectedLosses(works: readonly TrainingWork[]): Promise<Record<string, number[]>> {
  const engine = await createEngine({ engine: 'onnxruntime', provider: 'cpu' });
  const losses: Record<string, number[]> = {};
  for (const { name, make } of works) {
    const { program, batches } = make();
    const runner = await engine.prepare(program, { maxSteps: COMPARED_STEPS });
    losses[name] = Array.from((await runner.run(COMPARED_STEPS, batches))['loss']!);
    await runner.dispose();
  }
  return losses;
}

export async function checkTraining(
  { name, make }: TrainingWork,
  { path, report, expectedLosses }: CheckContext,
): Promise<void> {
  const engine = await GPU_PATHS[path].start();
  const { program, batches } = make();
  const runner = await engine.prepare(program, { maxSteps: COMPARED_STEPS });
  const { loss } = await runner.run(COMPARED_STEPS, batches);
  await runner.dispose();
  const ms = await timeStep(engine, program, { budget: BUDGET });
  const what = `losses of ${COMPARED_STEPS} steps, ${Array.from(loss!, value => value.toFixed(4)).join(', ')}`;
  const expected = expectedLosses[name];
  if (expected === undefined) report({ check: `train ${name}`, outcome: 'ran', detail: `${what}, not compared`, ms });
  else report(judged(`train ${name}`, largestDifference(loss!, expected), TOLERANCE, what, ms));
}
