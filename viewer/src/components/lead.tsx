/** The title of a view and one sentence on what it shows. */
import type { ComponentChildren } from 'preact';
import { opening } from '../open/opening.ts';

interface LeadProps {
  readonly title: string;
  readonly children: ComponentChildren;
}

/** The heading of the page, which the skip link leads to, and the sentence under it. */
export function Lead({ title, children }: LeadProps) {
  return (
    <div class="lead">
      <h1 tabIndex={-1}>{title}</h1>
      <p>{children}</p>
    </div>
  );
}

/** What a view shows where there is nothing to show. While a model is being opened it says so instead. */
export function Empty({ children }: { readonly children: ComponentChildren }) {
  const [name] = opening.value;
  return (
    <div class="empty" aria-busy={name !== undefined}>
      {name === undefined ? children : `Opening ${name}…`}
    </div>
  );
}
