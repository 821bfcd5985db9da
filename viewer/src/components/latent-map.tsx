// biome-ignore-all lint/a11y/noStaticElementInteractions: latents are chosen by number as well
// biome-ignore-all lint/a11y/useKeyWithClickEvents: latents are chosen by number as well
/**
 * Thousands of latents as dots, painted on a canvas inside an SVG picture. A dot can be chosen by pointer, or by the
 * fields beside the map.
 */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { resolvedColour, viridis } from '../data/colours.ts';
import type { MapColours } from '../state/latent-map.ts';
import { dark } from '../state/settings.ts';
import { useWidth } from './use-width.ts';

interface LatentMapProps {
  readonly label: string;
  /** x and y of each latent in turn, [2 · latents]. */
  readonly points: Float32Array;
  /** What the colours stand for, and each latent's value; undefined draws all dots alike. */
  readonly colours: MapColours | undefined;
  readonly selected: number | undefined;
  readonly onSelect: (latent: number) => void;
}

/** Pixels between the outermost dot and the edge. */
const MARGIN = 14;
/** Pixels within which a dot counts as under the pointer. */
const NEAR = 14;
const STEPS = 48;

/** The map, with the number of the dot under the pointer. A press near a dot calls `onSelect` with its latent. */
export function LatentMap({ label, points, colours, selected, onSelect }: LatentMapProps) {
  const [ref, width] = useWidth(320);
  const size = Math.min(width, 680);
  const [image, setImage] = useState('');
  const svg = useRef<SVGSVGElement>(null);
  const [hovered, setHovered] = useState<number | undefined>(undefined);
  const isDark = dark.value;

  const reach = useMemo(() => {
    let most = 1e-9;
    for (const value of points) most = Math.max(most, Math.abs(value));
    return most;
  }, [points]);
  const scale = (size / 2 - MARGIN) / reach;
  const place = (latent: number): [number, number] => [
    size / 2 + points[2 * latent]! * scale,
    size / 2 - points[2 * latent + 1]! * scale,
  ];

  useEffect(() => {
    const canvas = document.createElement('canvas');
    const ratio = 2;
    canvas.width = size * ratio;
    canvas.height = size * ratio;
    const context = canvas.getContext('2d')!;
    context.scale(ratio, ratio);
    const steps = Array.from({ length: STEPS }, (_, i) => resolvedColour(viridis(i / (STEPS - 1))));
    const none = resolvedColour('var(--unmatched)');
    const count = points.length / 2;
    const radius = Math.max(1.1, Math.min(4, 90 / Math.sqrt(count)));
    context.globalAlpha = count > 4000 ? 0.7 : 0.9;
    for (let latent = 0; latent < count; latent++) {
      const value = colours?.values[latent] ?? Number.NaN;
      const part = colours ? (value - colours.from) / (colours.to - colours.from || 1) : Number.NaN;
      context.fillStyle = Number.isNaN(part)
        ? none
        : steps[Math.max(0, Math.min(STEPS - 1, Math.floor(part * STEPS)))]!;
      const [x, y] = place(latent);
      context.fillRect(x - radius, y - radius, 2 * radius, 2 * radius);
    }
    // Encoding a picture of this size takes longer than a frame, so that the browser does it off the page's thread.
    let stale = false;
    canvas.toBlob(blob => {
      if (!blob || stale) return;
      const reader = new FileReader();
      reader.onload = () => {
        if (!stale) setImage(reader.result as string);
      };
      reader.readAsDataURL(blob);
    });
    return () => {
      stale = true;
    };
  }, [points, colours, size, isDark]);

  const nearest = (event: PointerEvent): number | undefined => {
    const box = svg.current!.getBoundingClientRect();
    const [px, py] = [event.clientX - box.left, event.clientY - box.top];
    let best: number | undefined;
    let distance = NEAR ** 2;
    for (let latent = 0; latent < points.length / 2; latent++) {
      const [x, y] = place(latent);
      const away = (x - px) ** 2 + (y - py) ** 2;
      if (away >= distance) continue;
      distance = away;
      best = latent;
    }
    return best;
  };
  const marked = hovered ?? selected;
  return (
    <div ref={ref} style={{ display: 'grid', justifyItems: 'center' }}>
      <svg
        ref={svg}
        width={size}
        height={size}
        viewBox={`0 0 ${size} ${size}`}
        role="img"
        aria-label={label}
        style={{ cursor: hovered === undefined ? 'default' : 'pointer' }}
        onPointerMove={event => setHovered(nearest(event))}
        onPointerLeave={() => setHovered(undefined)}
        onClick={event => {
          const found = nearest(event as unknown as PointerEvent);
          if (found !== undefined) onSelect(found);
        }}
      >
        <rect width={size} height={size} rx="6" fill="var(--page)" />
        <path d={`M0 ${size / 2}H${size}M${size / 2} 0V${size}`} stroke="var(--line)" />
        {image && <image href={image} width={size} height={size} />}
        {marked !== undefined && 2 * marked < points.length && (
          <g style={{ pointerEvents: 'none' }}>
            <circle
              cx={place(marked)[0]}
              cy={place(marked)[1]}
              r="7"
              fill="none"
              stroke="var(--ink)"
              stroke-width="2"
            />
            <text
              x={Math.min(size - 8, place(marked)[0] + 12)}
              y={place(marked)[1] + 4}
              font-size="12.5"
              font-weight="600"
              fill="var(--ink)"
              paint-order="stroke"
              stroke="var(--page)"
              stroke-width="4"
              text-anchor={place(marked)[0] > size - 90 ? 'end' : 'start'}
            >
              {marked}
            </text>
          </g>
        )}
      </svg>
    </div>
  );
}
