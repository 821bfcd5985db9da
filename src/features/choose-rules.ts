/**
 * Labels without a language model: for each latent the simple rule that best says when it fires, chosen on one half of a sample of rows and
 * scored on the other half, so that the F1 shown is not flattered by the choice.
 *
 * The rules: any row (the best that can be said of a latent that nearly always fires), a token, the token before, a label's value, the
 * first positions, and regular expressions of the token's text from a fixed family (a word in any case, its first and last two to four
 * letters, digits, capitals, punctuation, whitespace and the like).
 */
import { priorityOf } from './priority.ts';
import type { SampledRow } from './row-sample.ts';
import type { Rule } from './rule.ts';

/** The part of the family that does not depend on a token's own letters. Patterns have the flag u. */
const PATTERNS: readonly (readonly [pattern: string, text: string])[] = [
  ['^\\s+$', 'whitespace'],
  ['\\n', 'contains a line end'],
  ['^ ', 'begins with a space'],
  ['^\\p{L}', 'continues a word or begins a text'],
  ['^ ?\\d+$', 'number'],
  ['\\d', 'contains a digit'],
  ['^ ?\\p{Lu}', 'begins with a capital'],
  ['^ ?\\p{Lu}{2,}$', 'all capitals'],
  ['^ ?\\p{Ll}+$', 'all lower-case letters'],
  ['^ ?\\p{P}+$', 'punctuation'],
  ['[.!?]$', 'ends a sentence'],
  ['[()\\[\\]{}]', 'bracket'],
  ['["\'\u2018\u2019\u201c\u201d\u00ab\u00bb]', 'quotation mark or apostrophe'],
  ['[=+*/<>%-]', 'operator'],
  ['[^\\x00-\\x7F]', 'outside ASCII'],
  ['^ ?.$', 'a single character'],
  ['^ ?\\p{L}{8,}$', 'a word of eight letters or more'],
];

const FIRST_POSITIONS = [1, 2, 4, 8];
/** The longest is first: among equally good rules the more specific wins. */
const AFFIX_LENGTHS = [4, 3, 2];
/** The least number of rows on which a latent must fire for a rule to be chosen. */
const FEWEST_CHOOSING = 2;

/** The chosen rules. */
export interface RuleChoice {
  /** Each rule once. */
  readonly rules: readonly Rule[];
  /** Index of each latent's rule; −1 where it fires on too few rows of the sample. */
  readonly rule: Int32Array;
  /** [d_sae], the F1 on the held-out half; NaN where there is no rule. */
  readonly f1: Float32Array;
  readonly precision: Float32Array;
  readonly recall: Float32Array;
  readonly rows: number;
  readonly heldOutRows: number;
}

/** What rules are chosen from. */
export interface RuleChoiceOptions {
  readonly dSae: number;
  /** The text of a token; '' for a token without one. */
  readonly textOf: (token: number) => string;
  /** Name and values of each label column. */
  readonly labels: readonly { readonly name: string; readonly values: readonly string[] }[];
  /** The key of random choices, from `priorityKey`. */
  readonly key: number;
}

/**
 * Chooses a rule for each latent. The sample is divided by sequences, so that no text is in both halves; where there
 * are too few sequences, by rows. Of equally good rules any row comes first, then labels, tokens, patterns, tokens
 * before, positions; among these the rule that was met first.
 */
export function chooseRules(sample: readonly SampledRow[], options: RuleChoiceOptions): RuleChoice {
  const { dSae } = options;
  const predicates = new Predicates(options);
  const held = heldOut(sample, options.key);
  const ofRow = sample.map(row => predicates.of(row));
  const { rules } = predicates;
  // The number of rows on which each predicate holds, in the choosing and in the held-out half.
  const totals = [new Int32Array(rules.length), new Int32Array(rules.length)] as const;
  ofRow.forEach((ids, row) => {
    for (const id of ids) totals[held[row]!]![id]!++;
  });
  const { starts, rows } = rowsByLatent(sample, dSae);

  const choice = new Int32Array(dSae).fill(-1);
  const f1 = new Float32Array(dSae).fill(Number.NaN);
  const precision = new Float32Array(dSae).fill(Number.NaN);
  const recall = new Float32Array(dSae).fill(Number.NaN);
  const hits = new Int32Array(rules.length);
  for (let latent = 0; latent < dSae; latent++) {
    const own = rows.subarray(starts[latent]!, starts[latent + 1]!);
    let [choosing, scoring] = [0, 0];
    const touched: number[] = [];
    for (const row of own) {
      if (held[row] === 1) scoring++;
      else {
        choosing++;
        for (const id of ofRow[row]!) if (hits[id]!++ === 0) touched.push(id);
      }
    }
    let best = -1;
    let bestScore = 0;
    for (const id of touched) {
      const score = (2 * hits[id]!) / (choosing + totals[0][id]!);
      if (score > bestScore || (score === bestScore && isSimpler(rules, id, best))) [best, bestScore] = [id, score];
    }
    for (const id of touched) hits[id] = 0;
    // Without any knowledge of rows, the rule "any row" would describe every latent.
    if (rules.length < 2 || best < 0 || choosing < FEWEST_CHOOSING || scoring === 0) continue;
    let both = 0;
    for (const row of own) if (held[row] === 1 && ofRow[row]!.includes(best)) both++;
    choice[latent] = best;
    f1[latent] = (2 * both) / (scoring + totals[1][best]!);
    precision[latent] = totals[1][best] === 0 ? 0 : both / totals[1][best]!;
    recall[latent] = both / scoring;
  }
  return {
    ...compacted(rules, choice),
    f1,
    precision,
    recall,
    rows: sample.length,
    heldOutRows: held.reduce((a, b) => a + b, 0),
  };
}

