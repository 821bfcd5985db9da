/**
 * A figure as data: panels that hold marks in data coordinates, with every colour, position and word already decided.
 * Nothing here draws. `draw.ts` turns a figure into SVG with Observable Plot, in Node or in a browser, and `plotly.ts`
 * into Plotly's form; both read only what stands in this file, so a figure can be stored, compared or sent as JSON.
 */

/** A CSS colour. */
export type Colour = string;

/** How numbers of one dimension are laid out and labelled. */
export interface Axis {
  readonly type: 'linear' | 'log' | 'band';
  /** The two ends (a larger first end reverses the axis), or for `band` every category in order. */
  readonly domain: readonly number[] | readonly string[];
  readonly label?: string;
  /** Where ticks stand, or about how many; default: chosen for the size. An empty list hides them. */
  readonly ticks?: number | readonly number[];
  /** Words for ticks, in the order of `ticks`. */
  readonly tickLabels?: readonly string[];
  readonly format?: 'number' | 'percent' | 'power';
  /** Light lines across the panel at the ticks; default false. */
  readonly grid?: boolean;
}

/** Colours for a range of numbers: `colours` are evenly spaced over `domain`, numbers outside take the end colours. */
export interface ColourRamp {
  readonly domain: readonly [number, number];
  readonly colours: readonly Colour[];
}

/** A place along an axis: a number, or a name where the axis is of bands. */
export type Coordinate = number | string;

/** Arrows with a head, or plain segments where `head` is false. */
export interface ArrowMark {
  readonly kind: 'arrows';
  readonly data: readonly {
    readonly from: readonly [number, number];
    readonly to: readonly [number, number];
    readonly colour: Colour;
    readonly tooltip?: string;
  }[];
  readonly width: number;
  readonly head: boolean;
  /** A thin dark edge, by which light colours stand out from the paper; default false. */
  readonly outlined?: boolean;
  readonly dash?: string;
  readonly opacity?: number;
}

/** Words at points. `dx` and `dy` are pixels, right and down. */
export interface TextMark {
  readonly kind: 'text';
  readonly data: readonly { readonly x: Coordinate; readonly y: Coordinate; readonly text: string }[];
  readonly anchor?: 'start' | 'middle' | 'end';
  readonly dx?: number;
  readonly dy?: number;
  readonly size?: number;
  readonly colour?: Colour;
}

/** One line through points in order; a point whose y is not finite breaks it. */
export interface LineMark {
  readonly kind: 'line';
  readonly name?: string;
  readonly points: readonly (readonly [number, number])[];
  readonly colour: Colour;
  readonly width?: number;
  readonly dash?: string;
  /** Marks each point with a dot; default false. */
  readonly dots?: boolean;
}

/** The area between two lines, as for an interval at each x. */
export interface BandMark {
  readonly kind: 'band';
  readonly points: readonly { readonly x: number; readonly low: number; readonly high: number }[];
  readonly colour: Colour;
}

/** Single points; `low` and `high` draw an interval through one, along x. */
export interface DotMark {
  readonly kind: 'dots';
  readonly name?: string;
  readonly data: readonly {
    readonly x: number;
    readonly y: Coordinate;
    readonly low?: number;
    readonly high?: number;
    readonly tooltip?: string;
  }[];
  readonly colour: Colour;
  readonly radius: number;
  readonly hollow?: boolean;
  readonly opacity?: number;
  /** Pixels down from each y, to set apart points of one category. */
  readonly dy?: number;
}

/** Horizontal bars from 0 to `value`, one for each whole number on y. */
export interface BarMark {
  readonly kind: 'bars';
  readonly data: readonly {
    readonly y: number;
    readonly value: number;
    readonly colour: Colour;
    readonly tooltip?: string;
  }[];
}

/** A rectangle of coloured cells: row r, column c is between `yEdges[r]` and `yEdges[r + 1]`, and so for x. */
export interface CellMark {
  readonly kind: 'cells';
  readonly xEdges: readonly number[];
  readonly yEdges: readonly number[];
  /** Row-major, one for each cell. */
  readonly values: readonly number[];
  readonly ramp: ColourRamp;
  readonly tooltips?: readonly string[];
}

/** A line across the whole panel, at one x or one y. */
export interface RuleMark {
  readonly kind: 'rule';
  readonly at: number;
  readonly along: 'x' | 'y';
  readonly colour: Colour;
  readonly width?: number;
  readonly dash?: string;
}

/** Anything that is drawn in a panel. */
export type Mark = ArrowMark | TextMark | LineMark | BandMark | DotMark | BarMark | CellMark | RuleMark;

/** Room around a panel, in pixels of the SVG. */
export interface Margin {
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  readonly left: number;
}

/** A coordinate system at a place in the figure. Sizes are pixels, margins included. */
export interface Panel {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  /** The room from the panel's edge to its data area, in which titles, ticks and labels stand. */
  readonly margin: Margin;
  readonly title?: string;
  /** A label left of the data area, for a row of panels. */
  readonly rowLabel?: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly frame: boolean;
  /** Later marks cover earlier ones. */
  readonly marks: readonly Mark[];
}

/** What colours mean: a ramp of numbers, or named samples. */
export type Legend =
  | { readonly kind: 'ramp'; readonly label: string; readonly ramp: ColourRamp; readonly ticks: readonly number[] }
  | { readonly kind: 'samples'; readonly label?: string; readonly samples: readonly LegendSample[] };

/** One entry of a legend. */
export interface LegendSample {
  readonly label: string;
  readonly colour: Colour;
  readonly shape: 'line' | 'dashed' | 'square' | 'dot' | 'ring';
}

/** A whole picture. `top` of its panels counts from below the header. */
export interface Figure {
  /** Kind of figure, in kebab-case: a class of its SVG. */
  readonly name: string;
  readonly title: string;
  readonly subtitle?: string;
  readonly width: number;
  /** Height of the panels' area, without the header. */
  readonly height: number;
  readonly legends: readonly Legend[];
  readonly panels: readonly Panel[];
}

/** The words that the caller of every figure can set. */
export interface FigureText {
  readonly title?: string;
  readonly subtitle?: string;
}
