// biome-ignore-all lint/a11y/useAriaPropsSupportedByRole: a region and a row group may be named
// biome-ignore-all lint/a11y/useSemanticElements: the role depends on what the list is part of
/** A long list of rows of equal height. Only the rows in sight exist. */
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';

interface VirtualListProps {
  readonly count: number;
  readonly rowHeight: number;
  /** The greatest height in pixels; a shorter list takes what it needs. */
  readonly height: number;
  readonly label: string;
  /** Draws the row of an index from 0. Its height must be `rowHeight`. */
  readonly row: (index: number) => ComponentChildren;
  /** The list's role within something larger, such as `rowgroup` in a table. */
  readonly role?: 'rowgroup';
}

/** Rows above and below those in sight. */
const OVERSCAN = 4;

/** The list, which scrolls within `height` where its rows need more than that. */
export function VirtualList({ count, rowHeight, height, label, row, role }: VirtualListProps) {
  const [top, setTop] = useState(0);
  // A view's first frame draws what is in sight alone: a busy machine should not hold the page for longer.
  const [overscan, setOverscan] = useState(0);
  useEffect(() => {
    const frame = requestAnimationFrame(() => setOverscan(OVERSCAN));
    return () => cancelAnimationFrame(frame);
  }, []);
  if (count * rowHeight <= height) {
    return (
      <div {...(role ? { role } : { role: 'group', 'aria-label': label })}>
        {Array.from({ length: count }, (_, index) => row(index))}
      </div>
    );
  }
  const first = Math.max(0, Math.floor(top / rowHeight) - overscan);
  const last = Math.min(count, Math.ceil((top + height) / rowHeight) + overscan);
  return (
    <div
      class="virtual"
      role={role ?? 'region'}
      aria-label={`${label} (${count})`}
      tabIndex={0}
      style={{ height: `${height}px` }}
      onScroll={event => setTop(event.currentTarget.scrollTop)}
    >
      <div role="presentation" style={{ height: `${count * rowHeight}px`, position: 'relative' }}>
        <div role="presentation" style={{ position: 'absolute', top: `${first * rowHeight}px`, left: 0, right: 0 }}>
          {Array.from({ length: last - first }, (_, i) => row(first + i))}
        </div>
      </div>
    </div>
  );
}
