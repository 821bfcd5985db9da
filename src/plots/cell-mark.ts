/**
 * Heat-map cells for Observable Plot. A few cells are rectangles with a tooltip each; many are one path per colour, runs
 * of equal colour merged, so that ten 80 × 80 matrices stay a small file.
 */
import type { RenderFunction, ScaleFunctions } from '@observablehq/plot';
import { colourOf } from './colours.ts';
import type { CellMark } from './figure.ts';
import { svgElement } from './svg-element.ts';

const mostRectangles = 900;

/** A function mark that draws `cells` on the plot's own scales. */
export function cellMark(cells: CellMark, document: Document): RenderFunction {
  return (_index, scales: ScaleFunctions) => {
    const x = cells.xEdges.map(edge => scales.x!(edge) as number);
    const y = cells.yEdges.map(edge => scales.y!(edge) as number);
    const group = svgElement(document, 'g', { class: 'cells', 'shape-rendering': 'crispEdges' });
    const gap = cells.values.length <= mostRectangles && Math.abs(x[1]! - x[0]!) >= 9 ? 0.5 : 0;
    if (cells.values.length <= mostRectangles) {
      if (gap > 0) group.setAttribute('shape-rendering', 'geometricPrecision');
      for (const rectangle of rectangles(cells, x, y, gap, document)) group.append(rectangle);
    } else {
      for (const [fill, d] of runs(cells, x, y)) group.append(svgElement(document, 'path', { fill, d }));
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

/** Path data by colour. */
function runs({ values, ramp }: CellMark, x: readonly number[], y: readonly number[]): Map<string, string> {
  const columns = x.length - 1;
  const paths = new Map<string, string>();
  const round = (pixels: number): number => Math.round(pixels * 100) / 100;
  for (let row = 0; row < y.length - 1; row++) {
    for (let column = 0; column < columns; ) {
      const start = column;
      const colour = colourOf(values[row * columns + column]!, ramp);
      while (column < columns && colourOf(values[row * columns + column]!, ramp) === colour) column++;
      const box = `M${round(x[start]!)},${round(y[row]!)}H${round(x[column]!)}V${round(y[row + 1]!)}H${round(x[start]!)}Z`;
      paths.set(colour, (paths.get(colour) ?? '') + box);
    }
  }
  return paths;
}
