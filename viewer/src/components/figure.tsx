/**
 * The frame of every figure: its title, a note on how to read it, its legend and scale, its data as a table, and the
 * means to save it.
 */
import type { ComponentChildren } from 'preact';
import { useId, useRef, useState } from 'preact/hooks';
import { brief } from '../data/numbers.ts';
import { fail } from '../state/notices.ts';
import { Legend, Scale } from './legend.tsx';
import { type ColourScale, csvOf, type LegendEntry, savePng, saveText, standaloneSvg } from './save-figure.ts';

/** The data of a figure as a table. */
export interface FigureTable {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

interface FigureProps {
  readonly title: string;
  /** The title as it is shown, where it holds more than text. */
  readonly heading?: ComponentChildren;
  readonly note?: ComponentChildren;
  /** The name of saved files, without an extension. */
  readonly name: string;
  /** Makes the table when the person asks for it. */
  readonly table?: () => FigureTable;
  readonly children: ComponentChildren;
  /** Shown beside the title. */
  readonly aside?: ComponentChildren;
  readonly legend?: readonly LegendEntry[];
  readonly scale?: ColourScale;
}

/** The most rows that a table of a figure lists. */
const MOST_ROWS = 1000;

/** A table that scrolls within its own height. */
export function DataTable({ columns, rows }: FigureTable) {
  return (
    // A region that scrolls must be reachable by keyboard.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: scrollable
    <section class="table-scroll" tabIndex={0} aria-label="Table of the figure">
      <table>
        <thead>
          <tr>
            {columns.map(column => (
              <th key={column} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, MOST_ROWS).map((row, index) => (
            <tr key={index}>
              {row.map((value, column) => (
                <td key={column}>{typeof value === 'string' ? value : brief(value)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > MOST_ROWS && (
        <p class="small quiet">
          The first {MOST_ROWS} of {rows.length} rows.
        </p>
      )}
    </section>
  );
}

/** A drawing in its frame, with a menu to save it as SVG, PNG or CSV and to show its numbers instead. */
export function Figure({ title, heading, note, name, table, children, aside, legend, scale }: FigureProps) {
  const id = useId();
  const body = useRef<HTMLDivElement>(null);
  const menu = useRef<HTMLDetailsElement>(null);
  const [asTable, setAsTable] = useState(false);

  const drawing = (): SVGSVGElement => {
    const svg = body.current?.querySelector('svg');
    if (!svg) throw new Error('the figure is not drawn');
    return svg;
  };
  const run = (action: () => void | Promise<void>) => async () => {
    if (menu.current) {
      menu.current.open = false;
      menu.current.querySelector('summary')?.focus();
    }
    try {
      await action();
    } catch (error) {
      fail(`${title} could not be saved`, error);
    }
  };
  const caption = { title, legend, scale };

  return (
    <figure class="panel" aria-labelledby={id}>
      <header>
        <div>
          <h2 id={id}>{heading ?? title}</h2>
          {note && <p>{note}</p>}
        </div>
        <div class="row" style={{ flexWrap: 'nowrap' }}>
          {aside}
          <details
            class="figure-menu"
            ref={menu}
            onBlur={event => {
              if (!event.currentTarget.contains(event.relatedTarget as Node | null)) event.currentTarget.open = false;
            }}
            onKeyDown={event => {
              if (event.key !== 'Escape') return;
              event.currentTarget.open = false;
              event.currentTarget.querySelector('summary')?.focus();
            }}
          >
            <summary aria-label={`Save or read: ${title}`}>
              <svg width="16" height="16" viewBox="0 0 16 16" fill="currentColor" aria-hidden="true">
                <circle cx="3" cy="8" r="1.4" />
                <circle cx="8" cy="8" r="1.4" />
                <circle cx="13" cy="8" r="1.4" />
              </svg>
            </summary>
            <div class="menu">
              {table && (
                <button type="button" onClick={run(() => setAsTable(!asTable))}>
                  {asTable ? 'Show as figure' : 'Show as table'}
                </button>
              )}
              <button
                type="button"
                disabled={asTable}
                onClick={run(() => saveText(`${name}.svg`, 'image/svg+xml', standaloneSvg(drawing(), caption)))}
              >
                Save SVG
              </button>
              <button type="button" disabled={asTable} onClick={run(() => savePng(`${name}.png`, drawing(), caption))}>
                Save PNG
              </button>
              {table && (
                <button
                  type="button"
                  onClick={run(() => {
                    const { columns, rows } = table();
                    saveText(`${name}.csv`, 'text/csv', csvOf(columns, rows));
                  })}
                >
                  Save CSV
                </button>
              )}
            </div>
          </details>
        </div>
      </header>
      {asTable && table ? <DataTable {...table()} /> : <div ref={body}>{children}</div>}
      {!asTable && legend && <Legend entries={legend} />}
      {!asTable && scale && <Scale {...scale} />}
    </figure>
  );
}
