/** Rows on which a latent fired, shown as tokens in their text, as labels, or as the features behind them. */
import { featureColour } from '../data/colours.ts';
import { counted, shown } from '../data/numbers.ts';
import type { ExampleOnPage } from '../state/latent-page.ts';
import { view } from '../state/navigation.ts';
import { rows } from '../state/rows.ts';
import { selectedRow } from '../state/selection.ts';

/** A token with its spaces and line ends made visible. */
const visible = (token: string): string => token.replaceAll('\n', '⏎').replaceAll('\t', '⇥').replace(/^[Ġ▁]/, ' ');

function Tokens({ example, max }: { readonly example: ExampleOnPage; readonly max: number }) {
  const { context } = example;
  if (!context) return null;
  return (
    <p class="tokens">
      {context.tokens.map((token, i) => {
        const value = context.values[i]!;
        const strength = max > 0 ? Math.min(1, Math.max(0, value) / max) : 0;
        const own = i === context.qualifying;
        const shade = { '--strength': `${Math.round(78 * strength)}%` };
        return (
          <span
            key={i}
            class={`token${own ? ' own' : ''}${strength > 0.62 ? ' strong' : ''}`}
            style={strength > 0 ? shade : {}}
            title={`${visible(token)}: ${shown(value, 3)}`}
          >
            {visible(token)}
          </span>
        );
      })}
    </p>
  );
}

function Features({ example }: { readonly example: ExampleOnPage }) {
  const width = rows.value?.features?.shape[1] ?? 1;
  return (
    <span class="row">
      {example.features!.slice(0, 6).map(([feature, value]) => (
        <span key={feature} class="status number">
          <span class="dot" style={{ '--dot': featureColour(feature, width) }} />
          {feature}
          <span class="quiet">{shown(value, 2)}</span>
        </span>
      ))}
    </span>
  );
}

interface ExamplesProps {
  readonly examples: readonly ExampleOnPage[];
  /** The latent's largest activation, which takes the strongest colour. */
  readonly max: number;
  readonly label: string;
}

/**
 * A list of rows, each with its activation, its text, label or features, and a way to its sample page where the rows
 * are open.
 */
export function Examples({ examples, max, label }: ExamplesProps) {
  const canOpen = rows.value !== undefined;
  return (
    <ol class="examples" aria-label={label}>
      {examples.map((example, i) => (
        <li key={`${example.row}-${i}`}>
          <span class="example-value number">
            <i style={{ width: `${max > 0 ? (100 * example.value) / max : 0}%` }} />
            {shown(example.value, 3)}
          </span>
          <span class="example-body">
            {example.context ? (
              <Tokens example={example} max={max} />
            ) : example.features ? (
              <Features example={example} />
            ) : (
              <span>{example.label ?? <span class="quiet">no label</span>}</span>
            )}
          </span>
          {canOpen ? (
            <button
              type="button"
              class="button tiny plain number"
              aria-label={`Open row ${counted(example.row)}`}
              onClick={() => {
                selectedRow.value = example.row;
                view.value = 'sample';
              }}
            >
              row {counted(example.row)}
            </button>
          ) : (
            <span class="small quiet number">row {counted(example.row)}</span>
          )}
        </li>
      ))}
    </ol>
  );
}
