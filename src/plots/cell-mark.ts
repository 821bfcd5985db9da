/**
 * Heat-map cells for Observable Plot. A few cells are rectangles with a tooltip each; many of one size
 * are a path per colour, runs of equal colour merged, so that ten 80 × 80 matrices stay a small file.
 */
import type { RenderFunction, ScaleFunctions } from '@observablehq/plot';
import { colourOf, paper } from './colours.ts';
import type { CellMark } from './figure.ts';
import { svgElement } from './svg-element.ts';

/** The largest number of cells that are drawn singly. */
export const mostRectangles = 1200;

/** A function mark that draws `cells` on the plot's own scales. */
export function cellMark(cells: CellMark, document: Document): RenderFunction {
  return (_index, scales: ScaleFunctions) => {
    const x = cells.xEdges.map(edge => scales.x!(edge) as number);
    const y = cells.yEdges.map(edge => scales.y!(edge) as number);
    const group = svgElement(document, 'g', { class: 'cells', 'shape-rendering': 'crispEdges' });
    const single = cells.values.length <= mostRectangles || !(evenly(x) && evenly(y));
    const gap = single && Math.abs(x[1]! - x[0]!) >= 9 ? 0.5 : 0;
    if (single) {
      if (gap > 0) group.setAttribute('shape-rendering', 'geometricPrecision');
      for (const rectangle of rectangles(cells, x, y, gap, document)) group.append(rectangle);
    } else {
      // In units of a cell, which keeps the paths short.
      const [across, down] = [(x.at(-1)! - x[0]!) / (x.length - 1), (y.at(-1)! - y[0]!) / (y.length - 1)];
      const exact = (value: number): number => Number(value.toFixed(6));
      const transform = `translate(${exact(x[0]!)},${exact(y[0]!)}) scale(${exact(across)},${exact(down)})`;
      group.setAttribute('transform', transform);
      for (const [fill, d] of runs(cells)) group.append(svgElement(document, 'path', { fill, d }));
    }
    return group;
  };
}

function* rectangles(
  { values, ramp, tooltips }: CellMark,
  x: readonly number[],
  y: readonly number[],
  gap: number,
  document: Document,
): Generator<SVGElement> {
  const columns = x.length - 1;
  for (const [i, value] of values.entries()) {
    const [row, column] = [Math.floor(i / columns), i % columns];
    const [left, right] = [x[column]!, x[column + 1]!].sort((a, b) => a - b) as [number, number];
    const [top, bottom] = [y[row]!, y[row + 1]!].sort((a, b) => a - b) as [number, number];
    const place = { x: left + gap, y: top + gap, width: right - left - 2 * gap, height: bottom - top - 2 * gap };
    const words = tooltips?.[i];
    const children = words === undefined ? [] : [svgElement(document, 'title', {}, [words])];
    yield svgElement(document, 'rect', { ...place, fill: colourOf(value, ramp) }, children);
  }
}

function evenly(positions: readonly number[]): boolean {
  const step = (positions.at(-1)! - positions[0]!) / (positions.length - 1);
  return positions.every((position, i) => Math.abs(position - positions[0]! - i * step) < 0.05);
}

/** Path data by colour, a unit for each cell. */
function runs({ values, ramp, xEdges, yEdges }: CellMark): Map<string, string> {
  const columns = xEdges.length - 1;
  const paths = new Map<string, string>();
  for (let row = 0; row < yEdges.length - 1; row++) {
    for (let column = 0; column < columns; ) {
      const start = column;
      const colour = colourOf(values[row * columns + column]!, ramp);
      while (column < columns && colourOf(values[row * columns + column]!, ramp) === colour) column++;
      const box = `M${start},${row}h${column - start}v1h${start - column}z`;
      if (colour !== paper) paths.set(colour, (paths.get(colour) ?? '') + box);
    }
  }
  return paths;
}
