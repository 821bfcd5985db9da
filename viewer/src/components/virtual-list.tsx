/** A long list of equal rows of which only those in sight exist. */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';

interface VirtualListProps {
  readonly count: number;
  readonly rowHeight: number;
  /** Height in pixels; shorter lists take what they need. */
  readonly height: number;
  readonly label: string;
  readonly row: (index: number) => ComponentChildren;
}

const OVERSCAN = 4;

export function VirtualList({ count, rowHeight, height, label, row }: VirtualListProps) {
  const [top, setTop] = useState(0);
  if (count * rowHeight <= height) {
    return (
      // biome-ignore lint/a11y/useSemanticElements: rows are grids, not list items
      <div role="group" aria-label={label}>
        {Array.from({ length: count }, (_, index) => row(index))}
      </div>
    );
  }
  const first = Math.max(0, Math.floor(top / rowHeight) - OVERSCAN);
  const last = Math.min(count, Math.ceil((top + height) / rowHeight) + OVERSCAN);
  return (
    <section
      class="virtual"
      aria-label={`${label} (${count})`}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: scrollable
      tabIndex={0}
      style={{ height: `${height}px` }}
      onScroll={event => setTop(event.currentTarget.scrollTop)}
    >
      <div style={{ height: `${count * rowHeight}px`, position: 'relative' }}>
        <div style={{ position: 'absolute', top: `${first * rowHeight}px`, left: 0, right: 0 }}>
          {Array.from({ length: last - first }, (_, i) => row(first + i))}
        </div>
      </div>
    </section>
  );
}
