/** A technical word, explained where it stands on hover, focus or tap. Escape closes the explanation. */
import type { ComponentChildren } from 'preact';
import { useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { GLOSSARY, type TermId } from '../data/glossary.ts';

interface TermProps {
  readonly id: TermId;
  /** The word as it stands in the sentence. Default the glossary's own. */
  readonly children?: ComponentChildren;
}

/** Pixels between the explanation and the edge of the page. */
const ROOM = 12;

/** A word of the glossary as a button with its explanation. */
export function Term({ id, children }: TermProps) {
  const [open, setOpen] = useState(false);
  const tip = useId();
  const text = useRef<HTMLSpanElement>(null);
  useLayoutEffect(() => {
    const element = text.current;
    if (!open || !element) return;
    element.style.translate = '0';
    const { left, right } = element.getBoundingClientRect();
    const edge = document.documentElement.clientWidth - ROOM;
    const shift = right > edge ? edge - right : left < ROOM ? ROOM - left : 0;
    element.style.translate = `${shift}px`;
  }, [open]);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: hovering is a second way to what the button inside does
    <span class="term" onMouseEnter={() => setOpen(true)} onMouseLeave={() => setOpen(false)}>
      <button
        type="button"
        aria-describedby={tip}
        onFocus={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onClick={() => setOpen(true)}
        onKeyDown={event => {
          if (event.key === 'Escape') setOpen(false);
        }}
      >
        {children ?? id}
      </button>
      <span ref={text} role="tooltip" id={tip} class={open ? 'tip open' : 'tip'}>
        {GLOSSARY[id]}
      </span>
    </span>
  );
}
