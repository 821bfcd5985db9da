/** Numbers as text for people. */

const minus = (text: string): string => text.replace(/^-(0\.?0*)$/, '$1').replace('-', '−');

/** A number with `digits` decimals; a dash where there is no finite number. */
export const shown = (value: number | undefined, digits = 3): string =>
  value !== undefined && Number.isFinite(value) ? minus(value.toFixed(digits)) : '–';

/** A whole number with separators. */
export const counted = (value: number): string => minus(value.toLocaleString('en'));

/** A share as a percentage with two significant digits. */
export function percent(share: number | undefined): string {
  if (share === undefined || !Number.isFinite(share)) return '–';
  const value = 100 * share;
  if (value === 0) return '0%';
  const digits = value >= 99.95 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : Math.min(6, 1 - Math.floor(Math.log10(value)));
  return `${minus(value.toFixed(digits))}%`;
}

/** A number with at most four significant digits, for tables and axes. */
export const brief = (value: number): string =>
  Number.isInteger(value) && Math.abs(value) < 1e6 ? counted(value) : minus(String(Number(value.toPrecision(4))));