const KIND_ORDER: readonly Rule['kind'][] = ['always', 'label', 'token', 'pattern', 'previous-token', 'position'];

function isSimpler(rules: readonly Rule[], a: number, b: number): boolean {
  if (b < 0) return true;
  const [first, second] = [KIND_ORDER.indexOf(rules[a]!.kind), KIND_ORDER.indexOf(rules[b]!.kind)];
  return first < second || (first === second && a < b);
}

/** 1 for rows of the held-out half. */
function heldOut(sample: readonly SampledRow[], key: number): Uint8Array {
  const bySequence = Uint8Array.from(
    sample,
    ({ row, sequence }) => priorityOf(key, sequence < 0 ? row : sequence, -1) & 1,
  );
  const share = bySequence.reduce((sum, bit) => sum + bit, 0) / sample.length;
  if (share >= 0.25 && share <= 0.75) return bySequence;
  return Uint8Array.from(sample, ({ row }) => priorityOf(key, row, -2) & 1);
}

function rowsByLatent(sample: readonly SampledRow[], dSae: number): { starts: Uint32Array; rows: Uint32Array } {
  const starts = new Uint32Array(dSae + 1);
  for (const { latents } of sample) for (const latent of latents) starts[latent + 1]!++;
  for (let latent = 0; latent < dSae; latent++) starts[latent + 1]! += starts[latent]!;
  const next = starts.slice();
  const rows = new Uint32Array(starts[dSae]!);
  sample.forEach(({ latents }, row) => {
    for (const latent of latents) rows[next[latent]!++] = row;
  });
  return { starts, rows };
}

/** The rules that were chosen, renumbered in the order of latents. */
function compacted(rules: readonly Rule[], choice: Int32Array): { rules: Rule[]; rule: Int32Array } {
  const numbers = new Map<number, number>();
  const kept: Rule[] = [];
  const rule = choice.map(id => {
    if (id < 0) return -1;
    if (!numbers.has(id)) {
      numbers.set(id, kept.length);
      kept.push(rules[id]!);
    }
    return numbers.get(id)!;
  });
  return { rules: kept, rule };
}

/** Every rule that holds on some row of the sample, by number, and those that hold on a row. */
class Predicates {
  readonly rules: Rule[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #ofToken = new Map<number, readonly number[]>();
  readonly #options: RuleChoiceOptions;
  readonly #patterns = PATTERNS.map(([pattern, text]) => ({
    test: new RegExp(pattern, 'u'),
    rule: { kind: 'pattern', pattern, text: `token: ${text}` } as const,
  }));

  constructor(options: RuleChoiceOptions) {
    this.#options = options;
  }

  of({ token, previousToken, position, labels }: SampledRow): readonly number[] {
    const ids = [this.#number('always', () => ({ kind: 'always', text: 'any row' }))];
    if (token >= 0) ids.push(...this.#tokenRules(token));
    if (previousToken >= 0) {
      const text = `after ${this.#named(previousToken)}`;
      ids.push(this.#number(`p${previousToken}`, () => ({ kind: 'previous-token', token: previousToken, text })));
    }
    for (const [column, { name, values }] of this.#options.labels.entries()) {
      const value = labels[column]!;
      if (value < 0) continue;
      ids.push(
        this.#number(`l${column},${value}`, () => ({
          kind: 'label',
          column,
          value,
          text: `${name} is ${values[value]}`,
        })),
      );
    }
    for (const below of FIRST_POSITIONS) {
      if (position < 0 || position >= below) continue;
      const text = below === 1 ? 'first position' : `first ${below} positions`;
      ids.push(this.#number(`f${below}`, () => ({ kind: 'position', below, text })));
    }
    return ids;
  }

  #named(token: number): string {
    const text = this.#options.textOf(token);
    return text === '' ? `token ${token}` : `token ${JSON.stringify(text)}`;
  }

  #tokenRules(token: number): readonly number[] {
    const known = this.#ofToken.get(token);
    if (known) return known;
    const text = this.#options.textOf(token);
    const ids = [this.#number(`t${token}`, () => ({ kind: 'token', token, text: this.#named(token) }))];
    if (text !== '') {
      for (const { test, rule } of this.#patterns) {
        if (test.test(text)) ids.push(this.#number(rule.pattern, () => rule));
      }
      const word = /^ ?(\p{L}{2,24})$/u.exec(text)?.[1];
      if (word !== undefined) ids.push(...this.#wordRules(word));
    }
    this.#ofToken.set(token, ids);
    return ids;
  }

  /** Rules of a word's letters, with or without a space before it. */
  #wordRules(word: string): number[] {
    const letters = [...word];
    const anyCase = letters
      .map(letter => {
        const [lower, upper] = [letter.toLowerCase(), letter.toUpperCase()];
        return [...lower].length === 1 && [...upper].length === 1 && lower !== upper ? `[${upper}${lower}]` : letter;
      })
      .join('');
    const rules: [string, string][] = [
      [`^ ?${anyCase}$`, `the word ${JSON.stringify(word.toLowerCase())} in any case`],
    ];
    for (const length of AFFIX_LENGTHS) {
      if (letters.length <= length) continue;
      const [first, last] = [letters.slice(0, length).join(''), letters.slice(-length).join('')];
      rules.push(
        [`^ ?${first}`, `begins with ${JSON.stringify(first)}`],
        [`${last}$`, `ends in ${JSON.stringify(last)}`],
      );
    }
    return rules.map(([pattern, text]) =>
      this.#number(pattern, () => ({ kind: 'pattern', pattern, text: `token: ${text}` })),
    );
  }

  #number(name: string, make: () => Rule): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const number = this.rules.length;
    this.#numbers.set(name, number);
    this.rules.push(make());
    return number;
  }
}
