/** The names of rows: a label for each (labels.csv, .txt, .json), or tokens of texts (tokens.json). */
import { csvParseRows } from 'd3-dsv';
import { FileFormatError } from '../../../src/errors.ts';

/** A name for every row. */
export interface RowLabels {
  readonly type: 'labels';
  readonly name: string;
  readonly labels: readonly string[];
}

/** Rows are the tokens of texts, one after the other. */
export interface RowTokens {
  readonly type: 'tokens';
  readonly name: string;
  readonly tokens: readonly string[];
  /** The row at which each text begins, and after the last of them the end. */
  readonly starts: Uint32Array;
}

/** What is known of rows beside their values. */
export type RowNames = RowLabels | RowTokens;

/** How many rows are named. */
export const countOf = (names: RowNames): number => (names.type === 'labels' ? names.labels : names.tokens).length;

/** The label column of a table with a header: one called label, text, name or category, or else the last. */
function labelsOfTable(table: readonly (readonly string[])[], rows: number | undefined): string[] {
  const [head, ...body] = table;
  const known =
    head?.findIndex(name => /^(label|text|name|category|class|gloss|word|token)s?$/i.test(name.trim())) ?? -1;
  const isHeader = known >= 0 || (rows !== undefined && body.length === rows);
  const column = known >= 0 ? known : (head?.length ?? 1) - 1;
  return (isHeader ? body : table).map(row => row[column] ?? '');
}

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every(entry => typeof entry === 'string' || typeof entry === 'number');

/**
 * Reads labels or tokens. JSON: a list of strings is labels, a list of lists is texts of tokens (also under the key `tokens` or
 * `labels`). CSV: the column `label`, or the last. Text: one label a line.
 *
 * @param rows - How many rows there are, where that is known: it tells a header from a first row.
 * @throws FileFormatError where it is none of these.
 */
export function readRowNames(text: string, name: string, rows?: number): RowNames {
  if (/\.json$/i.test(name)) {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw new FileFormatError(`not JSON: ${(cause as Error).message}`, { file: name, cause });
    }
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      const { tokens, labels } = value as Record<string, unknown>;
      value = tokens ?? labels;
    }
    if (isTexts(value)) return { type: 'labels', name, labels: value.map(String) };
    if (Array.isArray(value) && value.length > 0 && value.every(isTexts)) {
      const texts = value as string[][];
      const starts = new Uint32Array(texts.length + 1);
      texts.forEach((tokens, i) => {
        starts[i + 1] = starts[i]! + tokens.length;
      });
      return { type: 'tokens', name, tokens: texts.flat().map(String), starts };
    }
    throw new FileFormatError('neither a list of labels nor a list of lists of tokens', { file: name });
  }
  if (/\.csv$/i.test(name)) return { type: 'labels', name, labels: labelsOfTable(csvParseRows(text), rows) };
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return { type: 'labels', name, labels: lines };
}

/**
 * The range [start, end) of rows around `row` in its own text, with at most `before` rows before it and `after` rows
 * after it.
 */
export function windowOf({ starts }: RowTokens, row: number, before: number, after: number): [number, number] {
  let low = 0;
  let high = starts.length - 1;
  while (low + 1 < high) {
    const middle = (low + high) >> 1;
    if (starts[middle]! <= row) low = middle;
    else high = middle;
  }
  return [Math.max(starts[low]!, row - before), Math.min(starts[low + 1]!, row + after + 1)];
}
