// biome-ignore-all lint/a11y/noStaticElementInteractions: the sliders beneath do the same by keyboard
/**
 * A histogram of bars of equal width. Where `onBrush` is given, the person can choose a range by pointer or by two
 * sliders.
 */
import { scaleLinear } from 'd3-scale';
import { useRef } from 'preact/hooks';
import type { Histogram as Bins } from '../data/firings.ts';
import { brief } from '../data/numbers.ts';
import { useWidth } from './use-width.ts';

interface HistogramProps {
  readonly label: string;
  readonly bins: Bins;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly colour?: string;
  readonly height?: number;
  /** Writes a value of the x axis. */
  readonly format?: (value: number) => string;
  /** Whether values are whole numbers, so that no tick stands between two of them. */
  readonly whole?: boolean;
  /** The chosen range of the x axis. */
  readonly brush?: readonly [number, number] | undefined;
  /** Is told each new range, and undefined where none is chosen any more. */
  readonly onBrush?: (range: readonly [number, number] | undefined) => void;
}

const LEFT = 46;
const RIGHT = 12;
const TOP = 8;
const BOTTOM = 36;

/** The bars, both axes, and the range of `brush` where there is one. */
export function Histogram(props: HistogramProps) {
  const { bins, label, height = 170, colour = 'var(--accent)', format = brief, brush, onBrush } = props;
  const [ref, width] = useWidth(320);
  const svg = useRef<SVGSVGElement>(null);
  const start = useRef<number | undefined>(undefined);
  const { from, to, counts } = bins;
  const span = to > from ? to - from : 1;
  const x = scaleLinear([from, from + span], [LEFT, width - RIGHT]);
  const y = scaleLinear([0, Math.max(1, ...counts)], [height - BOTTOM, TOP]).nice(3);
  const step = span / counts.length;
  const ticks = x
    .ticks(Math.max(2, Math.min(8, Math.floor(width / 70))))
    .filter(value => !props.whole || Number.isInteger(value));

  const valueAt = (event: PointerEvent): number => {
    const box = svg.current!.getBoundingClientRect();
    return Math.max(from, Math.min(to, x.invert(event.clientX - box.left)));
  };
  const inside = (middle: number): boolean => !brush || (middle >= brush[0] && middle <= brush[1]);

  return (
    <div ref={ref}>
      <svg
        ref={svg}
        width={width}
        height={height}
        viewBox={`0 0 ${width} ${height}`}
        role="img"
        aria-label={label}
        style={{ cursor: onBrush ? 'crosshair' : 'default', touchAction: onBrush ? 'pan-y' : 'auto' }}
        onPointerDown={event => {
          if (!onBrush) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          start.current = valueAt(event);
        }}
        onPointerMove={event => {
          if (!onBrush || start.current === undefined) return;
          const now = valueAt(event);
          const range = [Math.min(start.current, now), Math.max(start.current, now)] as const;
          if (range[1] - range[0] > span / 200) onBrush(range);
        }}
        onPointerUp={event => {
          if (onBrush && start.current !== undefined && Math.abs(valueAt(event) - start.current) <= span / 200) {
            onBrush(undefined);
          }
          start.current = undefined;
        }}
      >
        {y
          .ticks(3)
          .filter(Number.isInteger)
          .map(value => (
            <g key={value}>
              <line x1={LEFT} x2={width - RIGHT} y1={y(value)} y2={y(value)} stroke="var(--line)" />
              <text x={LEFT - 6} y={y(value) + 4} text-anchor="end" font-size="11.5" fill="var(--quiet)">
                {value >= 10_000 ? `${value / 1000}k` : value}
              </text>
            </g>
          ))}
        {brush && (
          <rect
            x={x(brush[0])}
            y={TOP}
            width={Math.max(1, x(brush[1]) - x(brush[0]))}
            height={height - BOTTOM - TOP}
            fill="var(--accent-soft)"
          />
        )}
        {counts.map((count, i) =>
          count > 0 ? (
            <rect
              key={i}
              x={x(from + i * step) + 0.5}
              y={Math.min(y(count), height - BOTTOM - 1.5)}
              width={Math.max(1, x(from + (i + 1) * step) - x(from + i * step) - 1)}
              height={Math.max(1.5, height - BOTTOM - y(count))}
              fill={inside(from + (i + 0.5) * step) ? colour : 'var(--line-strong)'}
            >
              <title>{`${format(from + i * step)} to ${format(from + (i + 1) * step)}: ${count}`}</title>
            </rect>
          ) : null,
        )}
        <line x1={LEFT} x2={width - RIGHT} y1={height - BOTTOM} y2={height - BOTTOM} stroke="var(--line-strong)" />
        {ticks.map(value => (
          <text
            key={value}
            x={x(value)}
            y={height - BOTTOM + 15}
            text-anchor="middle"
            font-size="11.5"
            fill="var(--quiet)"
          >
            {format(value)}
          </text>
        ))}
        <text x={width - RIGHT} y={height - 4} text-anchor="end" font-size="11.5" fill="var(--quiet)">
          {props.xTitle}
        </text>
        <text x={LEFT} y={height - 4} font-size="11.5" fill="var(--quiet)">
          {props.yTitle}
        </text>
      </svg>
      {onBrush && (
        <div class="row brush">
          {[0, 1].map(end => (
            <label key={end} class="small quiet row">
              {end === 0 ? 'from' : 'to'}
              <input
                type="range"
                min={from}
                max={to}
                step={span / 60}
                value={brush?.[end] ?? (end === 0 ? from : to)}
                aria-label={`${props.xTitle}, ${end === 0 ? 'from' : 'to'}`}
                onInput={event => {
                  const value = event.currentTarget.valueAsNumber;
                  const other = brush?.[1 - end] ?? (end === 0 ? to : from);
                  onBrush([Math.min(value, other), Math.max(value, other)]);
                }}
              />
            </label>
          ))}
          {brush && (
            <button type="button" class="button tiny" onClick={() => onBrush(undefined)}>
              All
            </button>
          )}
        </div>
      )}
    </div>
  );
}
