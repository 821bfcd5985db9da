// biome-ignore-all lint/a11y/noSvgWithoutTitle: its name is given by aria-label, or by the text around it
// biome-ignore-all lint/a11y/noStaticElementInteractions: keyboards select by the chips and tables beside the figure
// biome-ignore-all lint/a11y/useSemanticElements: SVG has no such element
/**
 * The interactive plane. It shows the cloud of activations, true directions as broad bands, latents as arrows over
 * them, the regions in which each latent is the strongest, and one point that can be dragged. Coordinates are those of
 * the plane, y upwards, on equal axes.
 */
import { scaleLinear } from 'd3-scale';
import { useMemo, useRef } from 'preact/hooks';
import type { PlaneArrow, PlanePoint, Trail } from '../data/arrows.ts';
import { useWidth } from './use-width.ts';

/** What the plane shows. */
export interface PlaneProps {
  /** A description of the figure for people who do not see it; empty where the text around it describes it. */
  readonly label: string;
  /** Half the side of the square that is shown. */
  readonly extent: number;
  /** x and y in turn. */
  readonly cloud?: Float32Array | undefined;
  readonly truth?: readonly PlaneArrow[];
  readonly latents?: readonly PlaneArrow[];
  /** The way that each latent has gone: x and y in turn, and its colour. */
  readonly trails?: readonly Trail[];
  /** The point b_dec, from which latents start, and the way that it has gone. */
  readonly bias?: PlanePoint | undefined;
  readonly biasTrail?: readonly number[] | undefined;
  /** The address of a picture of the whole square. */
  readonly regions?: string | undefined;
  readonly point?: PlanePoint | undefined;
  /** The autoencoder's reconstruction of the point. */
  readonly reconstruction?: PlanePoint | undefined;
  /** Is told where the point is dragged to. Without it the point stays. */
  readonly onDrag?: ((point: PlanePoint) => void) | undefined;
  /** Is told the index of the true direction that was pressed. */
  readonly onTruth?: ((index: number) => void) | undefined;
  /** Is told the index of the latent that was pressed. */
  readonly onLatent?: ((index: number) => void) | undefined;
  /** The greatest side in pixels. Default 620. */
  readonly largest?: number;
  /** The names of the x axis and the y axis. */
  readonly axes?: readonly [string, string] | undefined;
}

/** The share of the half side by which one press of an arrow key moves the point. */
const KEY_STEP = 0.02;
const SHORTEST = 1e-2;
const ORIGIN = { x: 0, y: 0 };

function linePath(points: readonly number[], x: (value: number) => number, y: (value: number) => number): string {
  const at = (i: number): string => `${x(points[2 * i]!).toFixed(1)} ${y(points[2 * i + 1]!).toFixed(1)}`;
  return `M${Array.from({ length: points.length / 2 }, (_, i) => at(i)).join('L')}`;
}

function cloudPath(cloud: Float32Array, x: (value: number) => number, y: (value: number) => number): string {
  let path = '';
  for (let i = 0; i < cloud.length; i += 2) path += `M${x(cloud[i]!).toFixed(1)} ${y(cloud[i + 1]!).toFixed(1)}h0`;
  return path;
}

/**
 * The square plane, as wide as its place and at most `largest` pixels. The arrow keys move the point as dragging does.
 */
