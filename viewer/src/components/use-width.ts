/** The width of an element, followed as the page changes. */
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

/**
 * Measures an element whenever its size changes.
 * @param initial - The width before the first measurement, in pixels.
 * @returns A ref to give to the element, and the element's width in pixels, 120 at least.
 */
export function useWidth(initial: number): [{ current: HTMLDivElement | null }, number] {
  const ref = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(initial);
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return undefined;
    const measure = (): void => setWidth(Math.max(120, Math.floor(element.clientWidth)));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}
