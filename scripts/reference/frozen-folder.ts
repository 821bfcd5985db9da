/** A folder that SAELens saved, with its own answers beside it: the same features and reconstruction through our frozen form. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { loadSaeFolder } from '../../src/export/load-sae-folder.ts';
import { runEagerly } from '../../src/models/eager.ts';
import { applyFrozenSae, type FrozenSae } from '../../src/models/frozen-sae.ts';
import { fromNested, type HostTensor, type NestedArray } from '../../src/tensor.ts';
import { type Check, compare, failure, TOLERANCE } from './check.ts';

/** Whether a folder holds a config and weights as SAELens names them. */
export async function isFrozenFolder(folder: string): Promise<boolean> {
  const present = await Promise.all(
    ['cfg.json', 'sae_weights.safetensors'].map(name =>
      access(join(folder, name)).then(
        () => true,
        () => false,
      ),
    ),
  );
  return present.every(Boolean);
}

/** Compares features and reconstruction of `answers`: x, features, reconstruction. */
export async function checkFrozenFolder(folder: string, answers: unknown): Promise<Check[]> {
  const { x, features, reconstruction } = (answers ?? {}) as Readonly<Record<string, NestedArray | undefined>>;
  if (!x || !features || !reconstruction) {
    return [failure('the file', 'expected x, features and reconstruction beside an SAE of SAELens')];
  }
  const tolerance = isRounded(features) && isRounded(reconstruction) ? ROUNDED_TOLERANCE : TOLERANCE;
  return checkFrozen((await loadSaeFolder(folder)).sae, { x: fromNested(x), features, reconstruction }, tolerance);
}

/** The answers of SAELens for one input. */
export interface FrozenAnswers {
  readonly x: HostTensor;
  readonly features: NestedArray;
  readonly reconstruction: NestedArray;
}

/** Compares what a frozen SAE makes of `x` with SAELens's answers. */
export function checkFrozen(
  { weights, ...options }: FrozenSae,
  { x, features, reconstruction }: FrozenAnswers,
  tolerance = TOLERANCE,
): Check[] {
  const ours = runEagerly(({ input, ...constants }) => applyFrozenSae(options, constants, input!), {
    ...weights,
    input: x,
  });
  return [
    compare('features', ours['features']!, features, tolerance),
    compare('reconstruction', ours['reconstruction']!, reconstruction, tolerance),
  ];
}

/** Sums of bfloat16, whose terms are rounded to eight bits each, and we compute in float32. */
const ROUNDED_TOLERANCE = 2 ** -5;

/** Whether every number is one that bfloat16 holds: the answers were then computed in it. */
function isRounded(values: NestedArray | number): boolean {
  if (typeof values !== 'number') return values.every(isRounded);
  const bits = new Uint32Array(Float32Array.of(values).buffer)[0]!;
  return (bits & 0xffff) === 0;
}
