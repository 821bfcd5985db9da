/** Values of other people's files in words, for messages: short, on a terminal harmless, and never an error of their own. */

/** Longer texts are cut in the middle of a message. */
const LONGEST = 160;
const MOST_ENTRIES = 8;
const DEEPEST = 3;

/** Longer messages lose their middle: a graph can have a million tensors. */
const LONGEST_MESSAGE = 20_000;

/** Control characters, those that turn the direction of writing, and separators of lines that are not newlines. */
const UNPRINTABLE = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;

const escaped = (character: string): string => `\\u${character.codePointAt(0)!.toString(16).padStart(4, '0')}`;

/** `text` with control characters as `\u001b`: a terminal would obey them. Newlines and tabs stay. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, character =>
    character === '\n' || character === '\t' ? character : escaped(character),
  );
}

/** As `printable`, in one line. */
export function inOneCell(text: string): string {
  return text.replace(UNPRINTABLE, escaped);
}

/** A whole message: printable, and not longer than a person or a log reads. */
export function message(text: string): string {
  if (text.length <= LONGEST_MESSAGE) return printable(text);
  const half = LONGEST_MESSAGE / 2;
  const left = text.length - LONGEST_MESSAGE;
  return printable(`${text.slice(0, half)}\n… ${left} characters left out …\n${text.slice(-half)}`);
}

/**
 * Any value in a few words, as JSON where it is plain data: deep ones and long ones are cut, those that refer to themselves end.
 * Never throws, whatever the value's own methods do.
 */
export function inWords(value: unknown): string {
  try {
    return shortened(worded(value, 0));
  } catch {
    return `a value that cannot be read (${typeof value})`;
  }
}

function shortened(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}…`;
}

function worded(value: unknown, depth: number): string {
  if (typeof value === 'string') return inOneCell(JSON.stringify(shortened(value)));
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`;
  if (typeof value !== 'object' || value === null) return String(value);
  const isList = Array.isArray(value) || ArrayBuffer.isView(value);
  if (depth === DEEPEST) return isList ? '[…]' : '{…}';
  if (isList) {
    const list = value as ArrayLike<unknown>;
    const entries = Array.from({ length: Math.min(list.length, MOST_ENTRIES) }, (_, i) => worded(list[i], depth + 1));
    return `[${[...entries, ...(list.length > MOST_ENTRIES ? ['…'] : [])].join(',')}]`;
  }
  const entries: string[] = [];
  for (const key in value) {
    if (entries.length === MOST_ENTRIES) {
      entries.push('…');
      break;
    }
    entries.push(
      `${inOneCell(JSON.stringify(shortened(key)))}:${worded((value as Record<string, unknown>)[key], depth + 1)}`,
    );
  }
  return `{${entries.join(',')}}`;
}
