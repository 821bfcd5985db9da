/** Runs a file's training on one engine: forward pass, gradients, and parameters after so many steps. */
import type { StepProgram } from '../../src/engines/engine.ts';
import { EngineUnavailableError } from '../../src/errors.ts';
import { fromNested, type HostTensor, type HostTensors, type Shape, sizeOf, zeros } from '../../src/tensor.ts';
import { adam, type Optimizer } from '../../src/training/optimizers.ts';
import { modelState, trainingStep } from '../../src/training/training-step.ts';
import { type Check, compare } from './check.ts';
import type { EngineForm } from './engine-forms.ts';
import type { TrainingCase } from './training-file.ts';

/** All checks of one case on one engine; a case that holds one batch's figures alone is not trained. */
export async function checkTraining(training: TrainingCase, form: EngineForm): Promise<Check[]> {
  const forward = form.runsAnyStep ? await checkFirstBatch(training, form) : [];
  const trains = training.expected.parametersAfter.size > 0;
  return [...forward, ...(trains ? await checkSteps(training, form) : [])];
}

/**
 * Outputs, loss and gradients of the first batch, by a training step that keeps the model's outputs as its buffers and the gradients
 * as its optimizer's state: the same step as in training, looked into.
 */
async function checkFirstBatch(training: TrainingCase, { label, engine }: EngineForm): Promise<Check[]> {
  const { model, outputsOf, expected, state, constants } = training;
  // The files' gradients are those of the loss, before a decoder of unit norm takes the part along its rows from them.
  const { projectGradients: _, ...differentiated } = model;
  const outputs = Object.fromEntries(Object.entries(expected.outputs).map(([name, y]) => [name, fromNested(y)]));
  const program = trainingStep({
    model: {
      ...differentiated,
      losses(given) {
        const { losses } = model.losses(given);
        const seen = pick(outputsOf(given, given.batch), Object.keys(outputs));
        return { losses, buffers: { ...given.buffers, ...seen } };
      },
    },
    state: { parameters: state.parameters, buffers: { ...state.buffers, ...emptied(outputs) } },
    optimizer: gradientKeeper,
    batch: shapesOf(training),
    constants,
  });
  const runner = await engine.prepare(program, { maxSteps: 1 });
  try {
    const { loss } = await runner.run(1, batchesOf(training, 0, 1));
    const after = await runner.read();
    const { buffers } = modelState(after);
    return [
      ...Object.entries(expected.outputs).map(([name, y]) => compare(`${label}: ${name}`, buffers[name]!, y)),
      compare(`${label}: loss`, loss![0]!, expected.losses[0]!),
      ...Object.entries(expected.gradients).map(([name, gradient]) =>
        compare(`${label}: gradient of ${name}`, after[`optimizer.${name}`]!, gradient),
      ),
    ];
  } finally {
    await runner.dispose();
  }
}

/** Losses of all steps, and parameters after those that the file names. */
async function checkSteps(training: TrainingCase, { label, engine, manySteps }: EngineForm): Promise<Check[]> {
  const { expected } = training;
  const program = stepOf(training);
  const steps = expected.losses.length;
  const checks: Check[] = [];
  const losses = new Float32Array(steps);
  const runner = await engine.prepare(program, { maxSteps: manySteps ? steps : 1 }).catch((error: unknown) => {
    if (error instanceof EngineUnavailableError) return undefined;
    throw error;
  });
  // An accelerator declines what it was not made for.
  if (!runner) return [];
  try {
    let done = 0;
    for (const [step, after] of expected.parametersAfter) {
      losses.set((await runner.run(step - done, batchesOf(training, done, step)))['loss']!, done);
      done = step;
      const { parameters } = modelState(await runner.read());
      for (const [name, values] of Object.entries(after)) {
        checks.push(compare(`${label}: ${name} after ${step} step${step === 1 ? '' : 's'}`, parameters[name]!, values));
      }
    }
    checks.push(compare(`${label}: losses`, { data: losses, shape: [steps] }, expected.losses));
    if (expected.lossAfter !== undefined) {
      const { loss } = await runner.run(1, batchesOf(training, 0, 1));
      checks.push(compare(`${label}: loss after ${steps} steps`, loss![0]!, expected.lossAfter));
    }
    return checks;
  } finally {
    await runner.dispose();
  }
}

/** The step that `training` describes. */
export function stepOf(training: Omit<TrainingCase, 'expected' | 'outputsOf'>): StepProgram {
  const { model, state, optimizer, constants, descriptor } = training;
  return trainingStep({
    model,
    state,
    optimizer: adam(optimizer),
    batch: shapesOf(training),
    constants,
    descriptor,
  });
}

/** The shape of each input of one batch. */
function shapesOf({ batches }: Pick<TrainingCase, 'batches'>): Record<string, Shape> {
  return Object.fromEntries(Object.entries(batches).map(([name, { shape }]) => [name, shape.slice(1)]));
}

/** The batches of steps `from` to `to`; the file's come in turn. */
function batchesOf({ batches }: TrainingCase, from: number, to: number): Record<string, Float32Array> {
  return Object.fromEntries(
    Object.entries(batches).map(([name, { data: all, shape }]) => {
      const [count, ...rest] = shape as [number, ...number[]];
      const size = sizeOf(rest);
      const data = new Float32Array((to - from) * size);
      for (let step = from; step < to; step++) {
        const at = (step % count) * size;
        data.set(all.subarray(at, at + size), (step - from) * size);
      }
      return [name, data];
    }),
  );
}

/** An "optimizer" that leaves the parameters alone; its state are the gradients. */
const gradientKeeper: Optimizer = {
  options: adam().options,
  init: parameters => emptied(parameters),
  update: (parameters, gradients) => ({ parameters, state: gradients }),
};

function emptied(tensors: HostTensors): Record<string, HostTensor> {
  return Object.fromEntries(Object.entries(tensors).map(([name, { shape }]) => [name, zeros(shape)]));
}

function pick<T>(entries: Readonly<Record<string, T>>, names: readonly string[]): Record<string, T> {
  return Object.fromEntries(names.map(name => [name, entries[name]!]));
}
