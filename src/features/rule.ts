/**
 * Rules that label a latent without a language model: it fires where the row's token is this one, where the token's text matches a
 * pattern, where a label column has a value. Plain data that a bundle holds and a page shows. Browser-safe.
 */

/** One rule; `text` says it in words. */
export type Rule = { readonly text: string } & (
  | { readonly kind: 'always' }
  | { readonly kind: 'token'; readonly token: number }
  | { readonly kind: 'previous-token'; readonly token: number }
  | { readonly kind: 'pattern'; readonly pattern: string }
  | { readonly kind: 'label'; readonly column: number; readonly value: number }
  | { readonly kind: 'position'; readonly below: number }
);

/** A row on which a rule is tested. */
export interface RuleRow {
  /** Token id; −1 where there is none. */
  readonly token: number;
  /** Token id of the row before, in the same sequence; −1 where there is none. */
  readonly previousToken: number;
  /** Position in the sequence; −1 where unknown. */
  readonly position: number;
  /** Code of each label column; −1 where empty. */
  readonly labels: ArrayLike<number>;
}
