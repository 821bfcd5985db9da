/** Training steps: the losses of a few of them beside ONNX Runtime's on the CPU, and the time of one with the state on the device. */
import { timeStep } from '../../../src/engines/available-engines.ts';
import { createEngine } from '../../../src/engines/create-engine.ts';
import type { StepRunner } from '../../../src/engines/engine.ts';
import { GPU_PATHS } from '../paths.ts';
import { COMPARED_STEPS, type TrainingWork } from '../works.ts';
import { type CheckContext, judged, largestDifference, timedCalls } from './report.ts';

/** Adam's steps have the size of the learning rate whatever the gradient, and one latent more or less is chosen by rounding: more than 1e-5. */
const TOLERANCE = 1e-4;

/** The milliseconds that timing may take. */
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

/** Trains a few steps, compares their losses with the CPU's, and times a step. */
export async function checkTraining(
  { name, make }: TrainingWork,
  { path, report, expectedLosses }: CheckContext,
): Promise<void> {
  const engine = await GPU_PATHS[path].start();
  const { program, batches } = make();
  const runner = await engine.prepare(program, { maxSteps: COMPARED_STEPS });
  const { loss } = await runner.run(COMPARED_STEPS, batches);
  const within = await timeWithin(runner, batches);
  await runner.dispose();
  const ms = await timeStep(engine, program, { budget: BUDGET });
  const losses = Array.from(loss!, value => value.toFixed(4)).join(', ');
  const what = `losses of ${COMPARED_STEPS} steps ${losses}; ${within}`;
  const expected = expectedLosses[name];
  if (expected === undefined) report({ check: `train ${name}`, outcome: 'ran', detail: `${what}, not compared`, ms });
  else report(judged(`train ${name}`, largestDifference(loss!, expected), TOLERANCE, what, ms));
}

/** What a step takes within a call, where the state stays on the device, and what a call takes besides: on CUDA the state is copied to it and back. */
async function timeWithin(runner: StepRunner, batches: Readonly<Record<string, Float32Array>>): Promise<string> {
  const first = Object.fromEntries(
    Object.entries(batches).map(([name, values]) => [name, values.subarray(0, values.length / COMPARED_STEPS)]),
  );
  const one = await timedCalls(() => runner.run(1, first), { calls: 3, budgetMs: 1000 });
  const all = await timedCalls(() => runner.run(COMPARED_STEPS, batches), { calls: 3, budgetMs: 1000 });
  const step = (all - one) / (COMPARED_STEPS - 1);
  return `${step.toPrecision(3)} ms a step within a call, ${Math.max(0, one - step).toPrecision(3)} ms a call besides`;
}
