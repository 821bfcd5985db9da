/** Samples as comma-separated values, one a line, parsed by d3-dsv. */
import { csvFormatRows, csvParseRows } from 'd3-dsv';
import { FileFormatError, InvalidShapeError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';
import { inWords } from '../wording.ts';

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/**
 * Reads samples as float32 [lines, columns]. A first line with a cell that is not a number is a header and left out; so are blank lines.
 * FileFormatError for a cell that is not a finite decimal number (its line and column are told), lines of unequal length, or no samples.
 */
export function readCsv(text: string, { file }: { readonly file?: string | undefined } = {}): HostTensor {
  const lines = csvParseRows(text.replace(/^\uFEFF/, ''))
    .map((cells, i) => ({ cells: cells.map(cell => cell.trim()), line: i + 1 }))
    .filter(({ cells }) => cells.some(cell => cell !== ''));
  if (lines[0]?.cells.some(cell => !decimal.test(cell))) lines.shift();
  const width = lines[0]?.cells.length;
  if (width === undefined) throw new FileFormatError('no samples: expected one line of numbers for each', { file });
  const data = new Float32Array(lines.length * width);
  lines.forEach(({ cells, line }, row) => {
    if (cells.length !== width) {
      throw new FileFormatError(`line ${line} has ${cells.length} columns, expected ${width}`, { file });
    }
    cells.forEach((cell, column) => {
      if (!decimal.test(cell)) {
        throw new FileFormatError(`line ${line}, column ${column + 1}: ${inWords(cell)} is not a number`, {
          file,
        });
      }
      data[row * width + column] = Number(cell);
    });
  });
  return { data, shape: [lines.length, width] };
}

/** Writes a matrix [rows, columns], one row a line, without a header; InvalidShapeError where it is not two-dimensional. */
export function writeCsv({ data, shape }: HostTensor<ArrayLike<number>>): string {
  const [rows, columns] = shape;
  if (shape.length !== 2) throw new InvalidShapeError(`CSV holds a matrix, got the shape [${shape.join(', ')}]`);
  const cells = Array.from({ length: rows! }, (_, row) =>
    Array.from({ length: columns! }, (_, column) => String(data[row * columns! + column])),
  );
  return `${csvFormatRows(cells)}\n`;
}
