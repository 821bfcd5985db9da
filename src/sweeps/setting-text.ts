/** Values of settings in words, for tables and figures. */

/** The text of a value in a table; `default` for a setting that is not given. */
export function settingText(value: unknown): string {
  if (value === null || value === undefined) return 'default';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** A number with four significant digits; `–` where there is none. */
export function numberText(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
}
