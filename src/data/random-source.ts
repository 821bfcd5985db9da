/**
 * The one source of randomness: seeded, passed in, its state savable.
 *
 * Bits come from pure-rand's xoroshiro128+ (Blackman & Vigna), advanced in place; normals, gammas and betas from
 * d3-random on top of it. d3's normal keeps every second value inside its closure, where no state could reach it, so
 * normals are drawn two at a time here and the spare one is part of the state; gammas and betas leave nothing behind.
 */
import { randomBeta, randomGamma, randomNormal } from 'd3-random';
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';
import { InvalidValueError } from '../errors.ts';

/**
 * The full state of a source, plain numbers fit for JSON: four 32-bit words, then the spare normal where there is one.
 */
export type RandomState = readonly number[];

/** Random numbers from a seed. Its state can be kept; a source restored from it goes on with the same numbers. */
export interface RandomSource {
  /** Uniform on [0, 1), a multiple of 2⁻⁵³. */
  uniform(): number;
  /** Uniform on [0, 1), a multiple of 2⁻²⁴: exact in float32, so that it never rounds to 1 there, and the cheapest draw. */
  float32(): number;
  /** Standard normal. */
  normal(): number;
  /** Uniform integer in [0, below). */
  integer(below: number): number;
  /** Fills `into` with draws of Gamma(alpha, 1), alpha > 0. */
  fillGamma(alpha: number, into: Float64Array): void;
  /** One draw of Beta(a, b), a and b > 0. */
  beta(a: number, b: number): number;
  /** The state after all draws so far. */
  state(): RandomState;
}

const WORDS = 4;
/** Below it, a gamma underflows to 0 in more than one draw of a million, and two of them leave nothing to divide. */
const SMALL_GAMMA = 0.02;

/**
 * A source that starts from `seed`, any safe integer; nearby seeds give unrelated streams, different seeds different
 * states.
 * @throws InvalidValueError where the seed is not a safe integer
 */
export function createRandomSource(seed: number): RandomSource {
  if (!Number.isSafeInteger(seed)) {
    throw new InvalidValueError(`seed is ${seed}: it must be a safe integer`);
  }
  // pure-rand puts the seed into the state as it is, so that the first draws of seeds 1, 2, 3 would lie on a line.
  const low = seed | 0;
  const high = Math.floor(seed / 2 ** 32) | 0;
  const s00 = mixBits(low);
  const s01 = mixBits(low + 0x9e3779b9);
  return new XoroshiroSource([s01, s00, mixBits(high ^ s01), mixBits(high ^ s00)]);
}

/**
 * A source that continues, to the bit, where the one that gave `state` stood.
 * @throws InvalidValueError where it is not a state
 */
export function restoreRandomSource(state: RandomState): RandomSource {
  const words = Array.isArray(state) ? state.slice(0, WORDS) : [];
  const whole =
    words.length === WORDS &&
    (state.length === WORDS || (state.length === WORDS + 1 && Number.isFinite(state[WORDS]))) &&
    words.every(word => Number.isInteger(word) && word === (word | 0)) &&
    words.some(word => word !== 0);
  if (!whole) {
    throw new InvalidValueError(
      `random state ${JSON.stringify(state)}: expected four 32-bit integers, not all zero, and at most one spare normal`,
    );
  }
  return new XoroshiroSource(words, state[WORDS]);
}

class XoroshiroSource implements RandomSource {
  readonly #bits: ReturnType<typeof xoroshiro128plusFromState>;
  readonly #draw = (): number => this.uniform();
  /** Holds no spare value whenever a method returns: two values are asked for at a time. */
  readonly #pairOfNormals = randomNormal.source(this.#draw)();
  #spareNormal: number | undefined;

  constructor(words: readonly number[], spareNormal?: number) {
    this.#bits = xoroshiro128plusFromState(words);
    this.#spareNormal = spareNormal;
  }

  uniform(): number {
    // High bits first: the lowest bits of xoroshiro128+ are its weakest.
    return (this.#bits.next() >>> 5) * 2 ** -27 + (this.#bits.next() >>> 6) * 2 ** -53;
  }

  float32(): number {
    return (this.#bits.next() >>> 8) * 2 ** -24;
  }

  normal(): number {
    if (this.#spareNormal !== undefined) {
      const spare = this.#spareNormal;
      this.#spareNormal = undefined;
      return spare;
    }
    const first = this.#pairOfNormals();
    this.#spareNormal = this.#pairOfNormals();
    return first;
  }

  integer(below: number): number {
    if (!Number.isSafeInteger(below) || below < 1) {
      throw new InvalidValueError(`integer(below = ${below}): below must be a positive integer`);
    }
    return Math.floor(this.uniform() * below);
  }

  fillGamma(alpha: number, into: Float64Array): void {
    requirePositive('alpha', alpha);
    const draw = randomGamma.source(this.#draw)(alpha);
    for (let i = 0; i < into.length; i++) into[i] = draw();
  }

  beta(a: number, b: number): number {
    requirePositive('a', a);
    requirePositive('b', b);
    if (Math.min(a, b) < SMALL_GAMMA) return this.#betaOfLogarithms(a, b);
    return randomBeta.source(this.#draw)(a, b)();
  }

  /** The gammas of a beta whose parameters are so small that both may underflow to 0: a gamma of α is one of α + 1 times u^(1/α). */
  #betaOfLogarithms(a: number, b: number): number {
    const logGamma = (alpha: number): number =>
      Math.log(randomGamma.source(this.#draw)(alpha + 1)()) + Math.log(1 - this.uniform()) / alpha;
    return 1 / (1 + Math.exp(logGamma(b) - logGamma(a)));
  }

  state(): RandomState {
    const words = this.#bits.getState();
    return this.#spareNormal === undefined ? [...words] : [...words, this.#spareNormal];
  }
}

/** A bijection of 32-bit words that spreads every input bit over the output (Wellons' lowbias32). */
export function mixBits(word: number): number {
  let z = word | 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return z ^ (z >>> 15);
}

function requirePositive(name: string, value: number): void {
  if (!(value > 0 && Number.isFinite(value))) throw new InvalidValueError(`${name} is ${value}: it must be positive`);
}