export function Plane(props: PlaneProps) {
  const { extent, cloud, truth = [], latents = [], trails = [], regions, point, reconstruction, onDrag } = props;
  const [ref, width] = useWidth(320);
  const svg = useRef<SVGSVGElement>(null);
  const size = Math.min(width, props.largest ?? 620);
  const x = useMemo(() => scaleLinear([-extent, extent], [0, size]), [extent, size]);
  const y = useMemo(() => scaleLinear([-extent, extent], [size, 0]), [extent, size]);
  const dots = useMemo(() => (cloud ? cloudPath(cloud, x, y) : ''), [cloud, x, y]);
  const head = Math.max(6, Math.min(10, size / 52));
  const ticks = x.ticks(4).filter(value => value !== 0);

  const drag = (event: PointerEvent): void => {
    if (!onDrag || !svg.current) return;
    const box = svg.current.getBoundingClientRect();
    const clamp = (value: number): number => Math.max(-extent, Math.min(extent, value));
    onDrag({ x: clamp(x.invert(event.clientX - box.left)), y: clamp(y.invert(event.clientY - box.top)) });
  };
  const nudge = (event: KeyboardEvent): void => {
    if (!onDrag || !point) return;
    const step = extent * KEY_STEP * (event.shiftKey ? 5 : 1);
    const moves: Record<string, [number, number]> = {
      ArrowLeft: [-step, 0],
      ArrowRight: [step, 0],
      ArrowUp: [0, step],
      ArrowDown: [0, -step],
    };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    onDrag({ x: point.x + move[0], y: point.y + move[1] });
  };

  return (
    <div ref={ref} style={{ display: 'grid', justifyItems: 'center' }}>
      <svg
        ref={svg}
        width={size}
        height={size}
        viewBox={`0 0 ${size} ${size}`}
        {...(props.label ? { role: 'group', 'aria-label': props.label } : { 'aria-hidden': true })}
        style={{ touchAction: onDrag ? 'none' : 'auto', cursor: onDrag ? 'crosshair' : 'default' }}
        onPointerDown={event => {
          if (!onDrag) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          drag(event);
        }}
        onPointerMove={event => {
          if (event.buttons > 0) drag(event);
        }}
      >
        <clipPath id={`clip-${size}`}>
          <rect width={size} height={size} rx="6" />
        </clipPath>
        <g clip-path={`url(#clip-${size})`}>
          <rect width={size} height={size} rx="6" fill="var(--page)" />
          {regions && <image href={regions} width={size} height={size} preserveAspectRatio="none" />}
          <path d={`M0 ${y(0)}H${size}M${x(0)} 0V${size}`} stroke="var(--line-strong)" fill="none" />
          {size > 260 &&
            ticks.map(value => (
              <g key={value} fill="var(--quiet)" font-size="11">
                <text x={x(value)} y={y(0) + 14} text-anchor="middle">
                  {String(value).replace('-', '−')}
                </text>
                <text x={x(0) - 6} y={y(value) + 4} text-anchor="end">
                  {String(value).replace('-', '−')}
                </text>
              </g>
            ))}
          {dots && (
            <path
              d={dots}
              stroke="var(--cloud)"
              stroke-width={size > 400 ? 2.6 : 2}
              stroke-opacity="0.2"
              stroke-linecap="round"
              fill="none"
            />
          )}
          {truth.map(arrow => (
            <line
              key={arrow.index}
              class="true-direction"
              x1={x(0)}
              y1={y(0)}
              x2={x(arrow.x)}
              y2={y(arrow.y)}
              stroke={arrow.colour}
              stroke-width={arrow.selected ? 15 : 10}
              stroke-opacity={arrow.selected ? 0.55 : 0.3}
              stroke-linecap="round"
              style={{ cursor: props.onTruth ? 'pointer' : 'inherit' }}
              onClick={() => props.onTruth?.(arrow.index)}
            />
          ))}
          {trails.map((trail, index) => (
            <path
              key={index}
              d={linePath(trail.points, x, y)}
              fill="none"
              stroke={trail.colour}
              stroke-width="1.5"
              stroke-opacity="0.55"
              stroke-dasharray="1 3"
              stroke-linecap="round"
            />
          ))}
        </g>
        {latents.map(arrow => {
          const { x: fromX, y: fromY } = arrow.from ?? ORIGIN;
          if (Math.hypot(arrow.x - fromX, arrow.y - fromY) < SHORTEST) return null;
          const angle = Math.atan2(fromY - arrow.y, arrow.x - fromX);
          const [tipX, tipY] = [x(arrow.x), y(arrow.y)];
          const back = (side: number): string =>
            `${(tipX - head * 1.5 * Math.cos(angle) + side * head * 0.62 * Math.sin(angle)).toFixed(2)} ${(tipY - head * 1.5 * Math.sin(angle) - side * head * 0.62 * Math.cos(angle)).toFixed(2)}`;
          return (
            <g
              key={arrow.index}
              class="latent"
              data-latent={arrow.index}
              style={{ cursor: props.onLatent ? 'pointer' : 'inherit' }}
              onClick={() => props.onLatent?.(arrow.index)}
            >
              <line
                x1={x(fromX)}
                y1={y(fromY)}
                x2={tipX - head * Math.cos(angle)}
                y2={tipY - head * Math.sin(angle)}
                stroke={arrow.colour}
                stroke-width={arrow.selected ? 4 : 2.25}
                {...(arrow.loose ? { 'stroke-dasharray': '5 4' } : {})}
              />
              <path d={`M${tipX} ${tipY}L${back(1)}L${back(-1)}Z`} fill={arrow.colour} />
            </g>
          );
        })}
        {props.biasTrail && (
          <path
            d={linePath(props.biasTrail, x, y)}
            fill="none"
            stroke="var(--ink)"
            stroke-width="1.5"
            stroke-dasharray="1 4"
            stroke-linecap="round"
          />
        )}
        {props.bias && (
          <path
            class="b-dec"
            d={`M${x(props.bias.x) - 5} ${y(props.bias.y) - 5}l10 10m0 -10l-10 10`}
            stroke="var(--ink)"
            stroke-width="2.5"
            fill="none"
          />
        )}
        {size > 190 &&
          truth.map(arrow => {
            const length = Math.hypot(arrow.x, arrow.y);
            if (length < SHORTEST) return null;
            const beyond = 1 + (17 * 2 * extent) / (size * length);
            return (
              <text
                key={arrow.index}
                x={x(arrow.x * beyond)}
                y={y(arrow.y * beyond) + 4.5}
                text-anchor="middle"
                font-size="13"
                font-weight="640"
                fill="var(--ink)"
                style={{ pointerEvents: 'none' }}
              >
                {arrow.label}
              </text>
            );
          })}
        {reconstruction && point && (
          <g style={{ pointerEvents: 'none' }}>
            <line
              x1={x(point.x)}
              y1={y(point.y)}
              x2={x(reconstruction.x)}
              y2={y(reconstruction.y)}
              stroke="var(--ink)"
              stroke-width="1.25"
              stroke-dasharray="2 3"
            />
            <rect
              x={x(reconstruction.x) - 4.5}
              y={y(reconstruction.y) - 4.5}
              width="9"
              height="9"
              transform={`rotate(45 ${x(reconstruction.x)} ${y(reconstruction.y)})`}
              fill="var(--surface)"
              stroke="var(--ink)"
              stroke-width="1.75"
            />
          </g>
        )}
        {point && (
          <circle
            cx={x(point.x)}
            cy={y(point.y)}
            r="8"
            fill="var(--ink)"
            stroke="var(--surface)"
            stroke-width="2.5"
            {...(onDrag
              ? {
                  tabindex: 0,
                  role: 'application',
                  'aria-label': `Point at ${point.x.toFixed(2)}, ${point.y.toFixed(2)}. Arrow keys move it.`,
                  onKeyDown: nudge,
                  style: { cursor: 'grab' },
                }
              : { style: { pointerEvents: 'none' as const } })}
          />
        )}
        {props.axes && size > 300 && (
          <g fill="var(--quiet)" font-size="11.5">
            <text x={size - 6} y={y(0) - 7} text-anchor="end">
              {props.axes[0]}
            </text>
            <text x={x(0) + 8} y="15">
              {props.axes[1]}
            </text>
          </g>
        )}
      </svg>
    </div>
  );
}
