// biome-ignore-all lint/a11y/noStaticElementInteractions: keyboards select by the chips and tables beside the figure
/**
 * A matrix as coloured cells, on a diverging scale from −1 (orange) over 0 to 1 (purple), which people with any colour
 * vision can read.
 */
import { interpolatePuOr } from 'd3-scale-chromatic';
import { useMemo } from 'preact/hooks';
import type { ColourScale } from './save-figure.ts';
import { useWidth } from './use-width.ts';

/** What a heat map shows. */
export interface HeatMapProps {
  readonly label: string;
  /** Numbers from −1 to 1, [rows, columns]. */
  readonly values: Float32Array;
  /** The number that is written beside each row, such as its latent. */
  readonly rows: readonly number[];
  readonly columns: readonly number[];
  readonly rowTitle: string;
  readonly columnTitle: string;
  /** The colour of the mark beside a row or a column. */
  readonly rowColour?: ((row: number) => string) | undefined;
  readonly columnColour?: ((column: number) => string) | undefined;
  readonly selectedRow?: number | undefined;
  readonly selectedColumn?: number | undefined;
  /** Is told the number of the row that was pressed. */
  readonly onRow?: (row: number) => void;
  /** The greatest width of the matrix in pixels. Default 560. */
  readonly largest?: number;
}

/** The most cells that are drawn as shapes; more are painted as one picture. */
const MOST_DRAWN = 900;
/** The width in pixels from which cells show their number. */
const READABLE = 38;

/**
 * The part of the scale PuOr that is used on either side of 0. Its ends are nearly black: numbers on them could not be
 * read, nor 0.9 be told from 1.
 */
const SPAN = 0.42;
/** The colour of a value from −1 to 1; values beyond take the colour of the end. */
export const colourOf = (value: number): string => interpolatePuOr(0.5 - SPAN * Math.max(-1, Math.min(1, value)));

const digitsOf = (numbers: readonly number[]): number => String(Math.max(1, ...numbers)).length;

function picture(values: Float32Array, rows: number, columns: number): string {
  const canvas = document.createElement('canvas');
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext('2d')!;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      context.fillStyle = colourOf(values[row * columns + column]!);
      context.fillRect(column, row, 1, 1);
    }
  }
  return canvas.toDataURL();
}

/** The matrix with the number of each row and column beside it. A press on a row calls `onRow`. */
export function HeatMap(props: HeatMapProps) {
  const { values, rows, columns, label, largest = 560 } = props;
  const [ref, width] = useWidth(320);
  const left = 24 + 9 * digitsOf(rows);
  const top = 40;
  const side = Math.min(width - left - 4, largest);
  const cell = Math.min(64, side / columns.length);
  const cellHeight = Math.max(Math.min(cell, 44), Math.min(cell, largest / rows.length));
  const drawn = rows.length * columns.length <= MOST_DRAWN;
  const image = useMemo(
    () => (drawn ? undefined : picture(values, rows.length, columns.length)),
    [values, rows, columns, drawn],
  );
  const everyRow = Math.ceil(13 / cellHeight);
  // A number takes 8 pixels for each digit, and some room around them.
  const everyColumn = Math.ceil((8 * digitsOf(columns) + 8) / cell);
  const [w, h] = [cell * columns.length, cellHeight * rows.length];
  return (
    <div ref={ref}>
      <svg
        width={left + w + 4}
        height={top + h + 4}
        viewBox={`0 0 ${left + w + 4} ${top + h + 4}`}
        role="img"
        aria-label={label}
      >
        <text x={left} y="12" font-size="12" fill="var(--quiet)">
          {props.columnTitle}
        </text>
        <text x={-top} y="11" font-size="12" fill="var(--quiet)" transform="rotate(-90)" text-anchor="end">
          {props.rowTitle}
        </text>
        {columns.map((column, i) =>
          i % everyColumn === 0 ? (
            <text
              key={column}
              x={left + (i + 0.5) * cell}
              y={top - 9}
              text-anchor="middle"
              font-size="12"
              font-weight="600"
              fill="var(--quiet)"
            >
              {column}
            </text>
          ) : null,
        )}
        {rows.map((row, i) =>
          i % everyRow === 0 ? (
            <text
              key={row}
              x={left - 9}
              y={top + (i + 0.5) * cellHeight + 4}
              text-anchor="end"
              font-size="12"
              font-weight="600"
              fill="var(--quiet)"
            >
              {row}
            </text>
          ) : null,
        )}
        {props.rowColour &&
          rows.map((row, i) => (
            <rect
              key={row}
              x={left - 5}
              y={top + i * cellHeight}
              width="3"
              height={cellHeight}
              fill={props.rowColour!(row)}
            />
          ))}
        {props.columnColour &&
          columns.map((column, j) => (
            <rect
              key={column}
              x={left + j * cell}
              y={top - 5}
              width={cell}
              height="3"
              fill={props.columnColour!(column)}
            />
          ))}
        {image && (
          <image
            href={image}
            x={left}
            y={top}
            width={w}
            height={h}
            preserveAspectRatio="none"
            style={{ imageRendering: 'pixelated' }}
          />
        )}
        {drawn &&
          rows.map((row, i) =>
            columns.map((column, j) => {
              const value = values[i * columns.length + j]!;
              return (
                <g key={`${row}-${column}`}>
                  <rect
                    x={left + j * cell + 0.5}
                    y={top + i * cellHeight + 0.5}
                    width={Math.max(1, cell - 1)}
                    height={Math.max(1, cellHeight - 1)}
                    rx={Math.min(4, cell / 8)}
                    fill={colourOf(value)}
                  />
                  {cell >= READABLE && (
                    <text
                      x={left + (j + 0.5) * cell}
                      y={top + (i + 0.5) * cellHeight + 4}
                      text-anchor="middle"
                      font-size="12"
                      fill={Math.abs(value) > 0.55 ? '#ffffff' : '#17191d'}
                    >
                      {value.toFixed(2).replace('-', '−')}
                    </text>
                  )}
                </g>
              );
            }),
          )}
        {rows.map((row, i) => (
          <rect
            key={row}
            x={left - 1}
            y={top + i * cellHeight}
            width={w + 2}
            height={cellHeight}
            rx="5"
            fill="transparent"
            stroke={props.selectedRow === row ? 'var(--accent)' : 'none'}
            stroke-width="2"
            style={{ cursor: props.onRow ? 'pointer' : 'default' }}
            onClick={() => props.onRow?.(row)}
          />
        ))}
        {columns.map((column, j) =>
          props.selectedColumn === column ? (
            <rect
              key={column}
              x={left + j * cell}
              y={top - 1}
              width={cell}
              height={h + 2}
              rx="5"
              fill="none"
              stroke="var(--accent)"
              stroke-width="2"
              style={{ pointerEvents: 'none' }}
            />
          ) : null,
        )}
      </svg>
    </div>
  );
}

/** The scale of a heat map of cosines. */
export const COSINE_SCALE: ColourScale = {
  title: 'cosine',
  from: '−1',
  to: '1',
  colours: Array.from({ length: 21 }, (_, i) => colourOf(i / 10 - 1)),
};
