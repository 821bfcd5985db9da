// biome-ignore-all lint/style/useConst: these are set from outside the module.
/**
 * Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019), in place. The bias corrections are folded into two numbers:
 * p -= stepSize · m / (sqrt(v) + eps), with stepSize = lr · sqrt(1 - β2^t) / (1 - β1^t) and eps scaled by sqrt(1 - β2^t).
 */

/** Set before each step. */
export let beta1: f32 = 0;
export let beta2: f32 = 0;
/** 1 - β, rounded once from float64. */
export let rest1: f32 = 0;
export let rest2: f32 = 0;
export let stepSize: f32 = 0;
export let epsilon: f32 = 0;
/** 1 - lr · weight decay: 1 for plain Adam. */
export let decay: f32 = 1;
/** Number of this step, from 1. */
export let step: i32 = 0;

/**
 * Whether a step without a gradient changes nothing but the second moment, v ← β2 v: then it can wait until the parameter's next
 * gradient, or until the state is read.
 */
export function canWait(): bool {
  return beta1 === 0 && decay === 1;
}

/** Makes up for `steps` steps without a gradient on `bytes` bytes of second moments, rounding as those steps would have. */
export function makeUp(second: usize, steps: i32, bytes: usize): void {
  const b2 = f32x4.splat(beta2);
  for (let at: usize = 0; at < bytes; at += 16) {
    let v = v128.load(second + at);
    for (let done = 0; done < steps; done++) v = f32x4.mul(b2, v);
    v128.store(second + at, v);
  }
}

/**
 * One step on `bytes` bytes (a multiple of 16) of parameters, with `scale` times the gradient less `along` times the parameters: what
 * is left when the part along a row is taken out. Gives the four lanes of the sum of squares of the new parameters.
 * With β1 = 0 the first moment is the gradient, and nothing lies at `first`.
 */
export function adam(
  parameters: usize,
  first: usize,
  second: usize,
  gradient: usize,
  along: f32,
  scale: f32,
  bytes: usize,
): v128 {
  const b1 = f32x4.splat(beta1);
  const r1 = f32x4.splat(rest1);
  const b2 = f32x4.splat(beta2);
  const r2 = f32x4.splat(rest2);
  const size = f32x4.splat(stepSize);
  const eps = f32x4.splat(epsilon);
  const kept = f32x4.splat(decay);
  const radial = f32x4.splat(along);
  const factor = f32x4.splat(scale);
  const hasMomentum = beta1 !== 0;
  let squares = f32x4.splat(0);
  for (let at: usize = 0; at < bytes; at += 16) {
    const p = v128.load(parameters + at);
    const g = f32x4.mul(factor, f32x4.sub(v128.load(gradient + at), f32x4.mul(radial, p)));
    let m = g;
    if (hasMomentum) {
      m = f32x4.add(f32x4.mul(b1, v128.load(first + at)), f32x4.mul(r1, g));
      v128.store(first + at, m);
    }
    const v = f32x4.add(f32x4.mul(b2, v128.load(second + at)), f32x4.mul(r2, f32x4.mul(g, g)));
    v128.store(second + at, v);
    const change = f32x4.div(f32x4.mul(size, m), f32x4.add(f32x4.sqrt(v), eps));
    const next = f32x4.sub(f32x4.mul(kept, p), change);
    v128.store(parameters + at, next);
    squares = f32x4.add(squares, f32x4.mul(next, next));
  }
  return squares;
}

/** The four lanes of the sum of squares, added in the order in which `adam` adds them. */
export function sumOfSquares(parameters: usize, bytes: usize): v128 {
  let squares = f32x4.splat(0);
  for (let at: usize = 0; at < bytes; at += 16) {
    const p = v128.load(parameters + at);
    squares = f32x4.add(squares, f32x4.mul(p, p));
  }
  return squares;
}

/** `adam` for one number. */
export function adamScalar(parameter: usize, first: usize, second: usize, gradient: f32): void {
  let m = gradient;
  if (beta1 !== 0) {
    m = beta1 * load<f32>(first) + rest1 * gradient;
    store<f32>(first, m);
  }
  const v = beta2 * load<f32>(second) + rest2 * (gradient * gradient);
  store<f32>(second, v);
  const change = (stepSize * m) / (sqrt(v) + epsilon);
  store<f32>(parameter, decay * load<f32>(parameter) - change);
}
