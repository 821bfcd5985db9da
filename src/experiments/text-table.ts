/** Lines in columns, for a terminal. */

/** Rows under a header; every cell is aligned to the right of its column. */
export function textTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...lines.map(line => line[column]!.length)));
  return lines.map(line => line.map((cell, column) => cell.padStart(widths[column]!)).join('  ')).join('\n');
}

/** A share as a percentage without decimals. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(0)}%`;
}
