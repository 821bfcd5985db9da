/** Axes that fit their data: ends, ticks and their words, linear or logarithmic. */
import { nice, ticks } from 'd3-array';
import type { Axis } from './figure.ts';

/** How an axis is fitted to its data. */
export interface AxisRequest {
  readonly type?: 'linear' | 'log';
  readonly label?: string;
  /** The two ends. Default: the data's, rounded outwards (linear) or with a little room (log). */
  readonly domain?: readonly [number, number];
  /** Numbers that must lie on the axis, such as 0 or a threshold. */
  readonly include?: readonly number[];
  /** About how many ticks there are. */
  readonly count?: number;
  /** The positions of ticks, instead of round numbers. */
  readonly ticks?: readonly number[];
  readonly format?: 'number' | 'percent';
}

/** An axis with a grid over the finite `values`; a logarithmic one leaves out numbers that are not positive. */
export function fittedAxis(values: readonly number[], request: AxisRequest = {}): Axis {
  const { type = 'linear', count = 5, format = 'number' } = request;
  const shown = [...values, ...(request.include ?? [])].filter(value => canShow(value, type));
  const [low, high] = request.domain ?? extent(shown, type);
  const domain = request.domain ?? (type === 'log' ? logDomain(low, high) : linearDomain(low, high, count));
  const label = request.label === undefined ? {} : { label: request.label };
  if (type === 'linear') {
    return { type, domain, ticks: request.ticks ?? ticks(...domain, count), format, grid: true, ...label };
  }
  const decades = Math.log10(domain[1] / domain[0]);
  return {
    type,
    domain,
    ticks: request.ticks ?? logTicks(domain),
    format: decades > 4 ? 'power' : format,
    grid: true,
    ...label,
  };
}

/** Whether an axis of this type can show `value`. */
export function canShow(value: number, type: Axis['type'] = 'linear'): boolean {
  return Number.isFinite(value) && (type !== 'log' || value > 0);
}

function extent(values: readonly number[], type: 'linear' | 'log'): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low > high ? (type === 'log' ? [1, 10] : [0, 1]) : [low, high];
}

function linearDomain(low: number, high: number, count: number): [number, number] {
  return low === high ? [low - 0.5, high + 0.5] : nice(low, high, count);
}

function logDomain(low: number, high: number): [number, number] {
  const room = Math.max(1.08, (high / low) ** 0.04);
  return [low / room, high * room];
}

/**
 * Ticks at decades over a wide range (every second or third over a very wide one), otherwise at 1, 2 and 5 of each
 * decade.
 */
function logTicks([low, high]: readonly [number, number]): number[] {
  const decades = Math.log10(high / low);
  const multiples = decades > 2.6 ? [1] : decades > 0.9 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7];
  const every = Math.max(1, Math.ceil(decades / 8));
  const found: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    if (power % every !== 0) continue;
    for (const multiple of multiples) {
      const tick = Number(`${multiple}e${power}`);
      if (tick >= low && tick <= high) found.push(tick);
    }
  }
  return found;
}
