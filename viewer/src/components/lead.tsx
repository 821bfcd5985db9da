/** The title of a view and one sentence on what it shows. */
import type { ComponentChildren } from 'preact';

interface LeadProps {
  readonly title: string;
  readonly children: ComponentChildren;
}

export function Lead({ title, children }: LeadProps) {
  return (
    <div class="lead">
      <h1 tabIndex={-1}>{title}</h1>
      <p>{children}</p>
    </div>
  );
}

export function Empty({ children }: { readonly children: ComponentChildren }) {
  return <div class="empty">{children}</div>;
}
