/** Repeats a training of SAELens's trainer on one engine: every number that it noted, parameters after so many steps, and the frozen SAE. */
import type { StepRunner } from '../../src/engines/engine.ts';
import { EngineUnavailableError } from '../../src/errors.ts';
import { ACTIVATIONS } from '../../src/models/sae-trainable.ts';
import type { HostTensor } from '../../src/tensor.ts';
import { GRADIENT_NORM, LEARNING_RATE, lossTerms, modelState } from '../../src/training/training-step.ts';
import { type Check, compare, failure } from './check.ts';
import type { EngineForm } from './engine-forms.ts';
import { checkFrozen } from './frozen-folder.ts';
import type { SaelensTraining } from './saelens-training.ts';

/** All checks of one training on one engine; none on an accelerator that was not made for its step. */
export async function checkSaelensTraining(training: SaelensTraining, form: EngineForm): Promise<Check[]> {
  const { label, engine, manySteps } = form;
  const { program, steps } = training;
  const runner = await engine.prepare(program, { maxSteps: manySteps ? steps.length : 1 }).catch((error: unknown) => {
    if (error instanceof EngineUnavailableError) return undefined;
    throw error;
  });
  if (!runner) return [];
  try {
    const checks = [...checkNumbers(training), ...(await checkSteps(training, runner, manySteps))];
    return checks.map(check => ({ ...check, what: `${label}: ${check.what}` }));
  } finally {
    await runner.dispose();
  }
}

/** The numbers that each step is given, by our schedules. */
function checkNumbers({ numbers, program, steps }: SaelensTraining): Check[] {
  const at = (name: string, constant: number | undefined): HostTensor =>
    series(steps, (_, step) => Number(numbers.at[name]?.(step) ?? constant));
  return [
    compare(
      'learning rates',
      at(LEARNING_RATE, program.descriptor?.optimizer.learningRate),
      steps.map(step => step.learning_rate),
    ),
    ...Object.keys(steps[0]!.coefficients).map(name =>
      compare(
        `coefficients ${name}`,
        at(name, numbers.constants[name]),
        steps.map(step => step.coefficients[name]!),
      ),
    ),
  ];
}

/** Trains, and compares parameters where the file has them, dead latents at each stop, and then what all steps reported. */
async function checkSteps(training: SaelensTraining, runner: StepRunner, manySteps: boolean): Promise<Check[]> {
  const { steps, after, deadBeyond } = training;
  const checks: Check[] = [];
  const reported = new Map<string, number[]>();
  const dead = { ours: [0], theirs: [steps[0]!.dead] };
  const stops = manySteps ? [...after.keys()] : steps.map((_, step) => step + 1);
  let state = modelState(await runner.read());
  let done = 0;
  for (const stop of stops) {
    const metrics = await runner.run(stop - done, inputsOf(training, done, stop));
    for (const [name, values] of Object.entries(metrics)) {
      reported.set(name, [...(reported.get(name) ?? []), ...values]);
    }
    done = stop;
    state = modelState(await runner.read());
    const { parameters, buffers } = state;
    for (const [name, values] of Object.entries(after.get(stop) ?? {})) {
      const ours = name === 'topk_threshold' ? buffers['threshold'] : parameters[name];
      const what = `${name} after ${stop} step${stop === 1 ? '' : 's'}`;
      checks.push(ours ? compare(what, ours, values) : failure(what, 'there is none here'));
    }
    if (stop < steps.length) {
      dead.ours.push(buffers['silent']!.data.filter(samples => samples > deadBeyond).length);
      dead.theirs.push(steps[stop]!.dead);
    }
  }
  return [
    ...checks,
    compare(
      'dead latents',
      series(dead.ours, count => count),
      dead.theirs,
    ),
    ...checkReported(training, reported),
    ...checkFrozenForm(training, state),
  ];
}

/** The loss, each of its terms, and the gradient's norm, of every step. */
function checkReported({ steps, terms }: SaelensTraining, reported: ReadonlyMap<string, number[]>): Check[] {
  const metrics = Object.fromEntries(reported);
  const loss = metrics['loss']!;
  // A single term is the loss itself.
  const ours = { mse: loss, ...lossTerms(metrics) };
  const theirs = new Map<string, number[]>();
  const checks: Check[] = [];
  for (const name of Object.keys(steps[0]!.losses)) {
    const own = ownTerm(terms, name);
    if (own === undefined) checks.push(failure(`losses ${name}`, 'nothing here knows this term'));
    else {
      const before = theirs.get(own) ?? steps.map(() => 0);
      theirs.set(
        own,
        steps.map(({ losses }, step) => before[step]! + losses[name]!),
      );
    }
  }
  const unmatched = Object.keys(ours).filter(name => !theirs.has(name));
  return [
    ...checks,
    ...unmatched.map(name => failure(`losses ${name}`, 'SAELens has no such term')),
    compare(
      'losses',
      series(loss, value => value),
      steps.map(step => step.loss),
    ),
    ...Array.from(theirs, ([name, values]) =>
      // A term that is not there counts 0.
      compare(
        `losses ${name}`,
        series(values, (_, step) => ours[name as keyof typeof ours]?.[step] ?? 0),
        values,
      ),
    ),
    compare(
      'gradient norms',
      series(metrics[GRADIENT_NORM]!, value => value),
      steps.map(step => step.gradient_norm),
    ),
  ];
}

/** Our name of SAELens's term `name`. A numbered one, such as inner_mse_loss_6, is known without its number, and keeps it. */
function ownTerm(terms: Readonly<Record<string, string>>, name: string): string | undefined {
  const [, stem = name, number = ''] = /^(.*)(_\d+)$/.exec(name) ?? [];
  return terms[name] ?? (stem in terms ? terms[stem]! + number : undefined);
}

/** The trained SAE frozen: its weights, and what it makes of the first batch. */
function checkFrozenForm(
  { freeze, frozen, firstBatch: x }: SaelensTraining,
  state: Parameters<typeof freeze>[0],
): Check[] {
  const { config, weights, features, reconstruction } = frozen;
  const ours = freeze(state);
  if (ours.architecture !== config.architecture) {
    return [failure('frozen', `is a ${ours.architecture}, SAELens's a ${config.architecture}`)];
  }
  return [
    ...Object.entries(weights).map(([name, values]) => {
      const own = ours.weights[name];
      return own ? compare(`frozen ${name}`, own, values) : failure(`frozen ${name}`, 'there is none here');
    }),
    ...checkFrozen(ours, { x, features, reconstruction }).map(check => ({ ...check, what: `frozen ${check.what}` })),
  ];
}

/** What the steps from `from` to `to` are given. */
function inputsOf({ batches, numbers }: SaelensTraining, from: number, to: number): Record<string, Float32Array> {
  const [count, rows, width] = batches.shape as [number, number, number];
  const size = rows * width;
  const activations = new Float32Array((to - from) * size);
  for (let step = from; step < to; step++) {
    const start = (step % count) * size;
    activations.set(batches.data.subarray(start, start + size), (step - from) * size);
  }
  return {
    [ACTIVATIONS]: activations,
    ...Object.fromEntries(
      Object.entries(numbers.at).map(([name, at]) => [
        name,
        Float32Array.from({ length: to - from }, (_, i) => Number(at(from + i))),
      ]),
    ),
  };
}

function series<T>(items: readonly T[], value: (item: T, index: number) => number): HostTensor {
  return { data: Float32Array.from(items.map(value)), shape: [items.length] };
}
