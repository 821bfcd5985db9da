/** What a check is given, and what it reports. */
import type { PathName, Row } from '../row.ts';

/** A row without what the parent knows. */
export type Finding = Omit<Row, 'path' | 'deviceMiB' | 'hostMiB'>;

/** What a check is given. */
export interface CheckContext {
  readonly path: PathName;
  /** Whether WebGPU runs on SwiftShader, which takes seconds for what a card does in a millisecond. */
  readonly software: boolean;
  /** Losses by the name of the training work, from ONNX Runtime on the CPU. */
  readonly expectedLosses: Readonly<Record<string, readonly number[]>>;
  /** The card's memory in MiB; absent where it is not known. */
  readonly cardMiB?: number;
  report(finding: Finding): void;
}

/** A finding of outcome `ran` where the difference is at most `tolerance`, and `wrong` otherwise. */
export function judged(check: string, difference: number, tolerance: number, detail: string, ms?: number): Finding {
  // Also where the difference is NaN.
  const isRight = difference <= tolerance;
  return {
    check,
    outcome: isRight ? 'ran' : 'wrong',
    detail: `largest difference ${difference.toExponential(1)}${isRight ? '' : `, at most ${tolerance} is right`}; ${detail}`,
    ...(ms !== undefined && { ms }),
  };
}

/** The largest |a − b| / max(1, |b|); infinite where lengths differ, NaN where there is one. */
export function largestDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let i = 0; i < actual.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!) / Math.max(1, Math.abs(expected[i]!));
    if (!(difference <= worst)) worst = difference;
    if (Number.isNaN(worst)) break;
  }
  return worst;
}

/** Median milliseconds of a call, after two that are not counted. */
export async function timedCalls(call: () => Promise<unknown>, { calls = 7, budgetMs = 4000 } = {}): Promise<number> {
  await call();
  await call();
  const times: number[] = [];
  const end = performance.now() + budgetMs;
  while (times.length < calls && (times.length === 0 || performance.now() < end)) {
    const start = performance.now();
    await call();
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[times.length >> 1]!;
}
