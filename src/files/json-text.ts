/**
 * Reads JSON as other projects' files have it: Python writes NaN and Infinity into it, editors a byte order mark,
 * attackers deep nesting.
 */
import { FileFormatError } from '../errors.ts';
import { decodeText } from './text-encoding.ts';

/** Deeper nesting is damage or an attack: walking it would overflow the stack. Configs of SAEs nest three deep. */
const DEEPEST = 100;

/**
 * Parses the JSON text of a config. NaN is read as `null`, Infinity and −Infinity as numbers, as Python's json module
 * writes them.
 * @throws FileFormatError where it is not JSON or nests deeper than 100; `what` names it in the message
 */
export function parseJson(
  content: Uint8Array | string,
  what: string,
  { file }: { readonly file?: string | undefined } = {},
): unknown {
  const text = typeof content === 'string' ? content : decodeText(content);
  if (depthOf(text) > DEEPEST) {
    throw new FileFormatError(`${what} is nested deeper than ${DEEPEST}: damaged, or an attack`, { file });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    try {
      // Tokens outside of strings only: what the first alternative takes stays as it is. 1e999 is more than a number holds.
      return JSON.parse(
        text.replace(/"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/gs, token =>
          token.startsWith('"') ? token : token === 'NaN' ? 'null' : token.replace('Infinity', '1e999'),
        ),
      );
    } catch {
      throw new FileFormatError(`${what} is not JSON: ${(cause as Error).message}`, { file, cause });
    }
  }
}

/** The depth to which brackets nest, without those in strings. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let isInString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (isInString) {
      if (code === 0x5c) i++;
      else if (code === 0x22) isInString = false;
    } else if (code === 0x22) isInString = true;
    else if (code === 0x5b || code === 0x7b) deepest = Math.max(deepest, ++depth);
    else if (code === 0x5d || code === 0x7d) depth--;
  }
  return deepest;
}

/** A value of a file as a message shows it: JSON, cut after 80 characters; never throws, however deep the value. */
export function shown(value: unknown): string {
  try {
    const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
    return text.length > 80 ? `${text.slice(0, 80)}…` : text;
  } catch {
    return Array.isArray(value) ? 'a deeply nested list' : `a deeply nested ${typeof value}`;
  }
}

/** Whether a JSON value is an object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
