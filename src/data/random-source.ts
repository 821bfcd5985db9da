/** The one source of randomness: seeded, passed in, its state savable. */

/** The full state of a source: plain numbers, fit for JSON. */
export type RandomState = readonly number[];

export interface RandomSource {
  /** Uniform on [0, 1). */
  uniform(): number;
  /** Standard normal. */
  normal(): number;
  /** Uniform integer in [0, below). */
  integer(below: number): number;
  /** State after all that was drawn. */
  state(): RandomState;
}
