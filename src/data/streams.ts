/** Several independent random sources from one seed, so that what one part of an experiment draws never shifts another's draws. */
import { createRandomSource, type RandomSource } from './random-source.ts';

/** Source number `index` (from 0) of `seed`. InvalidValueError where the seed is not a safe integer. */
export function randomStream(seed: number, index: number): RandomSource {
  const root = createRandomSource(seed);
  let child = 0;
  for (let i = 0; i <= index; i++) child = Math.floor(root.uniform() * Number.MAX_SAFE_INTEGER);
  return createRandomSource(child);
}
